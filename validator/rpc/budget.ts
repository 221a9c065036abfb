/** Bounds what requests may hold of the process's memory, from their first byte to their answer. */

/** What one request holds. */
export interface Lease {
  /** Holds more; false, and nothing changes, when the budget would be exceeded. */
  readonly grow: (bytes: number) => boolean;
  /** Gives everything back, for good. */
  readonly release: () => void;
}

export interface Budget {
  readonly lease: () => Lease;
  readonly used: () => number;
}

/** A budget of `limit` bytes. */
export function createBudget(limit: number): Budget {
  let used = 0;
  return {
    lease: () => {
      let held = 0;
      let released = false;
      return {
        grow: (bytes) => {
          if (released || used + bytes > limit) return false;
          used += bytes;
          held += bytes;
          return true;
        },
        release: () => {
          used -= held;
          held = 0;
          released = true;
        },
      };
    },
    used: () => used,
  };
}
