/** The load generator: a process of its own, told what to do over the channel to its parent (`protocol.ts`). */
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { createCometEngine, createCometMessageMaker } from "../peers/cometbft/load.ts";
import { percentiles } from "../statistics.ts";
import { createEngine, type Engine, type Flight } from "./engine.ts";
import { alone, closedLoop, type Interval, openLoop, type Supply } from "./loops.ts";
import { createMessageMaker, type PreparedMessage } from "./messages.ts";
import type { LoadCommand, LoadEvent, LoadResult } from "./protocol.ts";

/** After the last message was sent, ms. */
const drainMs = 30_000;

/** Who does not listen any more is about to end this process. */
const tell = (event: LoadEvent): void => {
  process.send?.(event, undefined, undefined, () => {});
};
const fail = (reason: string): void => tell({ kind: "failed", reason });

let engine: Engine | undefined;
let make: ((payments: number) => PreparedMessage) | undefined;
/** Bytes prepared before a load begins; what it needs beyond is made when it is due. */
const mostPrepared = 2 ** 31;
const prepared: PreparedMessage[] = [];
let payments = 0;
const supply: Supply = () => prepared.pop() ?? connected(make)(payments);

async function perform(command: LoadCommand): Promise<void> {
  switch (command.kind) {
    case "connect":
      await connect(command);
      return tell({ kind: "ready" });
    case "prepare":
      await prepare(command);
      return tell({ kind: "ready" });
    case "closed":
      return measure((running, interval) => closedLoop(running, supply, command.window, command, interval), "settled");
    case "open":
      return measure(
        (running, interval) => openLoop(running, supply, command.perSecond, command, interval),
        "intended",
      );
    case "alone":
      return measure((running, interval) => alone(running, supply, command, interval), "intended");
  }
}

/** What is left of an earlier load is given up. */
async function prepare(command: Extract<LoadCommand, { kind: "prepare" }>): Promise<void> {
  prepared.length = 0;
  payments = command.payments;
  for (let bytes = 0; prepared.length < command.messages && bytes < mostPrepared; ) {
    const message = connected(make)(payments);
    bytes += message.body.length;
    prepared.push(message);
    // Connections stay open only while their pings are answered.
    if (prepared.length % 64 === 0) await turn();
  }
}

async function connect({ target, watch, finality }: Extract<LoadCommand, { kind: "connect" }>): Promise<void> {
  const refused = (reason: string) => fail(`a message was refused: ${reason}`);
  if (target.system === "cometbft") {
    make = createCometMessageMaker();
    engine = await createCometEngine(target, refused);
  } else {
    make = createMessageMaker(target);
    engine = createEngine({ target, watch, finality, refused });
  }
}

/** `counts`: the messages that settled in the interval (closed loop), or those that were due in it. */
async function measure(
  offer: (running: Engine, interval: Interval) => Promise<readonly Flight[]>,
  counts: "settled" | "intended",
): Promise<void> {
  const running = connected(engine);
  const begin = performance.now();
  let [start, end] = [begin, begin];
  let cpu = process.cpuUsage();
  const before = { retries: running.retries(), rejected: running.rejected() };
  const interval: Interval = {
    start: () => {
      start = performance.now();
      cpu = process.cpuUsage();
      tell({ kind: "measuring" });
    },
    end: () => {
      end = performance.now();
      cpu = process.cpuUsage(cpu);
      tell({ kind: "measured" });
    },
  };
  const flights = await offer(running, interval);
  const until = performance.now() + drainMs;
  while (running.underway() > 0 && performance.now() < until) await delay(10);
  await running.resolve(flights);

  const within = (time: number): boolean => time >= start && time < end;
  const counted = flights.filter(({ settled, intended }) => within(counts === "settled" ? settled : intended));
  const done = counted.filter(({ settled }) => settled >= 0);
  const throughput = flights.filter(({ settled }) => within(settled)).reduce((sum, { payments }) => sum + payments, 0);
  const relative = (time: number): number => (time < 0 ? -1 : time - begin);
  const result: LoadResult = {
    elapsedMs: end - start,
    messages: counted.length,
    payments: done.reduce((sum, { payments }) => sum + payments, 0),
    paymentsPerSecond: (throughput * 1000) / (end - start),
    accepted: percentiles(done.map(({ accepted, intended }) => accepted - intended)),
    // Settlement may be heard before the answer to the submission: then there was nothing to wait for.
    settlement: percentiles(done.map(({ settled, accepted }) => Math.max(0, settled - accepted))),
    finality: percentiles(
      done.filter(({ final }) => final >= 0).map(({ final, accepted }) => Math.max(0, final - accepted)),
    ),
    total: percentiles(done.map(({ settled, intended }) => settled - intended)),
    commit: percentiles(done.filter(({ final }) => final >= 0).map(({ final, intended }) => final - intended)),
    samples: flights.map(({ intended, accepted, final, settled }) => ({
      intended: relative(intended),
      accepted: relative(accepted),
      final: relative(final),
      settled: relative(settled),
    })),
    retries: running.retries() - before.retries,
    unsettled: flights.filter(({ settled }) => settled < 0).length,
    rejectedPayments: running.rejected() - before.rejected,
    generatorCpu: (cpu.user + cpu.system) / 1000 / (end - start),
  };
  tell({ kind: "result", result });
}

function connected<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error("not connected");
  return part;
}

process.on("message", (command: LoadCommand) => {
  perform(command).catch((error: unknown) =>
    fail(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
});
// The benchmark is gone: so is the reason to load anything.
process.on("disconnect", () => process.exit(0));
