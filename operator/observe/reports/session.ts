/**
 * One HTTP/2 session to a server that may send anything. The library's own session manager stops listening for errors
 * once it gave a connection up, and what a hostile server still sends would then end the process.
 */
import { type ClientHttp2Stream, connect, type OutgoingHttpHeaders, type SecureClientSessionOptions } from "node:http2";
import type { Clock } from "../../kube/clock.ts";

/** A session manager as Connect's transport takes one, for one session: when that is over, every request fails. */
export interface Session {
  /** Origin of the url. */
  readonly authority: string;
  readonly request: (
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ) => Promise<ClientHttp2Stream>;
  readonly notifyResponseByteRead: () => void;
  /** Ends it and all its requests; a second time does nothing. */
  readonly end: (reason: string) => void;
}

const connectMs = 10_000;
const limits = { maxSessionMemory: 16, settings: { enablePush: false, maxHeaderListSize: 16_384 } };

/** Connects at once; that it cannot is told by the first request. */
export function openSession(
  url: string,
  tls: Pick<SecureClientSessionOptions, "ca" | "cert" | "key" | "servername">,
  clock: Clock,
): Session {
  const connection = connect(url, { ...tls, ...limits });
  let failure = "the connection is closed";
  connection.on("error", (error: Error) => {
    failure = error.message;
  });
  const end = (reason: string) => {
    cancel();
    if (!connection.destroyed) connection.destroy(new Error(reason));
  };
  const cancel = clock.after(connectMs, () => end(`no connection within ${connectMs / 1_000} s`));
  connection.once("connect", cancel);
  connection.once("close", cancel);
  return {
    authority: new URL(url).origin,
    async request(method, path, headers, options) {
      if (connection.destroyed || connection.closed) throw new Error(failure);
      return connection.request({ ...headers, ":method": method, ":path": path }, options);
    },
    notifyResponseByteRead: () => {},
    end,
  };
}
