/** The HTTP/2 server under the Connect services: plain on the loopback address, or with mutual TLS. */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { isLoopback } from "../config.ts";
import { createBudget, type Lease } from "./budget.ts";
import { type Caller, callerKey, callerOf } from "./caller.ts";
import { invalid, retryLater } from "./errors.ts";
import type { Log } from "./logging.ts";
import type { Metrics } from "./metrics.ts";

/** The texts of the PEM files. */
export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

export interface RpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: TlsTexts | undefined;
  readonly limits: {
    readonly inFlightBytes: number;
    readonly streamsPerConnection: number;
    readonly connections: number;
  };
  /** Registers the services. */
  readonly routes: (router: ConnectRouter) => void;
  /** The largest request of a method, bytes with framing. */
  readonly largestRequest: (method: string) => number;
  readonly metrics: Metrics;
  readonly log: Log;
}

export interface RpcServer {
  readonly port: number;
  /** New connections are shown these; open ones stay. Throws when they are no certificate and key. Without TLS nothing. */
  readonly renew: (tls: TlsTexts) => void;
  /** Ends every call with UNAVAILABLE, gives answers under way a moment, then closes all connections. */
  readonly close: () => Promise<void>;
}

/** Longest a unary call may take from its first byte to its answer, ms: a slow sender does not hold the budget longer. */
const callDeadlineMs = 30_000;
const drainMs = 500;
/** Retry advice when the budget is spent: about the time an acceptance takes. */
const busyRetryMs = 50;

const nobody: Caller = { kind: "certificate", subject: "" };

/** Listens; rejects with the system's error (`EADDRINUSE`, …) when it cannot. */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  if (!options.tls && !isLoopback(options.host))
    throw new Error(`${options.host} is not a loopback address: TLS is required`);
  const { metrics, log } = options;
  const budget = createBudget(options.limits.inFlightBytes);
  const shutdown = new AbortController();
  const callers = new WeakMap<ServerHttp2Session, Caller>();
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();

  const router = createConnectRouter({ acceptCompression: [], shutdownSignal: shutdown.signal, grpcWeb: false });
  options.routes(router);
  const handlers = new Map<string, UniversalHandler>(router.handlers.map((handler) => [handler.requestPath, handler]));

  const handle = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    const handler = handlers.get(request.url);
    const session = request.stream.session as ServerHttp2Session | undefined;
    if (!handler || !session) return refuse(request, response);
    const lease = budget.lease();
    const values = createContextValues().set(callerKey, callers.get(session) ?? nobody);
    const deadline =
      handler.method.methodKind === "unary"
        ? setTimeout(() => request.stream.close(constants.NGHTTP2_CANCEL), callDeadlineMs)
        : undefined;
    request.stream.once("close", () => {
      clearTimeout(deadline);
      lease.release();
    });
    // Answered before the whole request came: the rest is read and thrown away, or a client still writing would
    // lose the answer. The deadline ends it.
    request.stream.once("finish", () => {
      lease.release();
      request.resume();
    });
    // A client that went away, or broke its stream, is no news.
    request.stream.on("error", () => {});
    const received = universalRequestFromNodeRequest(request, response, undefined, values);
    const body = metered(
      received.body as AsyncIterable<Uint8Array>,
      lease,
      handler.method.name,
      options.largestRequest(handler.method.name),
    );
    handler({ ...received, body })
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        const { code, message } = ConnectError.from(error);
        if (code === Code.Aborted || code === Code.Canceled || request.stream.destroyed) return;
        log("rpc-failed", { method: handler.method.name, error: message, stack: "" });
        request.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      });
  };

  const settings = {
    enablePush: false,
    maxConcurrentStreams: options.limits.streamsPerConnection,
    // A whole message in one flight; more streams than the session window share it.
    initialWindowSize: 1 << 20,
    maxHeaderListSize: 16_384,
  };
  const common = { settings, maxSessionMemory: 64, unknownProtocolTimeout: 1_000 };
  const secured = options.tls
    ? createSecureServer({
        ...common,
        ...secureContext(options.tls),
        allowHTTP1: false,
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: 10_000,
      })
    : undefined;
  const server: Http2Server = secured ?? createServer(common);
  server.maxConnections = options.limits.connections;
  server.on("request", handle);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    metrics.set("rpc_connections", {}, sessions.size);
    callers.set(session, callerOf(session));
    session.setLocalWindowSize(8 << 20);
    session.on("error", (error) => log("rpc-connection-refused", { reason: error.message }));
    session.once("close", () => {
      sessions.delete(session);
      metrics.set("rpc_connections", {}, sessions.size);
    });
  });
  server.on("tlsClientError", (error: Error) => log("rpc-connection-refused", { reason: error.message }));
  server.on("sessionError", (error) => log("rpc-connection-refused", { reason: error.message }));
  metrics.beforeScrape(() => metrics.set("ingress_in_flight_bytes", {}, budget.used()));

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });

  return {
    port: (server.address() as AddressInfo).port,
    renew: (tls) => secured?.setSecureContext(secureContext(tls)),
    close: async () => {
      shutdown.abort(new ConnectError("the validator is stopping", Code.Unavailable));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const force = setTimeout(() => {
        // A session that is closing waits for its peer: the sockets below do not.
        for (const socket of sockets) socket.destroy();
      }, drainMs);
      await closed;
      clearTimeout(force);
    },
  };
}

const secureContext = ({ cert, key, clientCa }: TlsTexts) =>
  ({ cert, key, ca: clientCa, minVersion: "TLSv1.3" }) as const;

/** Passes a request's bytes on, within its method's bound and the budget. Clients need not declare a length. */
async function* metered(
  body: AsyncIterable<Uint8Array>,
  lease: Lease,
  method: string,
  largest: number,
): AsyncIterable<Uint8Array> {
  let total = 0;
  const chunks = body[Symbol.asyncIterator]();
  // Not `for await`: leaving it by an error would destroy the stream before the answer is written.
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    total += next.value.length;
    if (total > largest) throw invalid("request", `at most ${largest} bytes for ${method}`);
    if (!lease.grow(next.value.length)) {
      lease.release();
      throw retryLater(Code.ResourceExhausted, "too many submissions at once", busyRetryMs);
    }
    yield next.value;
  }
}

function refuse(request: Http2ServerRequest, response: Http2ServerResponse): void {
  response.writeHead(404);
  response.end();
  request.resume();
}
