/**
 * Whether a text can be the name of an object or a namespace. Names become parts of a path, where `..` would address
 * something else.
 */
export const isName = (text: string): boolean =>
  /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text) && !text.includes("..");

export const nameRule =
  "A name has lower-case letters, digits, dashes and dots, and begins and ends with a letter or digit.";
