/** A scenario made real: members' drivers over simulated ports, shells around the faulty ones, everything recorded. */
import { toHex } from "../codec/bytes.ts";
import { messageHash } from "../codec/payment-message.ts";
import { seatIndex } from "../consensus/types.ts";
import { createSwarm, type MessageOptions, type Swarm } from "../driver/testing/swarm.ts";
import type { Fact, History, SubmittedPayment, Violation } from "./history.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import type { Scenario } from "./scenario.ts";
import { shell } from "./shell.ts";
import type { Trace } from "./trace.ts";

/** Everything that goes wrong, and everything a client does, goes through here. Nodes are seats; twins' second processes come behind them. */
export interface HostileWorld {
  readonly swarm: Swarm;
  readonly scenario: Scenario;
  readonly recorder: Recorder;
  readonly correct: readonly number[];
  /** The node of the learner that comes late, if there is one. It is correct. */
  readonly newcomer: number | undefined;
  /** Nodes whose disks lose durable bytes. */
  readonly rotten: readonly number[];
  isUp(node: number): boolean;
  /** Starts a process that is down; one whose volume cannot be opened now stays down. */
  start(node: number): Promise<void>;
  /** Power is lost. Does nothing to a process that is down. */
  crash(node: number): void;
  /** The process loses power right after it next says something. */
  crashOnceSaid(node: number): void;
  /** Nobody is to lose power any more. */
  spareAll(): void;
  /** Submits at a running member and notes its answer; the message's hash. `undefined` when the member is down. */
  submit(node: number, options: MessageOptions): string | undefined;
  /** Runs until the condition holds; false when the time is over or something was broken. */
  until(condition: () => boolean, limitMs: number): Promise<boolean>;
  /** Broken outright: what no checker has to look for. */
  broken(): Violation | undefined;
  tell(line: string): void;
  history(): History;
}

/** A world of a second or two takes some thousands: beyond this, somebody answers an answer without end. */
const mostEvents = 500_000;

