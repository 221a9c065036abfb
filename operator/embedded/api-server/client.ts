/** The API server as a client in the same process: no sockets, and lists that are not copied. */
import {
  type Answer,
  type ApiClient,
  type ApiFailure,
  type ApiRequest,
  failure,
  refusal,
  type StreamItem,
} from "../../kube/api-client.ts";
import type { Clock } from "../../kube/clock.ts";
import { boundedLines } from "../../kube/lines.ts";
import { parseJson } from "./json.ts";
import type { Reply } from "./reply.ts";
import type { Handler, Served, ServerRequest } from "./requests.ts";

export interface InProcessOptions {
  readonly handler: Handler;
  readonly clock: Clock;
  /** Names the field manager of writes that do not. */
  readonly userAgent: string;
  /** Fires when the server closes. */
  readonly closing: AbortSignal;
}

const maxLineBytes = 8 << 20;

export function createInProcessClient({ handler, clock, userAgent, closing }: InProcessOptions): ApiClient {
  /** What the server makes of it, unless the caller's patience ends first. */
  async function ask(request: ApiRequest, signal: AbortSignal): Promise<Served | ApiFailure> {
    if (request.signal.aborted) return failure("aborted", "stopped");
    if (closing.aborted) return failure("unreachable", "the API server is closed");
    const { promise, resolve } = Promise.withResolvers<ApiFailure>();
    const onAbort = () => resolve(failure("aborted", "stopped"));
    const onClose = () => resolve(failure("unreachable", "the API server is closed"));
    const cancel = clock.after(request.deadlineMs, () =>
      resolve(failure("timeout", `no answer within ${request.deadlineMs} ms`)),
    );
    request.signal.addEventListener("abort", onAbort, { once: true });
    closing.addEventListener("abort", onClose, { once: true });
    try {
      return await Promise.race([handler.handle(serverRequest(request, userAgent, signal)), promise]);
    } finally {
      cancel();
      request.signal.removeEventListener("abort", onAbort);
      closing.removeEventListener("abort", onClose);
    }
  }

  return {
    async request(request) {
      const served = await ask(request, request.signal);
      if (!("reply" in served) && !("lines" in served || "pieces" in served || "text" in served))
        return { kind: "failed", failure: served };
      if (served.kind === "reply") return answerOf(served.reply);
      if (served.kind === "lines") await served.lines.return();
      return { kind: "failed", failure: failure("malformed", "an answer that is no JSON object") };
    },

    async stream(request) {
      const stop = new AbortController();
      const end = () => stop.abort();
      request.signal.addEventListener("abort", end, { once: true });
      closing.addEventListener("abort", end, { once: true });
      const release = () => {
        stop.abort();
        request.signal.removeEventListener("abort", end);
        closing.removeEventListener("abort", end);
      };
      const served = await ask(request, stop.signal);
      if ("lines" in served || "pieces" in served)
        return { kind: "stream", items: items(served, request.signal, closing, release) };
      release();
      if (!("reply" in served || "text" in served)) return { kind: "failed", failure: served };
      const answer = served.kind === "reply" ? answerOf(served.reply) : undefined;
      return {
        kind: "failed",
        failure: answer?.kind === "failed" ? answer.failure : failure("malformed", "an answer that is no stream"),
      };
    },

    close() {},
  };
}

async function* items(
  served: Served & { readonly kind: "lines" | "pieces" },
  aborted: AbortSignal,
  closing: AbortSignal,
  release: () => void,
): AsyncGenerator<StreamItem, void, void> {
  try {
    if (served.kind === "lines") {
      for await (const text of served.lines) yield { kind: "line", text };
    } else {
      for await (const item of boundedLines(buffers(served.pieces), maxLineBytes, () => {})) {
        if (item.kind === "line") yield item;
        else if (item.kind === "too-long")
          return yield { kind: "failed", failure: failure("too-large", `a line above ${maxLineBytes} bytes`) };
        else if (item.kind === "broken") return yield { kind: "failed", failure: failure("unreachable", item.message) };
      }
    }
    if (aborted.aborted) yield { kind: "failed", failure: failure("aborted", "stopped") };
    else if (closing.aborted) yield { kind: "failed", failure: failure("unreachable", "the API server is closed") };
    else yield { kind: "end" };
  } finally {
    release();
  }
}

async function* buffers(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  for await (const piece of pieces) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

/** The body as a value of the server's own: what the caller does with its object later changes nothing here. */
function serverRequest(
  { method, path, query = {}, body }: ApiRequest,
  agent: string,
  signal: AbortSignal,
): ServerRequest {
  const text = body === undefined ? undefined : (JSON.stringify(body.value) as string | undefined);
  return {
    method,
    path,
    query: (name) => (Object.hasOwn(query, name) && query[name] !== undefined ? String(query[name]) : ""),
    body: text === undefined ? undefined : parseJson(text),
    bodyBytes: text?.length ?? 0,
    contentType: body?.type ?? "",
    accept: "application/json",
    agent,
    signal,
  };
}

function answerOf({ status, body }: Reply): Answer {
  return status >= 400 ? { kind: "failed", failure: refusal(body, status) } : { kind: "ok", status, body };
}
