/**
 * Requests, answers, sender keys and pings with one connected peer, over two long-lived streams: `urgent` for small
 * frames, `bulk` for large ones, so that an acknowledgement never waits behind a batch.
 */
import { performance } from "node:perf_hooks";
import type { Stream } from "@libp2p/interface";
import type { Reply, RequestFailure, StreamProtocol } from "../driver/ports.ts";
import type { Frame, FrameKind } from "./frames.ts";
import { createLane, type Lane } from "./lane.ts";
import type { NetworkLimits } from "./limits.ts";

export const urgentProtocol = "/validator-swarm/1/requests";
export const bulkProtocol = "/validator-swarm/1/bulk";

/** Largest payload on the urgent stream; larger frames take the other one. */
const urgentBytes = 16 * 1024;
const mostErrorBytes = 256;
const empty = new Uint8Array(0);

/** Counts of everything one peer's streams did. */
export interface StreamCounters {
  bytesIn: number;
  bytesOut: number;
  /** Own requests by how they ended. */
  answered: number;
  failed: number;
  timedOut: number;
  /** Own and the peer's requests that found a full queue. */
  overloaded: number;
}

export interface SessionOptions {
  readonly limits: NetworkLimits;
  readonly counters: StreamCounters;
  readonly answer: (protocol: StreamProtocol, bytes: Uint8Array) => Promise<Uint8Array>;
  /** The peer's sender key. */
  readonly keyReceived: (key: Uint8Array) => void;
  readonly keyAsked: () => void;
  /** A broadcast of the peer's own. */
  readonly message: (bytes: Uint8Array) => void;
  /** Whom the peer is connected to. False when the payload is none (`reach.ts`). */
  readonly reach: (bytes: Uint8Array) => boolean;
  readonly roundTrip: (milliseconds: number) => void;
  /** The peer broke the framing's rules. */
  readonly violated: (reason: string) => void;
  /** One of the streams ended. */
  readonly closed: () => void;
}

export interface Session {
  request(protocol: StreamProtocol, bytes: Uint8Array, timeoutMs: number): Promise<Reply>;
  /** One way. False when the queue to the peer is full, or it is gone. */
  message(bytes: Uint8Array): boolean;
  sendReach(bytes: Uint8Array): void;
  sendKey(key: Uint8Array): void;
  askKey(): void;
  /** Sends a ping unless one is on its way. */
  ping(): void;
  /** When the last byte of the peer came, by `performance.now()`. */
  readonly heardAt: number;
  readonly inFlight: number;
  readonly queuedBytes: number;
  /** Ends the streams; own requests end as unreachable. */
  close(): void;
}

interface Pending {
  readonly settle: (reply: Reply) => void;
  readonly timer: NodeJS.Timeout;
}

