/** The API server over HTTPS on 127.0.0.1, for the command line and kubectl: a bearer token, bounded everything. */
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { parse as parseYaml } from "yaml";
import { readBounded } from "../../kube/lines.ts";
import { type Json, parseJson, toJson } from "./json.ts";
import { badRequest, type Reply, refuse, tooLarge } from "./reply.ts";
import type { Handler, Served } from "./requests.ts";

export interface HttpFace {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export interface HttpFaceOptions {
  readonly handler: Handler;
  /** 0: any that is free. */
  readonly port: number;
  readonly token: string;
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly maxConnections?: number;
}

export type Listening =
  | { readonly kind: "listening"; readonly face: HttpFace }
  /** A sentence, e.g. that the port is taken. */
  | { readonly kind: "failed"; readonly message: string };

const maxBodyBytes = 3 << 20;
const maxDrainMs = 30_000;

export async function startHttpFace(options: HttpFaceOptions): Promise<Listening> {
  const { handler, port, token, certificate, key, maxConnections = 256 } = options;
  const expected = digest(`Bearer ${token}`);
  const open = new Set<AbortController>();
  const server = createServer({ cert: certificate, key, requestTimeout: 60_000, headersTimeout: 20_000 });
  server.maxConnections = maxConnections;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!timingSafeEqual(digest(request.headers.authorization ?? ""), expected))
      return send(response, refuse(401, "Unauthorized", "Unauthorized"));
    const url = URL.parse(request.url ?? "/", "https://server");
    if (!url) return send(response, badRequest("the path cannot be read"));
    const body = await readBounded(request, maxBodyBytes);
    if (body.kind === "broken") return void response.destroy();
    if (body.kind === "too-large") {
      response.setHeader("connection", "close");
      return send(response, tooLarge(`a request has at most ${maxBodyBytes} bytes`));
    }
    const contentType = request.headers["content-type"] ?? "";
    if (contentType !== "" && !readable.test(contentType)) return send(response, unreadable(contentType));
    const value = body.text === "" ? undefined : bodyOf(body.text, contentType);
    if (body.text !== "" && value === undefined)
      return send(response, badRequest("the body of the request cannot be read"));

    const stop = new AbortController();
    open.add(stop);
    response.once("close", () => {
      stop.abort();
      open.delete(stop);
    });
    const served = await handler.handle({
      method: request.method ?? "",
      path: url.pathname,
      query: (name) => url.searchParams.get(name) ?? "",
      body: value,
      bodyBytes: body.text.length,
      contentType,
      accept: request.headers.accept ?? "",
      agent: request.headers["user-agent"] ?? "",
      signal: stop.signal,
    });
    await answer(response, served);
  }

  server.on("request", (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // Only a broken stream throws here; whoever reads it sees that it was cut.
      if (response.headersSent) response.destroy();
      else send(response, refuse(500, "InternalError", error instanceof Error ? error.message : String(error)));
    });
  });
  // Broken handshakes are the client's affair.
  server.on("tlsClientError", () => {});
  server.on("clientError", (_error, socket) => void socket.destroy());

  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  server.once("error", resolve);
  server.listen(port, "127.0.0.1", () => resolve(undefined));
  const error = await promise;
  if (error) return { kind: "failed", message: `127.0.0.1:${port}: ${error.message}` };
  return {
    kind: "listening",
    face: {
      port: (server.address() as AddressInfo).port,
      async close() {
        const closed = Promise.withResolvers<void>();
        server.close(() => closed.resolve());
        for (const stop of open) stop.abort();
        server.closeIdleConnections();
        // Streams end at once; whoever does not read the rest is cut off.
        const cut = setTimeout(() => server.closeAllConnections(), 1_000);
        await closed.promise;
        clearTimeout(cut);
      },
    },
  };
}

/** JSON, YAML and patches; protobuf is for built-in types of other servers. */
const readable = /^application\/([a-z-]+\+)?(json|yaml)\s*(;|$)/;
const unreadable = (type: string) =>
  refuse(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, application/yaml`,
  );

const digest = (text: string) => createHash("sha256").update(text).digest();

/** JSON, or YAML where the type says so. */
function bodyOf(text: string, contentType: string): Json | undefined {
  const json = parseJson(text);
  if (json !== undefined || !contentType.includes("yaml")) return json;
  try {
    return toJson(parseYaml(text, { maxAliasCount: 100 }));
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, body }: Reply): void {
  const text = JSON.stringify(body);
  const seconds = (body["details"] as { readonly retryAfterSeconds?: number } | undefined)?.retryAfterSeconds;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    ...(typeof seconds === "number" ? { "retry-after": String(seconds) } : {}),
  });
  response.end(text);
}

async function answer(response: ServerResponse, served: Served): Promise<void> {
  switch (served.kind) {
    case "reply":
      return send(response, served.reply);
    case "text":
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(served.text);
      return;
    case "lines":
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
      response.flushHeaders();
      for await (const line of served.lines) if (!(await put(response, `${line}\n`))) break;
      break;
    case "pieces":
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
      response.flushHeaders();
      for await (const piece of served.pieces) if (!(await put(response, piece))) break;
      break;
  }
  response.end();
}

/** False when the reader is gone, or so slow that it is cut off. */
async function put(response: ServerResponse, data: string | Uint8Array): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(data)) return true;
  try {
    const signal = AbortSignal.timeout(maxDrainMs);
    await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]);
    return !response.destroyed;
  } catch {
    response.destroy();
    return false;
  }
}
