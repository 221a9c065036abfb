/** Turns "connected" and round trips of members into partition events: one per silence beyond a bound. Pure but for its state. */

type ReachabilityChange = {
  readonly kind: "unreachable" | "reachable";
  readonly seat: string;
  /** How long it was not heard, ms. */
  readonly silentMs: number;
};

export interface Reachability {
  /** The member was heard (a connection opened, a round trip ended) at a monotonic time in ms. */
  readonly heard: (seat: string, now: number) => ReachabilityChange | undefined;
  /** A connection closed: its silence counts from the last time it was heard. */
  readonly lost: (seat: string, now: number) => void;
  /** To be called now and then: the members whose silence just crossed the bound. */
  readonly check: (now: number) => readonly ReachabilityChange[];
}

/** Follows members from the first time each is heard or lost, and those `expected` from the beginning. */
export function createReachability(options: {
  readonly unreachableAfterMs: number;
  readonly expected: readonly string[];
  readonly now: number;
}): Reachability {
  const members = new Map<string, { heard: number; unreachable: boolean }>(
    options.expected.map((seat) => [seat, { heard: options.now, unreachable: false }]),
  );
  return {
    heard: (seat, now) => {
      const member = members.get(seat);
      members.set(seat, { heard: now, unreachable: false });
      return member?.unreachable ? { kind: "reachable", seat, silentMs: now - member.heard } : undefined;
    },
    lost: (seat, now) => {
      if (!members.has(seat)) members.set(seat, { heard: now, unreachable: false });
    },
    check: (now) => {
      const changes: ReachabilityChange[] = [];
      for (const [seat, member] of members) {
        if (member.unreachable || now - member.heard <= options.unreachableAfterMs) continue;
        members.set(seat, { ...member, unreachable: true });
        changes.push({ kind: "unreachable", seat, silentMs: now - member.heard });
      }
      return changes;
    },
  };
}