export function createSession(urgentStream: Stream, bulkStream: Stream, options: SessionOptions): Session {
  const { limits, counters } = options;
  const pending = new Map<number, Pending>();
  let nextCorrelation = 1;
  let heardAt = performance.now();
  let pingSent: { readonly correlation: number; readonly at: number } | undefined;
  /** The peer's requests being answered. */
  let serving = 0;
  let servingBytes = 0;
  let open = true;

  const urgent = lane(urgentStream, urgentBytes);
  const bulk = lane(bulkStream, limits.frameBytes);

  function lane(stream: Stream, frameBytes: number): Lane {
    return createLane({
      stream,
      frameBytes,
      queuedBytes: limits.queuedBytes,
      received,
      heard(bytes) {
        heardAt = performance.now();
        counters.bytesIn += bytes;
      },
      malformed: () => violate("a malformed frame"),
      closed: close,
    });
  }

  function violate(reason: string): void {
    if (!open) return;
    options.violated(reason);
    close();
  }

  function close(): void {
    if (!open) return;
    open = false;
    urgent.close();
    bulk.close();
    for (const [correlation] of pending)
      settle(correlation, failed("unreachable", "the connection was lost before the answer"));
    options.closed();
  }

  function send(kind: FrameKind, correlation: number, payload: Uint8Array, protocol?: StreamProtocol): boolean {
    const lane = payload.length <= urgentBytes ? urgent : bulk;
    const sent = lane.send({ kind, correlation, protocol: protocol ?? "none", payload });
    if (sent) counters.bytesOut += payload.length;
    return sent;
  }

  function received(frame: Frame): void {
    if (!open) return;
    switch (frame.kind) {
      case "request":
        return serve(frame);
      case "response":
        counters.answered += 1;
        // An answer after its time finds nobody waiting; nothing to hold against the peer.
        return settle(frame.correlation, { kind: "ok", bytes: frame.payload });
      case "error":
        counters.failed += 1;
        return settle(frame.correlation, decodeFailure(frame.payload));
      case "key":
        return options.keyReceived(frame.payload);
      case "key-request":
        return options.keyAsked();
      case "ping":
        if (frame.payload.length > 0) return violate("a ping with a payload");
        send("pong", frame.correlation, empty);
        return;
      case "message":
        return options.message(frame.payload);
      case "reach":
        return options.reach(frame.payload) ? undefined : violate("a malformed list of peers");
      case "pong":
        return pong(frame.correlation);
    }
  }

  function pong(correlation: number): void {
    if (pingSent?.correlation !== correlation) return;
    const milliseconds = performance.now() - pingSent.at;
    pingSent = undefined;
    options.roundTrip(milliseconds);
  }

  function settle(correlation: number, reply: Reply): void {
    const waiting = pending.get(correlation);
    if (!waiting) return;
    pending.delete(correlation);
    clearTimeout(waiting.timer);
    waiting.settle(reply);
  }

  function serve({ correlation, protocol, payload }: Frame): void {
    if (protocol === "none") return violate("a request for nothing");
    if (serving >= limits.requestsInFlight || servingBytes + payload.length > limits.queuedBytes) {
      counters.overloaded += 1;
      send("error", correlation, encodeFailure("overloaded", "too many requests at once"));
      return;
    }
    serving += 1;
    servingBytes += payload.length;
    options
      .answer(protocol, payload)
      .then(
        (bytes) => {
          if (bytes.length > limits.frameBytes)
            return send("error", correlation, encodeFailure("refused", "too large"));
          if (send("response", correlation, bytes)) return true;
          counters.overloaded += 1;
          return send("error", correlation, encodeFailure("overloaded", "the queue to you is full"));
        },
        (reason: unknown) =>
          send("error", correlation, encodeFailure("refused", reason instanceof Error ? reason.message : "refused")),
      )
      .finally(() => {
        serving -= 1;
        servingBytes -= payload.length;
      });
  }

  return {
    request(protocol, bytes, timeoutMs) {
      if (!open) return Promise.resolve(failed("unreachable", "not connected"));
      if (bytes.length > limits.frameBytes)
        return Promise.resolve(failed("refused", `a request has at most ${limits.frameBytes} bytes`));
      if (pending.size >= limits.requestsInFlight) return Promise.resolve(overloaded());
      const correlation = nextCorrelation;
      nextCorrelation = (nextCorrelation + 1) >>> 0;
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          counters.timedOut += 1;
          settle(correlation, failed("timeout", `no answer within ${timeoutMs} ms`));
        }, timeoutMs);
        pending.set(correlation, { settle: resolve, timer });
        if (!send("request", correlation, bytes, protocol))
          settle(correlation, open ? overloaded() : failed("unreachable", "not connected"));
      });
    },
    message: (bytes) => send("message", 0, bytes),
    sendReach: (bytes) => void send("reach", 0, bytes),
    sendKey: (key) => void send("key", 0, key),
    askKey: () => void send("key-request", 0, empty),
    ping() {
      if (pingSent) return;
      pingSent = { correlation: nextCorrelation, at: performance.now() };
      nextCorrelation = (nextCorrelation + 1) >>> 0;
      send("ping", pingSent.correlation, empty);
    },
    get heardAt() {
      return heardAt;
    },
    get inFlight() {
      return pending.size;
    },
    get queuedBytes() {
      return urgent.queuedBytes + bulk.queuedBytes;
    },
    close,
  };

  function overloaded(): Reply {
    counters.overloaded += 1;
    return failed("overloaded", "too much is on its way to this peer");
  }
}

export function failed(kind: RequestFailure["kind"], message: string): Reply {
  return { kind: "failed", failure: { kind, message } };
}

/** The payload of an error frame: 1 for refused or 2 for overloaded, then a sentence in UTF-8. */
function encodeFailure(kind: "refused" | "overloaded", message: string): Uint8Array {
  return Buffer.concat([Buffer.of(kind === "refused" ? 1 : 2), Buffer.from(message).subarray(0, mostErrorBytes)]);
}

function decodeFailure(payload: Uint8Array): Reply {
  const message = Buffer.from(payload.subarray(1, 1 + mostErrorBytes)).toString("utf8");
  return failed(payload[0] === 2 ? "overloaded" : "refused", message);
}
