/** Members that send what cannot be honest lose standing, then the connection, for a while. */
import { performance } from "node:perf_hooks";
import type { PeerName } from "../driver/ports.ts";
import type { NetworkLimits } from "./limits.ts";

export interface Penalties {
  /** Counts one; "disconnect" when it is one too many. */
  add(peer: PeerName): "counted" | "disconnect";
  /** Standing penalties, forgiven ones taken off. */
  of(peer: PeerName): number;
  banned(peer: PeerName): boolean;
  readonly total: number;
}

interface Record {
  count: number;
  at: number;
  bannedUntil: number;
}

/** Bounded by the peers that were ever allowed. */
export function createPenalties(limits: NetworkLimits): Penalties {
  const records = new Map<PeerName, Record>();
  let total = 0;

  function current(peer: PeerName): number {
    const record = records.get(peer);
    if (!record) return 0;
    return Math.max(0, record.count - (performance.now() - record.at) / limits.forgiveOneAfterMs);
  }

  return {
    add(peer) {
      total += 1;
      const now = performance.now();
      const count = current(peer) + 1;
      const tooMany = Math.ceil(count) >= limits.penaltiesToDisconnect;
      const bannedUntil = tooMany ? now + limits.banMs : (records.get(peer)?.bannedUntil ?? 0);
      // Back after a ban, it is on probation: half of the count stands.
      records.set(peer, { count: tooMany ? count / 2 : count, at: now, bannedUntil });
      return tooMany ? "disconnect" : "counted";
    },
    of: current,
    banned: (peer) => (records.get(peer)?.bannedUntil ?? 0) > performance.now(),
    get total() {
      return total;
    },
  };
}
