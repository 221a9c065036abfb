/**
 * The network between members of one machine: for each ordered pair a local port that leads to the other's port, and
 * for each direction a lane that can be cut, delayed and throttled. Members dial configured addresses only, so that
 * what a lane does not carry does not arrive.
 */
import { createLane, fair, type Lane, type Weather } from "./lane.ts";
import { type LinkProxy, openProxy } from "./proxy.ts";

/** An ordered pair: `from` dials, or sends. Names of pods. */
export interface Pair {
  readonly from: string;
  readonly to: string;
}

/** A link to have: `port` is where `from` dials, `target` where `to` listens, both of 127.0.0.1. */
export interface LinkSpec extends Pair {
  readonly port: number;
  readonly target: number;
}

export type LinkProblem = LinkSpec & {
  /** A sentence with the port and what it is for. */
  readonly message: string;
};

export interface Links {
  /** Makes the open links of a group (a swarm) exactly these; names what could not be. Calls of a group queue up. */
  readonly have: (group: string, specs: readonly LinkSpec[]) => Promise<readonly LinkProblem[]>;
  /** Zero bytes from one to the other; connections that used this direction die. The other direction is a lane of its own. */
  readonly cut: (from: string, to: string) => void;
  readonly delay: (from: string, to: string, milliseconds: number) => void;
  /** 0: no limit. */
  readonly throttle: (from: string, to: string, bytesPerSecond: number) => void;
  /** All of it at once. */
  readonly set: (from: string, to: string, weather: Weather) => void;
  readonly weather: (from: string, to: string) => Weather;
  /** This direction; without names every one. */
  readonly heal: (from?: string, to?: string) => void;
  /** Bytes that arrived at `to` from `from`, on connections of either. */
  readonly sent: (from: string, to: string) => number;
  /** Connections open now that `from` dialled. */
  readonly connections: (from: string, to: string) => number;
  readonly close: () => Promise<void>;
}

const keyOf = (from: string, to: string) => `${from}>${to}`;

export function createLinks(): Links {
  const lanes = new Map<string, Lane>();
  const proxies = new Map<string, { readonly group: string; readonly spec: LinkSpec; readonly proxy: LinkProxy }>();
  const queues = new Map<string, Promise<unknown>>();
  let closed = false;

  /** Lanes are kept: their weather and counters outlive the pods. */
  function laneOf(from: string, to: string): Lane {
    const key = keyOf(from, to);
    const lane = lanes.get(key) ?? createLane();
    lanes.set(key, lane);
    return lane;
  }

  function set(from: string, to: string, weather: Weather): void {
    const lane = laneOf(from, to);
    const { cut, delayMs, bytesPerSecond } = lane.weather();
    if (cut !== weather.cut || delayMs !== weather.delayMs || bytesPerSecond !== weather.bytesPerSecond)
      lane.change(weather);
  }

  async function have(group: string, specs: readonly LinkSpec[]): Promise<readonly LinkProblem[]> {
    if (closed) return [];
    const wanted = new Map(specs.map((spec) => [keyOf(spec.from, spec.to), spec]));
    const stale = [...proxies].filter(([key, { group: owner, spec }]) => {
      const next = wanted.get(key);
      return owner === group && (next === undefined || next.port !== spec.port || next.target !== spec.target);
    });
    for (const [key] of stale) proxies.delete(key);
    await Promise.all(stale.map(([, { proxy }]) => proxy.close()));
    const opened = await Promise.all(
      [...wanted].filter(([key]) => !proxies.has(key)).map(([key, spec]) => openOne(group, key, spec)),
    );
    return opened.flat();
  }

  async function openOne(group: string, key: string, spec: LinkSpec): Promise<readonly LinkProblem[]> {
    const { from, to, port, target } = spec;
    const result = await openProxy({ port, target, there: laneOf(from, to), back: laneOf(to, from) });
    if (result.kind === "conflict")
      return [{ ...spec, message: `Port ${port} for the link from ${from} to ${to}: ${result.message}.` }];
    proxies.set(key, { group, spec, proxy: result.proxy });
    return [];
  }

  return {
    have(group, specs) {
      const turn = (queues.get(group) ?? Promise.resolve()).then(() => have(group, specs));
      queues.set(group, turn);
      return turn;
    },
    set,
    cut: (from, to) => set(from, to, { ...laneOf(from, to).weather(), cut: true }),
    delay: (from, to, delayMs) => set(from, to, { ...laneOf(from, to).weather(), delayMs }),
    throttle: (from, to, bytesPerSecond) => set(from, to, { ...laneOf(from, to).weather(), bytesPerSecond }),
    weather: (from, to) => lanes.get(keyOf(from, to))?.weather() ?? fair,
    heal(from, to) {
      if (from !== undefined && to !== undefined) return set(from, to, fair);
      for (const lane of lanes.values()) lane.change(fair);
    },
    sent: (from, to) => lanes.get(keyOf(from, to))?.sent() ?? 0,
    connections: (from, to) => proxies.get(keyOf(from, to))?.proxy.connections() ?? 0,
    async close() {
      closed = true;
      await Promise.all(queues.values());
      await Promise.all([...proxies.values()].map(({ proxy }) => proxy.close()));
      proxies.clear();
    },
  };
}
