/**
 * When an outcome counts: once validators with more than the faulty power report the same settled block, messages
 * included. Pure. Validators leave blocks without messages out, each reports in chain order: so a seat that is past a
 * height without having reported it says that nothing happened there.
 */

/** One validator's report of a settled block. */
interface Report<Block> {
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
  /** The lowest reported block above `height` once it is agreed on, then the one after; undefined while it is not. */
  next(): Block | undefined;
  /** Power may change from epoch to epoch. */
  weigh(powers: ReadonlyMap<string, number>, faultPower: number): void;
  /** Heights held that are not agreed on yet. */
  readonly pending: number;
}

/** Starts above a height. */
export function agreement<Block>(above: number): Agreement<Block> {
  let height = above;
  let powers: ReadonlyMap<string, number> = new Map();
  let faultPower = Number.POSITIVE_INFINITY;
  const reports = new Map<number, Map<string, Report<Block>>>();
  /** The highest height each seat has reported. */
  const passed = new Map<string, number>();

  const lowest = (): number | undefined => {
    let found: number | undefined;
    for (const reported of reports.keys()) if (found === undefined || reported < found) found = reported;
    return found;
  };
  const advance = (to: number): void => {
    reports.delete(to);
    height = to;
  };
  const agreedAt = (bySeat: ReadonlyMap<string, Report<Block>>): Report<Block> | undefined => {
    const power = new Map<string, number>();
    for (const report of bySeat.values()) {
      const sum = (power.get(report.identity) ?? 0) + (powers.get(report.seat) ?? 0);
      if (sum > faultPower) return report;
      power.set(report.identity, sum);
    }
    return undefined;
  };
  /** All but the faulty power is past it and saw nothing: whoever reported it made it up. */
  const denied = (at: number, bySeat: ReadonlyMap<string, Report<Block>>): boolean => {
    let total = 0;
    let denying = 0;
    for (const [seat, power] of powers) {
      total += power;
      if (!bySeat.has(seat) && (passed.get(seat) ?? 0) > at) denying += power;
    }
    return denying > 0 && denying >= total - faultPower;
  };

  return {
    get height() {
      return height;
    },
    get pending() {
      return reports.size;
    },
    report(report) {
      passed.set(report.seat, Math.max(passed.get(report.seat) ?? 0, report.height));
      if (report.height <= height) return;
      const bySeat = reports.get(report.height) ?? new Map<string, Report<Block>>();
      bySeat.set(report.seat, report);
      reports.set(report.height, bySeat);
    },
    next() {
      for (let at = lowest(); at !== undefined; at = lowest()) {
        const bySeat = reports.get(at)!;
        const report = agreedAt(bySeat);
        if (report === undefined && !denied(at, bySeat)) return undefined;
        advance(at);
        if (report !== undefined) return report.block;
      }
      return undefined;
    },
    weigh(newPowers, newFaultPower) {
      powers = newPowers;
      faultPower = newFaultPower;
    },
  };
}
