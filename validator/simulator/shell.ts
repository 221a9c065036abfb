/** Puts a strategy between a faulty member's driver and its network. */
import { decodeGossip, encodeGossip, type Gossip } from "../codec/peer.ts";
import type { SeatIndex } from "../consensus/types.ts";
import type { Network, PeerName } from "../driver/ports.ts";
import type { SimNetworkPort } from "./ports/sim-network.ts";
import type { Puppet, Strategy } from "./strategies/strategy.ts";

/** Everything of a puppet but its voice. `names`: peer names by seat. */
export type Body = Omit<Puppet, "broadcast" | "send"> & { readonly names: readonly PeerName[] };

export function shell(port: SimNetworkPort, strategy: Strategy, body: Body): Network {
  const { names } = body;
  const encoded = (message: Gossip | Uint8Array) => (message instanceof Uint8Array ? message : encodeGossip(message));
  const { speak, hear, ask, refuse } = strategy.misbehave({
    ...body,
    broadcast: (message) => port.broadcast(encoded(message)),
    send(to, message) {
      const name = names[to];
      if (name !== undefined) port.send(name, encoded(message));
    },
  });
  const seatOf = (name: PeerName) => names.indexOf(name) as SeatIndex;
  return {
    ...port,
    broadcast(bytes) {
      const decoded = decodeGossip(bytes);
      if (speak && decoded.kind === "ok") speak(decoded.value, bytes);
      else port.broadcast(bytes);
    },
    onBroadcast: (handler) =>
      port.onBroadcast((from, bytes) => {
        const decoded = hear && decodeGossip(bytes);
        if (decoded?.kind === "ok") hear?.(seatOf(from), decoded.value);
        handler(from, bytes);
      }),
    request(peer, protocol, bytes, timeoutMs) {
      const made = ask?.(seatOf(peer), protocol, bytes);
      return made ? Promise.resolve(made) : port.request(peer, protocol, bytes, timeoutMs);
    },
    onRequest: (handler) =>
      port.onRequest((from, protocol, bytes) => {
        const refusal = refuse?.(seatOf(from), protocol);
        return refusal === undefined ? handler(from, protocol, bytes) : Promise.reject(new Error(refusal));
      }),
  };
}
