/** What has settled so far, kept up with as facts come: says when a healed world is done. */
import type { Fact } from "./history.ts";

export interface Progress {
  heard(fact: Fact): void;
  isAcknowledged(message: string): boolean;
  /** Everything acknowledged is settled, at a height that each of these members has settled too. */
  everywhere(members: readonly number[], settledHeight: (node: number) => number): boolean;
  /** Of the newest block that settled with payments. */
  height(): number;
  healedAt(): number;
  /** When members had caught up. */
  doneAt(): number;
}

export function createProgress(): Progress {
  const acknowledged = new Set<string>();
  const settled = new Map<string, number>();
  /** Acknowledged and not settled yet. */
  const open = new Set<string>();
  let newest = 0;
  let healedAt = 0;
  let doneAt = 0;
  let fresh: string | undefined;
  return {
    heard(fact) {
      if (fact.kind === "acknowledged") {
        acknowledged.add(fact.message);
        if (!settled.has(fact.message)) open.add(fact.message);
      } else if (fact.kind === "settled") {
        newest = Math.max(newest, fact.height);
        for (const { hash } of fact.messages) {
          settled.set(hash, fact.height);
          open.delete(hash);
        }
      } else if (fact.kind === "healed") {
        healedAt = fact.at;
        fresh = fact.message;
      } else if (fact.kind === "caught-up") doneAt = fact.at;
    },
    isAcknowledged: (message) => acknowledged.has(message),
    everywhere: (members, settledHeight) =>
      open.size === 0 &&
      fresh !== undefined &&
      settled.has(fresh) &&
      members.every((node) => settledHeight(node) >= newest),
    height: () => newest,
    healedAt: () => healedAt,
    doneAt: () => doneAt,
  };
}
