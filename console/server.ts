/** Serves the page on the loopback address: its files, its events, and proofs. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Asset, buildAssets } from "./assets.ts";
import type { ConsoleEvent, ConsoleSource } from "./source.ts";

export interface ConsoleServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Pages open at once; another is answered 503. */
const mostPages = 32;
/** Bytes a page may be behind before it is dropped; it comes back by itself and gets a new snapshot. */
const mostBacklog = 4 * 1024 * 1024;
const uetrPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** Listens on 127.0.0.1; rejects with the system's error when it cannot. */
export async function startConsole(source: ConsoleSource, port: number): Promise<ConsoleServer> {
  const assets = buildAssets();
  const pages = new Set<ServerResponse>();
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 16_384 }, (request, response) => {
    answer(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else reply(response, 502, "application/json", JSON.stringify({ reason: "No validator answered. Try again." }));
    });
  });

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    // A page of another site that resolves its name to this machine sends its own name.
    if (!isOwnHost(request.headers.host)) return reply(response, 403, "text/plain", "Unknown host.\n");
    if (request.method !== "GET" && request.method !== "HEAD")
      return reply(response, 405, "text/plain", "Only GET and HEAD.\n");
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const asset = assets.get(pathname);
    if (asset) return serve(response, asset);
    if (pathname === "/events") return subscribe(request, response);
    const uetr = (searchParams.get("uetr") ?? "").trim().toLowerCase();
    if (pathname !== "/proof" && pathname !== "/proof.bin") return reply(response, 404, "text/plain", "Not found.\n");
    if (!uetrPattern.test(uetr))
      return reply(
        response,
        400,
        "application/json",
        JSON.stringify({ reason: "A UETR has 36 characters, such as 8a562c67-ca16-48ba-b074-65581be6f001." }),
      );
    // Also "there is none" is an answer: the page asked a fair question.
    if (pathname === "/proof")
      return reply(response, 200, "application/json", JSON.stringify(await source.proof(uetr)));
    const bytes = await source.proofBytes(uetr);
    if (bytes === undefined) return reply(response, 404, "text/plain", "No proof.\n");
    response.setHeader("content-disposition", `attachment; filename="${uetr}.proof"`);
    return reply(response, 200, "application/octet-stream", bytes);
  };

  const subscribe = (request: IncomingMessage, response: ServerResponse) => {
    if (pages.size >= mostPages) return reply(response, 503, "text/plain", "Too many pages are open.\n");
    response.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8" });
    pages.add(response);
    const send = (event: ConsoleEvent) => {
      if (response.writableLength > mostBacklog) response.destroy();
      else response.write(`data: ${JSON.stringify(event)}\n\n`);
    };
    response.write("retry: 1000\n\n");
    send({ kind: "snapshot", snapshot: source.snapshot() });
    const stop = source.watch(send);
    request.once("close", () => {
      stop();
      pages.delete(response);
    });
  };

  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, host: "127.0.0.1", exclusive: true }, resolve);
  await listening;
  const address = server.address();
  const bound = address !== null && typeof address === "object" ? address.port : port;

  return {
    url: `http://127.0.0.1:${bound}`,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const response of pages) response.destroy();
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

function isOwnHost(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host);
}

function serve(response: ServerResponse, { type, content }: Asset): void {
  reply(response, 200, type, content);
}

function reply(response: ServerResponse, status: number, type: string, content: string | Uint8Array): void {
  response.writeHead(status, { ...headers, "content-type": type });
  response.end(content);
}
