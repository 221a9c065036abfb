/** Bounds the calls that stay open: each holds a cursor and a stream. */
import { Code } from "@connectrpc/connect";
import { retryLater } from "./errors.ts";

export interface Watchers {
  /** Takes a place, or throws RESOURCE_EXHAUSTED. The result leaves it, once. */
  readonly enter: () => () => void;
}

/** At most `limit` places. */
export function createWatchers(limit: number): Watchers {
  let open = 0;
  return {
    enter: () => {
      if (open >= limit) throw retryLater(Code.ResourceExhausted, `${limit} watchers are open already`, 1_000);
      open += 1;
      let entered = true;
      return () => {
        if (entered) open -= 1;
        entered = false;
      };
    },
  };
}
