/** Do all validators compute the same state? Compares the roots they report at the same height. */

export interface RootAgreement {
  /** Takes one report; returns the height when it contradicts another seat's. */
  readonly report: (seat: string, height: number, root: string) => number | undefined;
  /** The newest height at which all these seats reported the same root; 0 for none. */
  readonly agreed: (seats: readonly string[]) => number;
}

/** Heights remembered: seats of one swarm are rarely further apart. */
const kept = 512;

/** Bounded: forgets the lowest heights first. */
export function createRootAgreement(): RootAgreement {
  const roots = new Map<number, Map<string, string>>();
  return {
    report(seat, height, root) {
      let known = roots.get(height);
      if (known === undefined) {
        known = new Map();
        roots.set(height, known);
        if (roots.size > kept) roots.delete(Math.min(...roots.keys()));
      }
      known.set(seat, root);
      return new Set(known.values()).size > 1 ? height : undefined;
    },
    agreed(seats) {
      const agreeing = [...roots].filter(
        ([, known]) => seats.every((seat) => known.has(seat)) && new Set(known.values()).size === 1,
      );
      return Math.max(0, ...agreeing.map(([height]) => height));
    },
  };
}
