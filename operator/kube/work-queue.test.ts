import fc from "fast-check";
import { expect, test } from "vitest";
import { createManualTime } from "./testing/manual-clock.ts";
import { until } from "./testing/until.ts";
import { createWorkQueue, type Outcome, type QueueLimits } from "./work-queue.ts";

interface Run {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly end: (outcome: Outcome) => void;
  readonly crash: (error: Error) => void;
}

const done: Outcome = { kind: "done" };

function create(concurrency = 1, limits: Partial<QueueLimits> = {}) {
  const time = createManualTime();
  const clock = time.clock();
  const runs: Run[] = [];
  const ended: string[] = [];
  const queue = createWorkQueue({
    clock,
    concurrency,
    limits,
    work: (key, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      runs.push({ key, signal, end: resolve, crash: reject });
      return promise;
    },
    onEnded: (key) => ended.push(key),
  });
  /** Ends a run and waits until the queue knows. */
  async function end(at: number, outcome: Outcome = done): Promise<void> {
    const before = ended.length;
    runs[at]?.end(outcome);
    await until(() => ended.length > before);
  }
  return { time, clock, queue, runs, end, keys: () => runs.map(({ key }) => key) };
}

test("a key waits once, runs once at a time, and runs again when it was added meanwhile", async () => {
  const { queue, keys, end } = create(4);
  for (const key of ["a", "b", "a", "a"]) queue.add(key);
  queue.start();
  expect(keys()).toEqual(["a", "b"]);
  queue.add("a");
  queue.add("a");
  expect(queue.running()).toBe(2);
  await end(0);
  await until(() => keys().length === 3);
  expect(keys()).toEqual(["a", "b", "a"]);
  await end(2);
  await until(() => queue.running() === 1);
  expect(queue.depth()).toBe(0);
});

test("a key that is added all the time does not hold up the others", async () => {
  const { queue, keys, end } = create(1);
  queue.start();
  for (const key of ["busy", "b", "c"]) queue.add(key);
  for (let i = 0; i < 4; i++) {
    queue.add("busy");
    await end(i);
    await until(() => keys().length === i + 2);
  }
  expect(keys()).toEqual(["busy", "b", "c", "busy", "busy"]);
});

test("failures of a key wait twice as long each time, up to a bound, and success forgets them", async () => {
  const { queue, clock, time, end, runs } = create(1, { initialMs: 100, maxMs: 350 });
  queue.start();
  queue.add("a");
  for (const [i, wait] of [100, 200, 350, 350].entries()) {
    await end(i, { kind: "retry" });
    await until(() => clock.waiting().includes(wait));
    time.advance(wait - 1);
    expect(runs).toHaveLength(i + 1);
    time.advance(1);
    await until(() => runs.length === i + 2);
  }
  await end(4);
  queue.add("a");
  await until(() => runs.length === 6);
  await end(5, { kind: "retry", atLeastMs: 5 });
  await until(() => clock.waiting().includes(100));
});

test("what the server asked for is the least wait", async () => {
  const { queue, clock, end } = create();
  queue.start();
  queue.add("a");
  await end(0, { kind: "retry", atLeastMs: 7_000 });
  await until(() => clock.waiting().includes(7_000));
});

test("all retries together share one rate", async () => {
  const { queue, clock, end, runs } = create(10, { initialMs: 1, retries: { perSecond: 2, burst: 2 } });
  queue.start();
  for (let i = 0; i < 6; i++) queue.add(`key-${i}`);
  await until(() => runs.length === 6);
  for (let i = 0; i < 6; i++) await end(i, { kind: "retry" });
  await until(() => queue.delayed() === 6);
  expect(clock.waiting()).toEqual([1, 1, 500, 1_000, 1_500, 2_000]);
});

test("a key that fails again before its retry takes no second share of the rate", async () => {
  const { queue, clock, end, runs } = create(10, { initialMs: 1, retries: { perSecond: 2, burst: 1 } });
  queue.start();
  for (let i = 0; i < 5; i++) {
    queue.add("woken");
    await until(() => runs.length === i + 1);
    await end(i, { kind: "retry" });
  }
  queue.add("other");
  await until(() => runs.length === 6);
  await end(5, { kind: "retry" });
  await until(() => queue.delayed() === 2);
  expect(clock.waiting()).toEqual([1, 500]);
});

