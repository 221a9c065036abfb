/**
 * When an outcome counts: once validators with more power than may be faulty report the same settled block, messages
 * included. Pure; heights are settled one by one, in order.
 */

/** One validator's report of a settled block. */
export interface Report<Block> {
  readonly seat: string;
  readonly height: number;
  /** Equal for equal reports: a digest over everything that is believed. */
  readonly identity: string;
  readonly block: Block;
}

export interface Agreement<Block> {
  /** The newest height agreed on. */
  readonly height: number;
  /** Takes a report; old ones are ignored, a newer one of the same seat and height replaces the older. */
  report(report: Report<Block>): void;
  /** The next height's block once it is agreed on, then the one after; undefined while it is not. */
  next(): Block | undefined;
  /** Power may change from epoch to epoch. */
  weigh(powers: ReadonlyMap<string, number>, faultPower: number): void;
  /** Goes on above this height: for a start at a chain's newest blocks. */
  skipTo(height: number): void;
  /** Heights held that are not agreed on yet. */
  readonly pending: number;
}

/** Starts above a height. */
export function agreement<Block>(above: number): Agreement<Block> {
  let height = above;
  let powers: ReadonlyMap<string, number> = new Map();
  let faultPower = Number.POSITIVE_INFINITY;
  const reports = new Map<number, Map<string, Report<Block>>>();

  return {
    get height() {
      return height;
    },
    get pending() {
      return reports.size;
    },
    report(report) {
      if (report.height <= height) return;
      const bySeat = reports.get(report.height) ?? new Map<string, Report<Block>>();
      bySeat.set(report.seat, report);
      reports.set(report.height, bySeat);
    },
    next() {
      const bySeat = reports.get(height + 1);
      if (bySeat === undefined) return undefined;
      const power = new Map<string, number>();
      for (const { seat, identity, block } of bySeat.values()) {
        const sum = (power.get(identity) ?? 0) + (powers.get(seat) ?? 0);
        if (sum > faultPower) {
          reports.delete(height + 1);
          height += 1;
          return block;
        }
        power.set(identity, sum);
      }
      return undefined;
    },
    weigh(newPowers, newFaultPower) {
      powers = newPowers;
      faultPower = newFaultPower;
    },
    skipTo(newHeight) {
      height = Math.max(height, newHeight);
      for (const held of reports.keys()) if (held <= height) reports.delete(held);
    },
  };
}
