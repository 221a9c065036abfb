/** The link from one member to another: a local port whose connections are carried to the other's port. */
import { createServer, type Server, Socket } from "node:net";
import type { Lane } from "./lane.ts";
import { pump } from "./pump.ts";

export interface ProxyOptions {
  /** Of 127.0.0.1; where the dialling side connects. */
  readonly port: number;
  /** Of 127.0.0.1; where its connections end up. */
  readonly target: number;
  /** For the bytes of the side that dials. */
  readonly there: Lane;
  /** For the answers. */
  readonly back: Lane;
}

export interface LinkProxy {
  readonly target: number;
  /** Open now. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

export type ProxyResult =
  | { readonly kind: "listening"; readonly proxy: LinkProxy }
  /** A sentence: another program has the port. */
  | { readonly kind: "conflict"; readonly message: string };

/** Two members keep one connection, for a moment two: more is a fault, and costs memory. */
const mostConnections = 64;
const host = "127.0.0.1";

/** Resolves when the port listens, or cannot. */
export async function openProxy({ port, target, there, back }: ProxyOptions): Promise<ProxyResult> {
  /** By the side that dialled, the side it reaches. */
  const pairs = new Map<Socket, Socket>();

  function end(dialler: Socket): void {
    // A reset, not a farewell: the kernel drops what it still holds, and both sides know at once.
    pairs.get(dialler)?.resetAndDestroy();
    dialler.resetAndDestroy();
    pairs.delete(dialler);
  }

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (dialler) => {
    dialler.on("error", () => {});
    // Its first byte would have to go this way.
    if (there.weather().cut || pairs.size >= mostConnections) return void dialler.resetAndDestroy();
    const reached = new Socket({ allowHalfOpen: true });
    pairs.set(dialler, reached);
    reached.on("error", () => end(dialler));
    dialler.once("close", (failed) => (failed ? end(dialler) : undefined));
    reached.once("close", (failed) => {
      if (failed) end(dialler);
      if (dialler.destroyed) pairs.delete(dialler);
    });
    dialler.once("close", () => {
      if (reached.destroyed) pairs.delete(dialler);
    });
    reached.setNoDelay(true);
    reached.connect({ host, port: target }, () => {
      // A handshake takes one way there and one back before the first byte.
      const handshake = there.weather().delayMs + back.weather().delayMs;
      const begin = () => {
        if (dialler.destroyed || reached.destroyed) return;
        pump({ source: dialler, sink: reached, lane: there });
        pump({ source: reached, sink: dialler, lane: back });
      };
      reached.pause();
      if (handshake > 0) setTimeout(begin, handshake);
      else begin();
    });
  });

  const stopListening = [there, back].map((lane) =>
    lane.onChange(({ cut }) => {
      if (cut) for (const dialler of [...pairs.keys()]) end(dialler);
    }),
  );

  const listening = await listen(server, port);
  if (listening !== "") {
    for (const stop of stopListening) stop();
    return { kind: "conflict", message: listening };
  }
  return {
    kind: "listening",
    proxy: {
      target,
      connections: () => pairs.size,
      async close() {
        for (const stop of stopListening) stop();
        const closed = Promise.withResolvers<void>();
        server.close(() => closed.resolve());
        for (const dialler of [...pairs.keys()]) end(dialler);
        await closed.promise;
      },
    },
  };
}

/** "" or why not. */
function listen(server: Server, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  server.once("error", (error: NodeJS.ErrnoException) =>
    resolve(error.code === "EADDRINUSE" ? "another program listens there" : error.message),
  );
  server.listen({ port, host, exclusive: true }, () => resolve(""));
  return promise;
}