test("a key that failed after a success does not wait for the retry from before", async () => {
  const { queue, clock, end, runs } = create(10, { initialMs: 100, retries: { perSecond: 1, burst: 2 } });
  queue.start();
  queue.add("a");
  await end(0, { kind: "retry", atLeastMs: 30_000 });
  await until(() => queue.delayed() === 1);
  queue.add("a");
  await end(1);
  queue.add("a");
  await until(() => runs.length === 3);
  await end(2, { kind: "retry" });
  await until(() => clock.waiting().includes(100));
});

test("the earliest wish for later counts, and none is lost to an early run", async () => {
  const { queue, clock, time, end, runs } = create();
  queue.start();
  queue.addAfter("a", 1_000);
  queue.addAfter("a", 500);
  queue.addAfter("a", 800);
  expect(clock.waiting()).toEqual([500]);
  queue.add("a");
  await end(0);
  time.advance(500);
  await until(() => runs.length === 2);
});

test("halt aborts what runs, forgets the rest, and a new start begins from nothing", async () => {
  const { queue, clock, runs, end, keys } = create(1);
  queue.start();
  queue.add("a");
  queue.add("b");
  queue.add("a");
  queue.addAfter("c", 100);
  const halted = queue.halt();
  expect(runs[0]?.signal.aborted).toBe(true);
  await end(0, { kind: "retry" });
  await halted;
  expect([queue.depth(), queue.delayed(), queue.running(), clock.waiting().length]).toEqual([0, 0, 0, 0]);
  queue.add("d");
  expect(keys()).toEqual(["a"]);
  queue.start();
  expect(keys()).toEqual(["a", "d"]);
  expect(runs[1]?.signal.aborted).toBe(false);
});

test("a drain that a halt overtakes ends with the last run", async () => {
  const { queue, runs, end } = create(2);
  queue.start();
  queue.add("a");
  const drained = queue.drain();
  const halted = queue.halt();
  queue.add("late");
  await end(0);
  await Promise.all([drained, halted]);
  expect(runs).toHaveLength(1);
  expect(queue.depth()).toBe(0);
});

test("the age of the oldest run is known", async () => {
  const { queue, time, end } = create(2);
  queue.start();
  expect(queue.longestMs()).toBe(0);
  queue.add("a");
  time.advance(70);
  queue.add("b");
  time.advance(30);
  expect(queue.longestMs()).toBe(100);
  await end(0);
  await until(() => queue.running() === 1);
  expect(queue.longestMs()).toBe(30);
});

test("an exception is handed to the owner", async () => {
  const { queue, runs } = create();
  queue.start();
  queue.add("a");
  runs[0]?.crash(new Error("a bug"));
  await expect(queue.failed).rejects.toThrow("a bug");
});

const keyName = fc.constantFrom("a", "b", "c", "d");
const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("add" as const), key: keyName }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("after" as const), key: keyName, ms: fc.nat(50) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      at: fc.nat(3),
      outcome: fc.oneof(
        fc.constant<Outcome>(done),
        fc.constant<Outcome>({ kind: "retry" }),
        fc.nat(50).map((afterMs): Outcome => ({ kind: "again", afterMs })),
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(100) }) },
);

test("whatever is added is worked on afterwards, never twice at a time, never above the concurrency", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(command, { maxLength: 60 }), async (most, commands) => {
      const { queue, runs, time, end } = create(most, { initialMs: 10, maxMs: 40 });
      queue.start();
      /** Keys owed a run that begins after they were added: the number of runs begun by then. */
      const owed = new Map<string, number>();
      const finished = new Set<Run>();
      const open = () => runs.filter((run) => !finished.has(run));
      function check(): void {
        const keys = open().map(({ key }) => key);
        expect(keys.length).toBeLessThanOrEqual(most);
        expect(new Set(keys).size).toBe(keys.length);
        for (const [key, from] of owed) if (runs.slice(from).some((run) => run.key === key)) owed.delete(key);
      }
      async function finish(run: Run, outcome: Outcome): Promise<void> {
        finished.add(run);
        await end(runs.indexOf(run), outcome);
        await until(() => queue.running() === open().length);
      }
      for (const one of commands) {
        if (one.kind === "add" || (one.kind === "after" && one.ms === 0)) owed.set(one.key, runs.length);
        if (one.kind === "add") queue.add(one.key);
        else if (one.kind === "after") queue.addAfter(one.key, one.ms);
        else if (one.kind === "advance") time.advance(one.ms);
        else {
          const run = open()[one.at];
          if (run) await finish(run, one.outcome);
        }
        check();
      }
      for (let run = open()[0]; run; run = open()[0]) {
        await finish(run, done);
        check();
      }
      expect([...owed.keys()]).toEqual([]);
      expect(queue.depth()).toBe(0);
    }),
    { numRuns: 200 },
  );
});
