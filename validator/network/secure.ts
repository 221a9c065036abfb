/**
 * libp2p's TLS, run on the TCP socket itself. `@libp2p/tls` runs Node's TLS over a stream in JavaScript, which costs
 * a copy and several turns per record; here Node's own path from socket to TLS is used. The handshake, the
 * certificate and its checks are those of `@libp2p/tls`, so both ends may use either.
 */
import { Socket } from "node:net";
import { connect, TLSSocket } from "node:tls";
import type {
  ConnectionEncrypter,
  MessageStream,
  SecureConnectionOptions,
  StreamMuxerFactory,
} from "@libp2p/interface";
import { type TLSComponents, tls } from "@libp2p/tls";
import { generateCertificate, toMessageStream, verifyPeerCertificate } from "@libp2p/tls/utils";

/** What the TLS layer takes before it asks the muxer to wait; an urgent frame waits behind at most this. */
const writeAheadBytes = 256 * 1024;
/** The protocol that says "no muxer was agreed during the handshake". */
const noMuxer = "libp2p";

type Secured = Awaited<ReturnType<ConnectionEncrypter["secureInbound"]>>;

export function directTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => {
    const plain = tls()(components);
    // One certificate a process: it binds an ephemeral TLS key to the peer key, whoever the other side is.
    const certificate = generateCertificate(components.privateKey);
    certificate.catch(() => {});

    async function secure<Stream extends MessageStream>(
      connection: Stream,
      socket: Socket,
      isServer: boolean,
      options?: SecureConnectionOptions,
    ): Promise<Secured> {
      const muxers = components.upgrader.getStreamMuxers();
      let muxer: StreamMuxerFactory | undefined;
      const settings = {
        ...(await certificate),
        minVersion: "TLSv1.3",
        maxVersion: "TLSv1.3",
        // Certificates are self-signed: `verifyPeerCertificate` checks the one that matters.
        rejectUnauthorized: false,
        highWaterMark: writeAheadBytes,
        ALPNProtocols: [...muxers.keys(), noMuxer],
      } as const;
      // The socket's own timer no longer sees what arrives; pings watch over the connection.
      socket.setTimeout(0);
      const secured = isServer
        ? new TLSSocket(socket, {
            ...settings,
            isServer,
            requestCert: true,
            ALPNCallback({ protocols }) {
              const chosen = protocols.find((protocol) => muxers.has(protocol)) ?? noMuxer;
              muxer = muxers.get(chosen);
              return chosen;
            },
          })
        : connect({ ...settings, socket });
      joinWrites(secured);
      // The TCP handle is TLS's now: closing it from underneath crashes the process, so that every end goes through TLS.
      Object.assign(socket, {
        resetAndDestroy: () => void secured.destroy(),
        destroySoon: () => void secured.destroySoon(),
      });

      return await new Promise((resolve, reject) => {
        const fail = (error: Error) => {
          secured.destroy();
          connection.abort(error);
          reject(error);
        };
        const aborted = () => fail(new Error("the handshake took too long"));
        options?.signal?.addEventListener("abort", aborted);
        secured.once("error", fail);
        // Whatever still goes wrong on a connection that is given up is nobody's to handle.
        secured.on("error", () => {});
        secured.once("close", () => reject(new Error("closed during the handshake")));
        secured.once("secure", () => {
          verifyPeerCertificate(secured.getPeerCertificate().raw, options?.remotePeer).then((remotePeer) => {
            options?.signal?.removeEventListener("abort", aborted);
            secured.off("error", fail);
            if (!isServer && secured.alpnProtocol) muxer = muxers.get(secured.alpnProtocol);
            resolve({
              remotePeer,
              connection: toMessageStream(connection, secured),
              ...(muxer && { streamMuxer: muxer }),
            });
          }, fail);
        });
      });
    }

    const encrypter: ConnectionEncrypter = {
      protocol: plain.protocol,
      async secureInbound(connection, options) {
        const socket = socketOf(connection);
        return socket
          ? await secure(connection, socket, true, options)
          : await plain.secureInbound(connection, options);
      },
      async secureOutbound(connection, options) {
        const socket = socketOf(connection);
        return socket
          ? await secure(connection, socket, false, options)
          : await plain.secureOutbound(connection, options);
      },
    };
    return encrypter;
  };
}

/** The TCP socket under a connection, when nothing that belongs to TLS was read from it yet. */
function socketOf(connection: MessageStream): Socket | undefined {
  if (!("socket" in connection) || connection.readBufferLength > 0) return undefined;
  return connection.socket instanceof Socket ? connection.socket : undefined;
}

/** What is written in one turn of the event loop becomes one write: a frame's header is no record of its own. */
function joinWrites(socket: TLSSocket): void {
  let joining = false;
  const write = (bytes: Uint8Array): boolean => {
    if (!joining) {
      joining = true;
      socket.cork();
      process.nextTick(() => {
        joining = false;
        socket.uncork();
      });
    }
    return TLSSocket.prototype.write.call(socket, bytes);
  };
  Object.assign(socket, { write });
}
