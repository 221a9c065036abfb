/** Where commands write. */
export interface Output {
  /** Standard output is for programs: one JSON document, or one a line where there are many. */
  readonly json: boolean;
  /** A line of standard output. */
  readonly line: (text: string) => void;
  /** A line of standard error: what went wrong, and progress. */
  readonly error: (text: string) => void;
}

/** Writes a value as a line of JSON. */
export function writeJson(output: Output, value: unknown): void {
  output.line(JSON.stringify(value));
}
