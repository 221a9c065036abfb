/** HTTP: files in, status and feeds out (docs/gateway.md). */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Logger } from "pino";
import { callerOf } from "./caller.ts";
import { followTls, readTls } from "./certificates.ts";
import type { GatewayConfig } from "./config.ts";
import { serveFeed } from "./feed-http.ts";
import type { Gateway, Institution } from "./gateway.ts";
import { creditTransferParser, type Parsed } from "./iso20022/parse.ts";
import { OPENAPI } from "./openapi.ts";
import { messageStatus, paymentStatus } from "./queries.ts";
import { type Answer, problem, reportAnswer, retryLater, send, wantsXml } from "./responses.ts";

/** Makes the server, not listening yet. Requests are bounded in size, number and time. */
export function createGatewayServer(gateway: Gateway, log: Logger): Server {
  const { tls } = gateway.config.listen;
  const handle = createHandler(gateway, log);
  const server = tls === undefined ? createServer(limits, handle) : createSecureServer(tls, handle, log);
  server.maxConnections = 2048;
  return server;
}

const limits = { requestTimeout: 120_000, headersTimeout: 10_000, keepAliveTimeout: 30_000, maxHeaderSize: 16_384 };

function createSecureServer(
  tls: NonNullable<GatewayConfig["listen"]["tls"]>,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  log: Logger,
): Server {
  const fixed = { requestCert: true, rejectUnauthorized: tls.requireClientCertificate, minVersion: "TLSv1.3" } as const;
  const server = createTlsServer({ ...limits, ...fixed, ...readTls(tls) }, handle);
  const stop = followTls(tls, (texts) => server.setSecureContext({ ...fixed, ...texts }), log);
  server.once("close", stop);
  return server;
}

/** Serves health and metrics alone: for a port that needs no certificate. */
export function createMetricsServer(gateway: Gateway): Server {
  return createServer({ requestTimeout: 10_000 }, (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://gateway");
    const answer = health(gateway, pathname);
    if (answer === undefined) send(response, problem(404, "there is nothing here"));
    else void answer.then((one) => send(response, one));
  });
}

interface Budget {
  files: number;
  bytes: number;
  waiting: number;
}

/** Bytes of files being read at once, over all requests. */
const MAX_BUFFERED = 4;

function createHandler(gateway: Gateway, log: Logger): (request: IncomingMessage, response: ServerResponse) => void {
  const budget: Budget = { files: 0, bytes: 0, waiting: 0 };
  return (request, response) => {
    route(gateway, budget, request, response).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return;
      log.error({ err: error, method: request.method }, "request failed");
      if (response.headersSent) response.destroy();
      else send(response, problem(500, "the gateway failed; the answer to a retry is safe"));
    });
  };
}

