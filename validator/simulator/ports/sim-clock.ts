/**
 * Virtual time for whole validators: one queue of events, ordered by time and then by the order of their making, so that
 * a seed is a run. Between two events every promise that can go on does go on.
 */
import type { Clock } from "../../driver/ports.ts";

export interface SimWorld {
  /** Virtual milliseconds since the world began. */
  now(): number;
  /** Uniform in [0, 1), from the world's seed. */
  random(): number;
  /** Runs once at now + delay; the result cancels. */
  schedule(delay: number, run: () => void): () => void;
  /** Runs events until the condition holds (true) or virtual time passes now + limit (false). */
  until(condition: () => boolean, limitMs: number): Promise<boolean>;
  runFor(milliseconds: number): Promise<void>;
  /** Events run so far: a measure of work that is the same on every machine. */
  events(): number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** What virtual wall clocks read at the world's beginning: 2026-01-01T00:00:00Z. */
const simEpochMs = 1_767_225_600_000;

export function createSimWorld(seed: number): SimWorld {
  const heap: Event[] = [];
  const random = generator(seed);
  let now = 0;
  let order = 0;
  let ran = 0;

  async function runUntil(condition: () => boolean, end: number): Promise<boolean> {
    await drain();
    while (!condition()) {
      const next = heap[0];
      if (next === undefined || next.at > end) {
        now = Math.max(now, end);
        return false;
      }
      pop(heap);
      if (next.run === undefined) continue;
      now = next.at;
      ran += 1;
      const { run } = next;
      next.run = undefined;
      run();
      await drain();
    }
    return true;
  }

  return {
    now: () => now,
    random,
    events: () => ran,
    schedule(delay, run) {
      const event: Event = { at: now + Math.max(0, delay), order: order++, run };
      push(heap, event);
      return () => {
        event.run = undefined;
      };
    },
    until: (condition, limitMs) => runUntil(condition, now + limitMs),
    runFor: async (milliseconds) => {
      await runUntil(() => false, now + milliseconds);
    },
  };
}

export interface SimClock extends Clock {
  /** Moves the wall clock, as an operator or a broken time service would. */
  stepWall(milliseconds: number): void;
  /** Undoes every step. */
  setRight(): void;
  /** A stopped clock fires no timer and resumes no yield: the process is dead. */
  stop(): void;
}

export interface SimClockOptions {
  /** Milliseconds that the wall clock is ahead at the world's beginning. */
  readonly offset?: number;
  /** How fast both clocks run and timers fire; 1 is true time. */
  readonly rate?: number;
}

/** One process's clocks. */
export function createSimClock(world: SimWorld, options: SimClockOptions = {}): SimClock {
  let offset = options.offset ?? 0;
  const rate = options.rate ?? 1;
  let alive = true;
  const guarded = (run: () => void) => () => {
    if (alive) run();
  };
  return {
    now: () => ({ monotonic: world.now() * rate, wall: simEpochMs + world.now() * rate + offset }),
    after: (milliseconds, call) => world.schedule(milliseconds / rate, guarded(call)),
    yield: () => new Promise((resolve) => world.schedule(0, guarded(resolve))),
    stepWall(milliseconds) {
      offset += milliseconds;
    },
    setRight() {
      offset = options.offset ?? 0;
    },
    stop() {
      alive = false;
    },
  };
}

/** Lets every promise that can go on go on: immediates run after all of them. */
function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const before = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let i = heap.push(event) - 1;
  while (i > 0) {
    const above = (i - 1) >> 1;
    const parent = heap[above] as Event;
    if (!before(event, parent)) break;
    heap[i] = parent;
    i = above;
  }
  heap[i] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let i = 0;
  for (;;) {
    const left = 2 * i + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const smaller = right < heap.length && before(heap[right] as Event, heap[left] as Event) ? right : left;
    const child = heap[smaller] as Event;
    if (!before(child, last)) break;
    heap[i] = child;
    i = smaller;
  }
  heap[i] = last;
}

/** mulberry32: uniform in [0, 1), small, fast, and the same everywhere. */
export function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
