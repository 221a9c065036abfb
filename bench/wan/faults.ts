/** Members that misbehave on the wire: the shipped validator over a network that drops or delays some of what it says. */

import { decodeGossip } from "../../validator/codec/peer.ts";
import type { Network } from "../../validator/driver/ports.ts";

/** `slow-leading`: its proposals come late, but in time. `payload-withholding`: it shares no batch. `finalize-withholding`: it sends no finalize votes. */
export const faults = ["slow-leading", "payload-withholding", "finalize-withholding"] as const;
export type Fault = (typeof faults)[number];

/** How long a slow leader keeps its proposal, ms: longer than any honest leader of the matrix takes, shorter than the least timeout on it. */
export const slowMs = 250;

export function misbehaving(network: Network, fault: Fault): Network {
  const kindOf = (bytes: Uint8Array) => {
    const decoded = decodeGossip(bytes);
    if (decoded.kind === "refused") return "";
    const message = decoded.value;
    return message.kind === "vote" ? message.vote.kind : message.kind;
  };
  switch (fault) {
    case "slow-leading":
      return {
        ...network,
        broadcast(bytes) {
          if (kindOf(bytes) === "proposal") setTimeout(() => network.broadcast(bytes), slowMs);
          else network.broadcast(bytes);
        },
      };
    case "finalize-withholding":
      return {
        ...network,
        broadcast(bytes) {
          if (kindOf(bytes) !== "finalize") network.broadcast(bytes);
        },
      };
    case "payload-withholding":
      return {
        ...network,
        broadcast(bytes) {
          if (kindOf(bytes) !== "batch") network.broadcast(bytes);
        },
        // It tells its own driver that the push arrived.
        request: (peer, protocol, bytes, timeoutMs) =>
          protocol === "batch"
            ? Promise.resolve({ kind: "ok", bytes: new Uint8Array(0) })
            : network.request(peer, protocol, bytes, timeoutMs),
        onRequest: (handler) =>
          network.onRequest((from, protocol, bytes) =>
            protocol === "fetch-batches" ? Promise.reject(new Error("no")) : handler(from, protocol, bytes),
          ),
      };
  }
}
