/** Bytes of an answer into lines or a text, within bounds. */

export type LineItem =
  | { readonly kind: "line"; readonly text: string }
  /** The stream ended properly; an unfinished last line is not given out. */
  | { readonly kind: "end" }
  | { readonly kind: "too-long" }
  | { readonly kind: "broken"; readonly message: string };

const newline = 0x0a;

/**
 * Lines without their newline. Splits bytes, not text: a character may be cut by a chunk's end, a newline cannot.
 * `onData` is called for every chunk, before its lines are.
 */
export async function* boundedLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
  onData: () => void,
): AsyncGenerator<LineItem, void, void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  try {
    for await (const chunk of chunks) {
      onData();
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        if (heldBytes + at - from > maxBytes) return yield { kind: "too-long" };
        const text = Buffer.concat([...held, chunk.subarray(from, at)]).toString("utf8");
        held = [];
        heldBytes = 0;
        from = at + 1;
        if (text !== "") yield { kind: "line", text };
      }
      held.push(chunk.subarray(from));
      heldBytes += chunk.length - from;
      if (heldBytes > maxBytes) return yield { kind: "too-long" };
    }
  } catch (error) {
    return yield { kind: "broken", message: error instanceof Error ? error.message : String(error) };
  }
  yield { kind: "end" };
}

export type BoundedText =
  | { readonly kind: "whole"; readonly text: string }
  | { readonly kind: "too-large" }
  | { readonly kind: "broken"; readonly message: string };

/** The whole text of a stream of at most so many bytes; what is larger is not read to its end. */
export async function readBounded(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<BoundedText> {
  const held: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > maxBytes) return { kind: "too-large" };
      held.push(chunk);
    }
  } catch (error) {
    return { kind: "broken", message: error instanceof Error ? error.message : String(error) };
  }
  return { kind: "whole", text: Buffer.concat(held).toString("utf8") };
}
