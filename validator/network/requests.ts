/** Requests and their answers on one long-lived stream: many under way, bounded in number and bytes, with timeouts. */
import type { Stream } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import type { Reply, StreamProtocol } from "../driver/ports.ts";
import { createFrameReader, encodeFrameHeader, type Frame, type FrameKind } from "./frames.ts";

/** Requests of one peer that wait for an answer. */
export const maxInFlight = 256;
/** Bytes queued towards one peer. */
export const maxQueuedBytes = 48 * 1024 * 1024;

const protocols: readonly StreamProtocol[] = [
  "batch",
  "fetch-batches",
  "fetch-blocks",
  "fetch-checkpoint",
  "fetch-private",
];
const echo = 255;

export interface RequestStream {
  request(protocol: StreamProtocol, bytes: Uint8Array, timeoutMs: number): Promise<Reply>;
  /** Milliseconds of one round trip; undefined when it was not answered in time. */
  echo(timeoutMs: number): Promise<number | undefined>;
  sendKey(handover: Uint8Array): void;
  close(): void;
}

export interface RequestStreamOptions {
  readonly stream: Stream;
  /** Answers the peer's requests; a rejection is sent as a failure with its message. */
  readonly serve: (protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array>;
  readonly onKey: (handover: Uint8Array) => void;
  readonly onClose: () => void;
  /** The peer broke the rules of the stream. */
  readonly onBreach: (reason: string) => void;
  readonly onBytes: (direction: "in" | "out", count: number) => void;
}

const failed = (kind: "unreachable" | "timeout" | "refused" | "overloaded", message: string): Reply => ({
  kind: "failed",
  failure: { kind, message },
});

export function createRequestStream(options: RequestStreamOptions): RequestStream {
  const { stream, serve } = options;
  const waiting = new Map<number, (reply: Reply) => void>();
  const queue: Uint8ArrayList[] = [];
  let queued = 0;
  let nextId = 1;
  let serving = 0;
  let sending = false;
  let closed = false;

  stream.maxWriteBufferLength = maxQueuedBytes;
  stream.maxReadBufferLength = maxQueuedBytes;
  stream.inactivityTimeout = Number.MAX_SAFE_INTEGER;

  function enqueue(kind: FrameKind, protocol: number, id: number, payload: Uint8Array): void {
    if (closed) return;
    queue.push(new Uint8ArrayList(encodeFrameHeader(kind, protocol, id, payload.length), payload));
    queued += payload.length;
    options.onBytes("out", payload.length);
    if (!sending) void drain();
  }

  async function drain(): Promise<void> {
    sending = true;
    try {
      for (let next = queue.shift(); next && !closed; next = queue.shift()) {
        queued -= next.byteLength;
        if (!stream.send(next)) await stream.onDrain();
      }
    } catch {
      // A stream that cannot be written to any more is closed: the requests on it fail as unreachable.
      shut();
    } finally {
      sending = false;
    }
  }

  function ask(protocol: number, bytes: Uint8Array, timeoutMs: number): Promise<Reply> {
    if (closed) return Promise.resolve(failed("unreachable", "the stream is closed"));
    if (waiting.size >= maxInFlight || queued + bytes.length > maxQueuedBytes)
      return Promise.resolve(failed("overloaded", "too much is under way to this peer"));
    const id = nextId;
    nextId = (nextId + 1) >>> 0;
    return new Promise((resolve) => {
      const timer = setTimeout(() => finish(failed("timeout", `no answer in ${timeoutMs} ms`)), timeoutMs);
      const finish = (reply: Reply) => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(reply);
      };
      waiting.set(id, finish);
      enqueue("request", protocol, id, bytes);
    });
  }

  function onFrame(frame: Frame): void {
    options.onBytes("in", frame.payload.length);
    switch (frame.kind) {
      case "request":
        return answer(frame);
      case "response":
        return waiting.get(frame.id)?.({ kind: "ok", bytes: frame.payload });
      case "failure":
        return waiting.get(frame.id)?.(failed("refused", new TextDecoder().decode(frame.payload.subarray(0, 256))));
      case "key":
        return options.onKey(frame.payload);
    }
  }

  function answer({ protocol: code, id, payload }: Frame): void {
    if (code === echo) return enqueue("response", echo, id, new Uint8Array(0));
    const protocol = protocols[code];
    if (protocol === undefined) return options.onBreach("a request of an unknown protocol");
    const refuse = (message: string) => enqueue("failure", code, id, new TextEncoder().encode(message));
    // A peer has as many requests under way as this side allows itself: one more breaks the rules.
    if (serving >= maxInFlight) return refuse("too many requests under way");
    serving += 1;
    serve(protocol, payload)
      .then(
        (reply) => enqueue("response", code, id, reply),
        (error: unknown) => refuse(error instanceof Error ? error.message : "refused"),
      )
      .finally(() => {
        serving -= 1;
      });
  }

  function shut(): void {
    if (closed) return;
    closed = true;
    queue.length = 0;
    queued = 0;
    for (const finish of [...waiting.values()]) finish(failed("unreachable", "the stream was closed"));
    stream.abort(new Error("the request stream is closed"));
    options.onClose();
  }

  const reader = createFrameReader(onFrame);
  stream.addEventListener("message", ({ data }) => {
    if (reader.push(data)) return;
    options.onBreach("a malformed frame");
    shut();
  });
  stream.addEventListener("close", shut);
  stream.addEventListener("remoteCloseWrite", shut);

  return {
    request: (protocol, bytes, timeoutMs) => ask(protocols.indexOf(protocol), bytes, timeoutMs),
    async echo(timeoutMs) {
      const started = performance.now();
      const reply = await ask(echo, new Uint8Array(0), timeoutMs);
      return reply.kind === "ok" ? performance.now() - started : undefined;
    },
    sendKey: (handover) => enqueue("key", 0, 0, handover),
    close: shut,
  };
}
