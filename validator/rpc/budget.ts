/** Bounds what submissions may hold of the process's memory, from their first byte to their answer. */

export interface Budget {
  /** Reserves bytes; undefined when they would exceed the budget. The result gives them back, once. */
  readonly take: (bytes: number) => (() => void) | undefined;
  readonly used: () => number;
}

/** A budget of `limit` bytes. */
export function createBudget(limit: number): Budget {
  let used = 0;
  return {
    take: (bytes) => {
      if (used + bytes > limit) return undefined;
      used += bytes;
      let held = true;
      return () => {
        if (held) used -= bytes;
        held = false;
      };
    },
    used: () => used,
  };
}
