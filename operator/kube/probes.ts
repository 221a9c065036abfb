/** `/healthz`, `/readyz` and `/metrics` over HTTP, for the kubelet and for Prometheus. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "./metrics.ts";

/** "" when all is well, else a sentence. */
export type Check = () => string;

export interface ProbesOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly host: string;
  readonly metrics: Metrics;
  /** The process alone: only what a restart would mend. */
  readonly alive: Check;
  /** Whether its stores are filled. A follower is ready: it can lead at any time. */
  readonly ready: Check;
}

export interface Probes {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Rejects when the port is taken. */
export async function startProbes({ port, host, metrics, alive, ready }: ProbesOptions): Promise<Probes> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const path = (request.url ?? "").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "only GET\n");
    switch (path) {
      case "/healthz":
        return check(response, alive());
      case "/readyz":
        return check(response, ready());
      case "/metrics":
        return void metrics.scrape().then(
          ({ contentType, text }) => answer(response, 200, text, contentType),
          () => answer(response, 500, "the metrics cannot be read\n"),
        );
      default:
        return answer(response, 404, "/healthz, /readyz or /metrics\n");
    }
  });
  server.maxConnections = 64;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

function check(response: ServerResponse, fault: string): void {
  answer(response, fault === "" ? 200 : 503, fault === "" ? "ok\n" : `${fault}\n`);
}

function answer(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
