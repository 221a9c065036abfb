/** The three ways to offer load. Each resolves when its last message was sent and its measured interval is over. */
import { setTimeout as delay } from "node:timers/promises";
import type { Engine, Flight } from "./engine.ts";
import type { PreparedMessage } from "./messages.ts";

/** Marks the ends of the measured interval, `performance.now()`. */
export interface Interval {
  readonly start: () => void;
  readonly end: () => void;
}

/** Where messages come from. */
export type Supply = () => PreparedMessage;

/** Keeps `window` messages under way: the next is sent the moment one settles. */
export async function closedLoop(
  engine: Engine,
  supply: Supply,
  window: number,
  times: { readonly warmupMs: number; readonly measureMs: number },
  interval: Interval,
): Promise<readonly Flight[]> {
  const flights: Flight[] = [];
  let stopped = false;
  const next = (): void => {
    if (!stopped) flights.push(engine.send(supply(), performance.now(), next));
  };
  for (let at = 0; at < window; at++) next();
  await delay(times.warmupMs);
  interval.start();
  await delay(times.measureMs);
  interval.end();
  stopped = true;
  return flights;
}

/** When message `index` of an open loop is due, ms from the first: nothing that happens changes it. */
export function dueAt(index: number, perSecond: number): number {
  return (index * 1000) / perSecond;
}

/** Sends at fixed times. A late timer sends all that is due at once; each counts from the time it was due. */
export async function openLoop(
  engine: Engine,
  supply: Supply,
  perSecond: number,
  times: { readonly warmupMs: number; readonly measureMs: number },
  interval: Interval,
): Promise<readonly Flight[]> {
  const flights: Flight[] = [];
  const begin = performance.now();
  const until = times.warmupMs + times.measureMs;
  let measuring = false;
  for (let at = 0; ; at++) {
    const due = dueAt(at, perSecond);
    if (due >= times.warmupMs && !measuring) {
      measuring = true;
      await reach(begin + times.warmupMs);
      interval.start();
    }
    if (due >= until) break;
    await reach(begin + due);
    flights.push(engine.send(supply(), begin + due));
  }
  await reach(begin + until);
  interval.end();
  return flights;
}

async function reach(time: number): Promise<void> {
  const wait = time - performance.now();
  if (wait > 0) await delay(wait);
}

/** One at a time, with a pause in which the swarm comes to rest; its length varies so that no timer falls in step. */
export async function alone(
  engine: Engine,
  supply: Supply,
  times: { readonly warmup: number; readonly count: number },
  interval: Interval,
): Promise<readonly Flight[]> {
  const flights: Flight[] = [];
  for (let at = 0; at < times.warmup + times.count; at++) {
    if (at === times.warmup) interval.start();
    const message = supply();
    const settled = Promise.withResolvers<void>();
    flights.push(engine.send(message, performance.now(), () => settled.resolve()));
    await settled.promise;
    await delay(40 + ((at * 7) % 31));
  }
  interval.end();
  return flights;
}