async function route(
  gateway: Gateway,
  budget: Budget,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://gateway");
  const parts = url.pathname.split("/").slice(1).map(decode);
  const [first, second, third] = parts;
  if (parts.includes(undefined)) return send(response, problem(400, "the path is not valid"));
  const open = health(gateway, url.pathname);
  if (open !== undefined) return send(response, await open);
  if (url.pathname === "/openapi.json")
    return send(response, { status: 200, type: "application/json", body: JSON.stringify(OPENAPI) });

  const isFile = url.pathname === "/iso20022";
  if (isFile !== (request.method === "POST"))
    return send(response, {
      ...problem(405, "the method is not allowed here"),
      headers: { allow: isFile ? "POST" : "GET" },
    });
  if (!isFile && request.method !== "GET")
    return send(response, { ...problem(405, "the method is not allowed here"), headers: { allow: "GET" } });
  const caller = callerOf(gateway, request);
  if (caller.kind === "refused") return send(response, problem(caller.status, caller.reason));

  if (isFile) return send(response, await takeFile(gateway, budget, caller.institution, request));
  if (first === "messages" && second !== undefined && parts.length === 2) {
    return send(response, await messageStatus(gateway, caller.index, second, wantsXml(request)));
  }
  if (first === "payments" && second !== undefined && parts.length === 2) {
    return send(response, await paymentStatus(gateway, caller.index, second, wantsXml(request)));
  }
  if (first === "institutions" && parts.length === 3 && (third === "feed" || third === "reports")) {
    if (second !== caller.institution.bic) return send(response, problem(403, "this feed is another institution's"));
    if (budget.waiting >= gateway.config.limits.maxWaiting)
      return send(response, retryLater(429, 1000, "too many readers wait"));
    budget.waiting += 1;
    try {
      return await serveFeed(
        third === "feed" ? caller.institution.feed : caller.institution.reports,
        url.searchParams,
        response,
      );
    } finally {
      budget.waiting -= 1;
    }
  }
  send(response, problem(404, "there is nothing here"));
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function health(gateway: Gateway, path: string): Promise<Answer> | undefined {
  if (path === "/healthz") return Promise.resolve({ status: 200, type: "text/plain", body: "ok\n" });
  if (path === "/readyz") {
    const reason = gateway.notReady();
    return Promise.resolve({
      status: reason === undefined ? 200 : 503,
      type: "text/plain",
      body: `${reason ?? "ready"}\n`,
    });
  }
  if (path === "/metrics") {
    const { registry } = gateway.metrics;
    return registry.metrics().then((body) => ({ status: 200, type: registry.contentType, body }));
  }
  return undefined;
}

async function takeFile(
  gateway: Gateway,
  budget: Budget,
  institution: Institution,
  request: IncomingMessage,
): Promise<Answer> {
  const { limits } = gateway.config;
  const type = request.headers["content-type"] ?? "application/xml";
  if (!/xml|octet-stream/i.test(type)) return closing(problem(415, "the body must be XML"));
  if (request.headers["content-encoding"] !== undefined)
    return closing(problem(415, "the body must not be compressed"));
  if (budget.files >= limits.maxConcurrentFiles)
    return closing(retryLater(429, 1000, "too many files are being taken"));
  const atomicity = request.headers["x-atomicity"];
  if (atomicity !== undefined && atomicity !== "message" && atomicity !== "payment") {
    return closing(problem(400, "x-atomicity is `payment` or `message`"));
  }

  budget.files += 1;
  gateway.metrics.open.set(budget.files);
  try {
    const read = await readFile(limits, budget, request);
    if (read === "busy") return closing(retryLater(429, 1000, "too many bytes are being taken"));
    if (read === "aborted") return closing(problem(400, "the body ended early"));
    const answer = await gateway.files.receive(institution, { ...read, atomic: atomicity === "message" });
    switch (answer.kind) {
      case "accepted": {
        const body = reportAnswer(202, answer.report, request);
        return {
          ...body,
          headers: {
            location: `/messages/${encodeURIComponent(answer.messageId)}`,
            "x-message-id": encodeURIComponent(answer.messageId),
          },
        };
      }
      case "rejected":
        return reportAnswer(422, answer.report, request);
      case "busy":
        return retryLater(429, answer.retryAfterMs, "the validators' queues are full");
      case "unavailable":
        return retryLater(503, 1000, answer.reason);
    }
  } finally {
    budget.files -= 1;
    gateway.metrics.open.set(budget.files);
  }
}

/** An answer before the body was read: the connection cannot be used again. */
function closing(answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, connection: "close" } };
}

type Read = { readonly parsed: Parsed; readonly digest: string };

/** Parses the body as it comes. */
async function readFile(
  limits: GatewayConfig["limits"],
  budget: Budget,
  request: IncomingMessage,
): Promise<Read | "busy" | "aborted"> {
  const parser = creditTransferParser({ maxBytes: limits.maxFileBytes, maxTransactions: limits.maxTransactions });
  const digest = createHash("sha256");
  let held = 0;
  let counted = 0;
  let open = true;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      held += bytes.length;
      if (open) {
        budget.bytes += bytes.length;
        counted += bytes.length;
        if (budget.bytes > limits.maxFileBytes * MAX_BUFFERED) return "busy";
        digest.update(bytes);
        open = parser.push(bytes);
        // What follows a fault is read to its end, so that the sender gets to see the answer; but not for ever.
      } else if (held > limits.maxFileBytes * 2) break;
    }
    return { parsed: parser.end(), digest: digest.digest("hex") };
  } catch {
    // The client went away in the middle of its body.
    return "aborted";
  } finally {
    budget.bytes -= counted;
  }
}
