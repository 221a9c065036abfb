/** Text as XML character data. */

const SPECIAL = /[&<>"\r]/;
const EACH = /[&<>"\r]/g;

/** Escapes for element content and for attribute values in double quotes. */
export function escapeXml(text: string): string {
  // Nearly every value needs nothing: the test is cheaper than a replacement.
  return SPECIAL.test(text) ? text.replace(EACH, replacement) : text;
}

function replacement(character: string): string {
  switch (character) {
    case "&":
      return "&amp;";
    case "<":
      return "&lt;";
    case ">":
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return "&#13;";
  }
}

const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/** Drops what XML 1.0 cannot hold, and cuts to a length, for text that did not come from XML. */
export function xmlText(text: string, maxLength: number): string {
  return escapeXml(text.replace(FORBIDDEN, "").slice(0, maxLength));
}