export function createWorld(scenario: Scenario, trace: Trace, heard: (fact: Fact) => void): HostileWorld {
  const { seed, powers, faulty, segmentBytes, parameters } = scenario;
  const twinned = [...faulty].filter(([, { twin }]) => twin).map(([seat]) => seat);
  const newcomer = scenario.newcomer === undefined ? undefined : powers.length + twinned.length;
  // A newcomer's number is no seat's.
  const seatOf = (node: number) => seatIndex(node < powers.length ? node : (twinned[node - powers.length] ?? node));
  const members = powers.map((_, seat) => seat).filter((seat) => !faulty.has(seat));
  const correct = newcomer === undefined ? members : [...members, newcomer];
  const made = new Map<string, Uint8Array>();
  const submitted = new Map<string, readonly SubmittedPayment[]>();
  const lives = new Map<number, number>();
  const doomed = new Set<number>();
  let broken: Violation | undefined;

  const lifeOf = (node: number) => lives.get(node) ?? 0;
  const living = (node: number) => {
    const life = lifeOf(node);
    return () => lifeOf(node) === life;
  };
  const breaks = (rule: string, detail: string) => {
    broken ??= { rule, detail, at: swarm.world.now() };
  };

  const swarm: Swarm = createSwarm({
    seed,
    members: powers.length,
    powers,
    twins: twinned,
    learners: newcomer === undefined ? 0 : 1,
    parameters,
    segmentBytes,
    // The second process of a twin runs on another machine: its clock tells the two apart.
    clock: (node) => scenario.clocks[node] ?? { offset: 300 },
    signers: (node, signers) => recorder.signers(seatOf(node), signers),
    port(node, port) {
      const strategy = faulty.get(seatOf(node));
      if (!strategy) {
        checkPayload(node);
        const alive = living(node);
        const recorded = recorder.port(node, port, alive);
        return {
          ...recorded,
          broadcast(bytes) {
            recorded.broadcast(bytes);
            if (alive() && doomed.delete(node)) swarm.world.schedule(0, () => crash(node));
          },
        };
      }
      const seats = powers.map((_, seat) => seatIndex(seat));
      const signers = swarm.signersOf(node);
      return shell(port, strategy, {
        seat: seatOf(node),
        seats,
        names,
        config: swarm.genesisConfig,
        signers: recorder.signers(seatOf(node), signers),
        random: swarm.world.random,
      });
    },
    observe(node, event) {
      if (faulty.has(seatOf(node))) return;
      recorder.observe(node, event);
      if (event.kind === "voting") tell(`${node} ${event.allowed ? "votes again" : `stops voting: ${event.reason}`}`);
      if (event.kind === "catch-up") tell(`${node} caught up from ${event.from} to ${event.to} by ${event.source}`);
      if (event.kind === "region-mode")
        tell(`${node} sees ${event.region} ${event.degraded ? "degraded" : "required"}`);
      if (event.kind === "block-executed") {
        const alive = living(node);
        swarm.world.schedule(0, () => alive() && noteExecuted(node));
      }
    },
  });
  const names = powers.map((_, seat) => swarm.nodes[seat]?.name ?? "");
  const recorder = createRecorder(
    swarm.world.now,
    powers,
    (peer) => seatIndex(Math.max(0, names.indexOf(peer))),
    (fact) => {
      trace.fact(fact);
      heard(fact);
    },
  );
  if (scenario.divided) divideTwins();

  function tell(line: string): void {
    trace.tell(swarm.world.now(), line);
  }

  /** Each process of a twin hears its own side alone; correct members hear one process of it, and each other. */
  function divideTwins(): void {
    const side = (node: number) =>
      node === newcomer ? undefined : node >= powers.length ? 1 : twinned.includes(node) ? 0 : undefined;
    const nodeAt = (address: string) => Number(address.replace("node ", ""));
    swarm.network.divide((a, b) => {
      const [one, other] = [nodeAt(a), nodeAt(b)];
      const [sideA, sideB] = [side(one), side(other)];
      if (sideA === undefined && sideB === undefined) return false;
      if (sideA !== undefined && sideB !== undefined) return sideA !== sideB;
      const member = sideA === undefined ? one : other;
      return (sideA ?? sideB) !== member % 2;
    });
  }

  function noteExecuted(node: number): void {
    const { driver } = swarm.nodes[node] ?? {};
    if (!driver) return;
    const { executedHeight: height, stateRoot: root } = driver.services.status();
    recorder.note({ kind: "executed", node, height, root });
  }

  /** What the last lives voted for and no block has made final yet must still be on the disk that was opened now. */
  function checkPayload(node: number): void {
    const store = swarm.nodes[node]?.store;
    if (!store) return;
    const finalHeight = store.recovered.finalized?.block.header.height ?? 0;
    const voted = new Set<string>();
    for (const fact of recorder.facts)
      if (fact.kind === "said-vote" && fact.node === node) voted.add(fact.ballot.block);
    for (const [hash, { header, body }] of recorder.blocks) {
      if (!voted.has(hash) || header.height <= finalHeight) continue;
      for (const { digest: batch } of body.batches)
        if (!store.hasBatch(batch)) recorder.note({ kind: "payload-missing", node, block: hash, batch });
    }
  }

  /** Follows the settled blocks of a running member from the first that it has not told yet. */
  const told = new Map<number, number>();
  async function follow(node: number): Promise<void> {
    const alive = living(node);
    const { driver, store } = swarm.nodes[node] ?? {};
    if (!driver || !store) return;
    let from = Math.max((told.get(node) ?? 0) + 1, store.lowestHeight, 1);
    while (alive()) {
      try {
        for await (const block of driver.services.settlements(from, new AbortController().signal)) {
          if (!alive()) return;
          from = block.height + 1;
          told.set(node, block.height);
          recorder.note({
            kind: "settled",
            node,
            height: block.height,
            receipts: toHex(block.receiptsRoot),
            messages: block.messages.map(({ messageHash: hash, codes }) => ({
              hash: toHex(hash),
              codes: [...codes],
            })),
          });
        }
        return;
      } catch (error) {
        if (!alive()) return;
        if (!(error instanceof RangeError)) throw error;
        // A member that went on from a checkpoint does not have what is below it.
        from = Math.max(from + 1, store.lowestHeight);
      }
    }
  }

  async function start(node: number): Promise<void> {
    if (isUp(node)) return;
    lives.set(node, lifeOf(node) + 1);
    const isCorrect = !faulty.has(seatOf(node));
    if (isCorrect) recorder.note({ kind: "started", node });
    try {
      await swarm.start(node);
      if (isCorrect) void follow(node).catch((error: unknown) => breaks("settlement-stream", String(error)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tell(`${node} cannot start: ${reason}`);
      if (isCorrect && !/no-space|input-output/.test(reason))
        breaks("volume", `${node} cannot open its volume: ${reason}`);
    }
  }

  function isUp(node: number): boolean {
    return swarm.nodes[node]?.driver !== undefined;
  }

  function crash(node: number): void {
    if (!isUp(node)) return;
    lives.set(node, lifeOf(node) + 1);
    doomed.delete(node);
    swarm.crash(node);
    tell(`${node} loses power`);
    const { rots } = faulty.get(seatOf(node)) ?? {};
    if (rots && swarm.world.random() < 0.6) rot(node);
  }

  function rot(node: number): void {
    const disk = swarm.nodes[node]?.disk;
    const files = [...(disk?.files() ?? [])].filter(([, size]) => size > 0);
    const found = files[Math.floor(swarm.world.random() * files.length)];
    if (!disk || !found) return;
    const [path, size] = found;
    const offset = Math.floor(swarm.world.random() * size);
    disk.flip(path, offset, 1 << Math.floor(swarm.world.random() * 8));
    tell(`${node} has a flipped bit in ${path} at ${offset}`);
  }

  function checkFailures(): Violation | undefined {
    if (swarm.world.events() > mostEvents) breaks("bounded work", `more than ${mostEvents} events`);
    for (const node of correct) {
      const failure = swarm.nodes[node]?.failures[0];
      if (failure) breaks("fatal", `${node}: ${failure instanceof Error ? failure.message : String(failure)}`);
    }
    return broken;
  }

  return {
    swarm,
    scenario,
    recorder,
    correct,
    newcomer,
    rotten: [...faulty].filter(([, { rots }]) => rots).map(([seat]) => seat),
    isUp,
    start,
    crash,
    crashOnceSaid: (node) => doomed.add(node),
    spareAll: () => doomed.clear(),
    submit(node, options) {
      const driver = swarm.nodes[node]?.driver;
      if (!driver) return undefined;
      const { id, institution = 0, payments = 1, amount = 1 } = options;
      // The same bytes again, as a client that tries again sends them.
      const message = made.get(`${institution} ${id}`) ?? swarm.message(options);
      made.set(`${institution} ${id}`, message);
      const hash = toHex(messageHash(message));
      const payment = { debtor: institution, creditor: (institution + 1) % 4, amount };
      submitted.set(
        hash,
        Array.from({ length: payments }, () => payment),
      );
      const alive = living(node);
      void driver.services.submit(message, undefined, "").then((result) => {
        if (alive() && result.kind === "accepted" && correct.includes(node))
          recorder.note({ kind: "acknowledged", node, message: hash });
      });
      return hash;
    },
    until: async (condition, limitMs) =>
      (await swarm.world.until(() => checkFailures() !== undefined || condition(), limitMs)) && broken === undefined,
    broken: checkFailures,
    tell,
    history: () => ({
      electorates: recorder.electorates,
      anchor: swarm.genesisConfig.anchor.hash,
      correct,
      openings: swarm.openings,
      blocks: recorder.blocks,
      submitted,
      facts: recorder.facts,
    }),
  };
}
