/** The figures of a running swarm: counted from settled blocks and from what validators report. */
import type { SettledBlock } from "../../proto/validator/v1/validator_pb.js";
import { faultBudget } from "../api/validator-swarm.ts";
import type { SeatStatus } from "./seat-status.ts";
import { followSettlements } from "./settlement-feed.ts";
import type { SwarmView } from "./swarm-view.ts";
import type { ValidatorLink } from "./validator-link.ts";

/** At one moment. */
export interface LiveFigures {
  /** ms since the Unix epoch. */
  readonly time: number;
  readonly view: number;
  readonly height: number;
  readonly settledHeight: number;
  readonly paymentsPerSecond: number;
  readonly blocksPerSecond: number;
  /** From acceptance to settlement over the last messages, ms: the median of the validators that accepted any; `undefined` while none has. */
  readonly p50: number | undefined;
  /** The same of the slowest validator. */
  readonly p99: number | undefined;
  readonly settledPayments: number;
  readonly votingPower: number;
  readonly totalPower: number;
  readonly faultPower: number;
  readonly quorum: number;
  readonly degradedRegions: readonly string[];
}

interface FinalBlock {
  readonly height: number;
  readonly view: number;
  readonly time: number;
  readonly hash: string;
  readonly payments: number;
}

export interface Live {
  readonly figures: () => LiveFigures;
  /** A block became final, first seen from any validator. */
  readonly onFinal: (listener: (block: FinalBlock) => void) => () => void;
  readonly onSettled: (listener: (block: SettledBlock, link: ValidatorLink) => void) => () => void;
  /** When a validator told of a recent block's settlement, on the clock of `performance.now`. */
  readonly settledAt: (height: number) => number | undefined;
  readonly close: () => Promise<void>;
}

/** Rates are over this long, ms. */
const windowMs = 3_000;
const keptSettlements = 1_024;

export function followSwarm(fleet: SwarmView): Live {
  const finals = new Set<(block: FinalBlock) => void>();
  const settlements = new Set<(block: SettledBlock, link: ValidatorLink) => void>();
  const recent: { readonly at: number; readonly payments: number; readonly blocks: number }[] = [];
  const settledAt = new Map<number, number>();
  let height = 0;
  const note = (payments: number, blocks: number) => {
    const at = performance.now();
    recent.push({ at, payments, blocks });
    while ((recent[0]?.at ?? at) < at - windowMs) recent.shift();
  };

  const stopState = fleet.state.watch((event) => {
    if (event.kind !== "seat" || event.view.status === undefined || !event.view.reachable) return;
    const { finalizedHeight, blockView, blockTime, block, blockPayments } = event.view.status;
    if (finalizedHeight <= height || block === "") return;
    // The first status tells of a chain that was there before: it is no rate.
    note(0, height === 0 ? 0 : finalizedHeight - height);
    height = finalizedHeight;
    const final = { height, view: blockView, time: blockTime, hash: block, payments: blockPayments };
    for (const listener of [...finals]) listener(final);
  });
  const stopSettlements = followSettlements(
    () => fleet.links,
    (block, link) => {
      settledAt.set(Number(block.height), performance.now());
      const [oldest] = settledAt.keys();
      if (settledAt.size > keptSettlements && oldest !== undefined) settledAt.delete(oldest);
      note(
        block.messages.reduce((sum, { settled }) => sum + settled, 0),
        0,
      );
      for (const listener of [...settlements]) listener(block, link);
    },
  );

  return {
    figures: () => {
      const views = fleet.state.seats();
      const totalPower = views.reduce((sum, { seat }) => sum + seat.power, 0);
      const { F: faultPower, Q: quorum } = faultBudget(totalPower, fleet.swarm.spec.faultModel);
      const reachable = views.flatMap(({ reachable, status }) => (reachable && status ? [status] : []));
      const since = performance.now() - windowMs;
      const counted = recent.filter(({ at }) => at >= since);
      const rate = (what: "payments" | "blocks") =>
        counted.reduce((sum, each) => sum + each[what], 0) / (windowMs / 1000);
      // The chain does not shrink while its validators are away: what was seen last still stands.
      const seen = views.flatMap(({ status }) => status ?? []);
      const most = (value: (status: SeatStatus) => number) => Math.max(0, ...seen.map(value));
      return {
        time: Date.now(),
        view: most(({ view }) => view),
        height: most(({ finalizedHeight }) => finalizedHeight),
        settledHeight: most(({ settledHeight }) => settledHeight),
        paymentsPerSecond: rate("payments"),
        blocksPerSecond: rate("blocks"),
        p50: median(reachable.map(({ settlementP50 }) => settlementP50).filter((ms) => ms > 0)),
        p99: maximum(reachable.map(({ settlementP99 }) => settlementP99).filter((ms) => ms > 0)),
        settledPayments: most(({ settledPayments }) => settledPayments),
        votingPower: views.reduce(
          (sum, { seat, status, reachable }) => sum + (reachable && status?.voting ? seat.power : 0),
          0,
        ),
        totalPower,
        faultPower,
        quorum,
        degradedRegions: [...new Set(reachable.flatMap(({ degradedRegions }) => degradedRegions))].sort(),
      };
    },
    onFinal: (listener) => {
      finals.add(listener);
      return () => finals.delete(listener);
    },
    onSettled: (listener) => {
      settlements.add(listener);
      return () => settlements.delete(listener);
    },
    settledAt: (at) => settledAt.get(at),
    close: async () => {
      stopState();
      await stopSettlements();
    },
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function maximum(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}
