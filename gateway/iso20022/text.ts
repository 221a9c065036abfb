/** Bytes of an XML document to text, as XML 1.0 appendix F tells: byte order mark, else UTF-16 by its zeros, else UTF-8. */

/** Turns a document's bytes into text chunk by chunk. */
export interface TextStream {
  /** Undefined when the bytes are not the encoding they claim: refused for good. */
  push(chunk: Uint8Array): string | undefined;
  /** The rest; undefined when the document ends inside a character. */
  end(): string | undefined;
  /** What the bytes are; undefined until known. An XML declaration must agree with it. */
  readonly encoding: Encoding | undefined;
}

type Encoding = "utf-8" | "utf-16le" | "utf-16be";

const NOTHING = new Uint8Array(0);

/** Starts reading a document. Malformed sequences are refused, never replaced. */
export function textStream(): TextStream {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let encoding: Encoding | undefined;
  let head: Uint8Array = NOTHING;

  const decode = (bytes: Uint8Array, stream: boolean): string | undefined => {
    try {
      return decoder!.decode(bytes, { stream });
    } catch {
      // TypeError is how a fatal TextDecoder says "malformed".
      return undefined;
    }
  };
  const start = (bytes: Uint8Array): void => {
    encoding = detect(bytes);
    decoder = new TextDecoder(encoding, { fatal: true });
  };

  return {
    get encoding() {
      return encoding;
    },
    push(chunk) {
      if (decoder !== undefined) return decode(chunk, true);
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (head.length < 4) return "";
      start(head);
      return decode(head, true);
    },
    end() {
      if (decoder !== undefined) return decode(NOTHING, false);
      start(head);
      return decode(head, false);
    },
  };
}

function detect(head: Uint8Array): Encoding {
  const [a, b] = head;
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  if (a === 0x3c && b === 0) return "utf-16le";
  if (a === 0 && b === 0x3c) return "utf-16be";
  return "utf-8";
}
