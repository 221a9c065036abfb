/** The metrics port: `/healthz`, `/readyz` and `/metrics` over plain HTTP/1.1. Nothing secret is served here. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Host, withoutChain } from "./host.ts";
import type { Metrics } from "./metrics.ts";

export interface HealthServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export interface HealthOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly process: Host;
}

/** Beyond this longest pause of the event loop since the last look, ms, the process is called stuck. */
const stuckMs = 5_000;

/** Listens; rejects with the system's error when it cannot. */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const loop = monitorEventLoopDelay({ resolution: 20 });
  loop.enable();

  const answers: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    "/healthz": () => {
      const longest = Math.round(loop.max / 1e6);
      loop.reset();
      return longest < stuckMs
        ? { status: 200, text: "alive\n" }
        : { status: 503, text: `the event loop stood still for ${longest} ms\n` };
    },
    "/readyz": () => {
      const reason = notReady(options.process);
      return reason === "" ? { status: 200, text: "ready\n" } : { status: 503, text: `${reason}\n` };
    },
    "/metrics": async () => {
      const { contentType, text } = await options.metrics.scrape();
      return { status: 200, text, contentType };
    },
  };

  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 30_000, maxHeaderSize: 8_192 },
    (request, response) => {
      respond(request, response, answers).catch(() => response.destroy());
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        loop.disable();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Why the process is not ready, "" when it is. */
function notReady(host: Host): string {
  return host.services()?.status().notReady ?? withoutChain(host).notReady;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType?: string;
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answers: Readonly<Record<string, () => Answer | Promise<Answer>>>,
): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
  if (!answer) return void response.writeHead(404).end();
  if (request.method !== "GET" && request.method !== "HEAD")
    return void response.writeHead(405, { allow: "GET, HEAD" }).end();
  const { status, text, contentType = "text/plain; charset=utf-8" } = await answer();
  response
    .writeHead(status, { "content-type": contentType, "cache-control": "no-store" })
    .end(request.method === "HEAD" ? undefined : text);
}
