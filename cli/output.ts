/** Where commands write. */
export interface Output {
  /** Standard output is for programs: one JSON document, or one a line where there are many. */
  readonly json: boolean;
  /** A line of standard output. */
  readonly line: (text: string) => void;
  /** Lines that replace the ones before on a terminal, and follow them elsewhere. */
  readonly picture: (text: string) => void;
  /** A line of standard error: what went wrong, and progress. */
  readonly error: (text: string) => void;
}

/** Writes a value as a line of JSON. */
export function writeJson(output: Output, value: unknown): void {
  // JSON lets these stand as they are; escaped they are the same text, and no terminal obeys them.
  output.line(JSON.stringify(value).replace(/[\u007f-\u009f]/g, (found) => `\\u00${found.charCodeAt(0).toString(16)}`));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /\u001b(?!\[(?:0|1|2|31|32|33|36)m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/**
 * What objects, pods and servers say is shown, never obeyed: only line ends, tabs and this program's own colours reach a
 * terminal.
 */
export const harmless = (text: string): string => text.replace(controls, "");
