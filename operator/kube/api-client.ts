/**
 * Requests to an API server over plain HTTP/1.1. Addresses, certificates, tokens, exec plugins and the in-cluster
 * account come from the client library's `KubeConfig`; nothing else of the library is used.
 * Every failure is a value. Nothing is retried here, and no redirect is followed: it would carry the credentials away.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { aborted, type Clock } from "./clock.ts";
import { boundedLines, readBounded } from "./lines.ts";
import { arrayAt, isRecord, type JsonRecord, numberAt, textAt } from "./objects.ts";

/** What a mutating request carries. */
export type ContentType = "application/json" | "application/merge-patch+json" | "application/apply-patch+yaml";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With a leading slash, encoded. */
  readonly path: string;
  /** Undefined values are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: { readonly type: ContentType; readonly value: unknown };
  readonly signal: AbortSignal;
  /** From the call to the answer's end; for a stream, to its headers. Milliseconds. */
  readonly deadlineMs: number;
}

/** One entry of a Status' `details.causes`. */
export interface StatusCause {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/**
 * Why there is no answer. `refused`: the server answered with a status of 400 or above. `unreachable`: it did not get the
 * request. `lost`: the connection ended before the answer did, and a write may have been carried out.
 */
export interface ApiFailure {
  readonly kind: "unreachable" | "lost" | "timeout" | "aborted" | "malformed" | "too-large" | "refused";
  /** HTTP status or a Status' code; 0 without an answer. */
  readonly status: number;
  /** The Status' reason, e.g. `Expired`, `Conflict`; "" when there is none. */
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly StatusCause[];
  /** What the server asked for, five minutes at most; 0 when it did not. */
  readonly retryAfterMs: number;
}

export type Answer =
  | { readonly kind: "ok"; readonly status: number; readonly body: JsonRecord }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** A line, or why there are no more; after `end` and `failed` comes nothing. */
export type StreamItem =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

export type StreamAnswer =
  | { readonly kind: "stream"; readonly items: AsyncGenerator<StreamItem, void, void> }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

export interface ApiClient {
  /** One request and its whole answer, a JSON object. */
  readonly request: (request: ApiRequest) => Promise<Answer>;
  /**
   * A GET whose answer comes line by line. Fails with `timeout` when nothing at all arrives for `idleMs`, so that a
   * connection that died without a word is noticed. Leaving the loop over the items closes the connection.
   */
  readonly stream: (request: ApiRequest & { readonly idleMs: number }) => Promise<StreamAnswer>;
  /** Closes all connections: what is still open fails. */
  readonly close: () => void;
}

export interface ApiClientOptions {
  readonly config: KubeConfig;
  readonly clock: Clock;
  readonly userAgent: string;
  /** Largest whole answer. */
  readonly maxAnswerBytes?: number;
  /** Longest line of a stream. etcd refuses objects above 1.5 MiB; JSON escapes and metadata come on top. */
  readonly maxLineBytes?: number;
}

const keepAliveMs = 15_000;

/** A server may ask for patience, but not for more than this. */
const longestRetryAfterMs = 300_000;

/** Throws when the configuration names no cluster: that is a mistake at start-up. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const { config, clock, userAgent, maxAnswerBytes = 64 << 20, maxLineBytes = 8 << 20 } = options;
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error("the kubeconfig has no current cluster");
  const { server, proxyUrl } = cluster;
  // The library makes agents without keep-alive, and keeps the first client certificate for ever.
  const http = new HttpAgent({ keepAlive: true });
  const https = new HttpsAgent({ keepAlive: true });

  /** The response's headers have come; its body has not been read. */
  async function open(request: ApiRequest, stop: AbortSignal): Promise<IncomingMessage | ApiFailure> {
    const url = new URL(server.replace(/\/$/, "") + request.path);
    for (const [name, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const auth: RequestOptions = {};
    try {
      // An exec plugin that hangs must not hold the caller: an election has a deadline to keep.
      await Promise.race([config.applyToHTTPSOptions(auth), aborted(stop)]);
    } catch (error) {
      return failure("unreachable", `no credentials: ${messageOf(error)}`);
    }
    if (stop.aborted) return failure("aborted", "stopped");

    const body = request.body === undefined ? undefined : JSON.stringify(request.body.value);
    const secure = url.protocol === "https:";
    const own = secure ? https : http;
    const { promise, resolve } = Promise.withResolvers<IncomingMessage | ApiFailure>();
    const call = (secure ? httpsRequest : httpRequest)(url, {
      ...auth,
      agent: proxyUrl === undefined ? own : (auth.agent ?? own),
      method: request.method,
      headers: {
        ...auth.headers,
        accept: "application/json",
        "user-agent": userAgent,
        ...(request.body === undefined
          ? {}
          : { "content-type": request.body.type, "content-length": Buffer.byteLength(body ?? "") }),
      },
    });
    const abort = () => void call.destroy(new Error("stopped"));
    stop.addEventListener("abort", abort, { once: true });
    call.once("close", () => stop.removeEventListener("abort", abort));
    let sent = false;
    call.once("finish", () => {
      sent = call.socket?.connecting === false;
    });
    call.on("error", (error) => resolve(failure(sent ? "lost" : "unreachable", messageOf(error))));
    call.on("socket", (socket) => void socket.setKeepAlive(true, keepAliveMs));
    call.on("response", resolve);
    call.end(body);
    return promise;
  }

  /** A signal for the socket that also fires at the deadline; `why` says which it was. */
  function bounded(request: ApiRequest) {
    const stop = new AbortController();
    let timedOut = false;
    const onAbort = () => stop.abort();
    const cancel = clock.after(request.deadlineMs, () => {
      timedOut = true;
      stop.abort();
    });
    request.signal.addEventListener("abort", onAbort);
    if (request.signal.aborted) stop.abort();
    return {
      stop,
      cancelDeadline: cancel,
      release() {
        cancel();
        request.signal.removeEventListener("abort", onAbort);
      },
      /** A socket destroyed by us looks like a broken one: this tells them apart. */
      why(found: ApiFailure): ApiFailure {
        if (request.signal.aborted) return failure("aborted", "stopped");
        if (timedOut) return failure("timeout", `no answer within ${request.deadlineMs} ms`);
        return found;
      },
    };
  }

  return {
    async request(request) {
      const limits = bounded(request);
      try {
        const response = await open(request, limits.stop.signal);
        if ("kind" in response) return { kind: "failed", failure: limits.why(response) };
        const answer = await readAnswer(response, maxAnswerBytes);
        return answer.kind === "ok" ? answer : { kind: "failed", failure: limits.why(answer.failure) };
      } finally {
        limits.release();
      }
    },

    async stream(request) {
      const limits = bounded(request);
      const response = await open(request, limits.stop.signal);
      const refuse = (found: ApiFailure): StreamAnswer => {
        const reason = limits.why(found);
        limits.release();
        return { kind: "failed", failure: reason };
      };
      if ("kind" in response) return refuse(response);
      if ((response.statusCode ?? 0) !== 200) {
        const answer = await readAnswer(response, maxAnswerBytes);
        return refuse(
          answer.kind === "ok" ? failure("malformed", `status ${answer.status} for a stream`) : answer.failure,
        );
      }
      limits.cancelDeadline();
      return { kind: "stream", items: items(response, request, limits) };
    },

    close() {
      http.destroy();
      https.destroy();
    },
  };

  async function* items(
    response: IncomingMessage,
    request: { readonly idleMs: number },
    limits: ReturnType<typeof bounded>,
  ): AsyncGenerator<StreamItem, void, void> {
    let idle = false;
    const watchdog = () =>
      clock.after(request.idleMs, () => {
        idle = true;
        response.destroy(new Error("idle"));
      });
    let cancelIdle = watchdog();
    const onData = () => {
      cancelIdle();
      cancelIdle = watchdog();
    };
    try {
      for await (const item of boundedLines(response, maxLineBytes, onData)) {
        if (item.kind === "line") yield item;
        // What follows the last newline was cut off: it is never given out as if it were whole.
        else if (item.kind === "end") yield { kind: "end" };
        else if (item.kind === "too-long")
          yield { kind: "failed", failure: failure("too-large", `a line above ${maxLineBytes} bytes`) };
        else {
          const found = idle
            ? failure("timeout", `nothing for ${request.idleMs} ms`)
            : failure("unreachable", item.message);
          yield { kind: "failed", failure: limits.why(found) };
        }
      }
    } finally {
      cancelIdle();
      limits.release();
      response.destroy();
    }
  }
}

/** A failure without an answer. */
export function failure(kind: Exclude<ApiFailure["kind"], "refused">, message: string): ApiFailure {
  return { kind, status: 0, reason: "", message, causes: [], retryAfterMs: 0 };
}

/** What a `Status` object says, in an answer or in a watch's ERROR event; `httpStatus` stands in for a missing code. */
export function refusal(status: unknown, httpStatus: number, retryAfterMs = 0): ApiFailure {
  const details = isRecord(status) ? status["details"] : undefined;
  const seconds = numberAt(details, "retryAfterSeconds") ?? 0;
  return {
    kind: "refused",
    status: numberAt(status, "code") ?? httpStatus,
    reason: textAt(status, "reason"),
    message: textAt(status, "message").slice(0, 2_048) || `status ${httpStatus}`,
    causes: arrayAt(details, "causes")
      .slice(0, 64)
      .map((cause) => ({
        reason: textAt(cause, "reason"),
        field: textAt(cause, "field"),
        message: textAt(cause, "message"),
      })),
    retryAfterMs: Math.min(longestRetryAfterMs, Math.max(0, retryAfterMs, seconds * 1_000)),
  };
}

async function readAnswer(response: IncomingMessage, maxBytes: number): Promise<Answer> {
  const status = response.statusCode ?? 0;
  const body = await readBounded(response, maxBytes);
  const failed = (found: ApiFailure): Answer => ({ kind: "failed", failure: found });
  if (body.kind === "too-large") return failed(failure("too-large", `an answer above ${maxBytes} bytes`));
  if (body.kind === "broken") return failed(failure("lost", body.message));
  const value = parse(body.text);
  // Proxies in between refuse in HTML: such a refusal is one nevertheless.
  if (status >= 400) return failed({ ...refusal(value, status, retryAfterOf(response)), status });
  if (status < 200 || status >= 300) return failed(failure("malformed", `status ${status}`));
  return isRecord(value)
    ? { kind: "ok", status, body: value }
    : failed(failure("malformed", "an answer that is no JSON object"));
}

/** Whole seconds; the header's other form, a date, needs clocks that agree. */
function retryAfterOf(response: IncomingMessage): number {
  const seconds = Number(response.headers["retry-after"] ?? "0");
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A connection that was refused on every address of a name has a code and no message. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
