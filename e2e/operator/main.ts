/**
 * `npm run e2e:operator`: the operator of one machine and its validators, killed at any moment; volumes that vanish. About
 * 5 minutes. Ends with `N passed, N failed`. `--seed N` replays the moments of a run.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { random as randomFrom } from "../../operator/plan/exploration/walks.ts";
import { createMachine, isSettled, type Running, readSwarm, type Seen, swarm } from "./machine.ts";
import { lastVotes, votesAfter } from "./votes.ts";

const portBase = 23_000;
/** Bounds with room for a busy machine of two cores, ms. */
const settleBound = 90_000;
/** A validator looks after its volume each second, and what it sent before is on its way. */
const silenceBound = 5_000;

const { values } = parseArgs({ options: { seed: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const directory = mkdtempSync(join(tmpdir(), "e2e-operator-"));
const machine = createMachine(join(directory, "swarm"), portBase);
let passed = 0;
let failed = 0;
/** Identities that are given up, by name, and when: none of them may ever vote again. */
const lost = new Map<string, { readonly peerKey: string; readonly at: number }>();

async function scenario(name: string, run: () => Promise<string>): Promise<void> {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  try {
    const figures = await run();
    passed++;
    console.log(`passed  ${name} (${seconds()})\n        ${figures}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name} (${seconds()})\n        ${error instanceof Error ? error.message : error}`);
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const settled = (running: Running, what: string) => running.until(what, settleBound, isSettled);
const identities = ({ swarm }: Seen) => readSwarm(swarm).status.seats.map(({ identity }) => identity);
const condition = ({ swarm }: Seen, type: string) =>
  readSwarm(swarm).status.conditions.find((each) => each.type === type);
const restartsOf = (seen: Seen, pod: string) =>
  (
    seen.pods.find(({ metadata }) => metadata.name === pod)?.["status"] as {
      containerStatuses?: { restartCount: number }[];
    }
  )?.containerStatuses?.[0]?.restartCount ?? 0;

function killProcess(pod: string): void {
  const pid = machine.pidOf(pod);
  if (pid === undefined) throw new Error(`${pod} has no process`);
  process.kill(pid, "SIGKILL");
}

function peerKeyOf(running: Running, identity: string): string {
  const volume = running.now().volumes.find(({ metadata }) => metadata.name === identity);
  const peerKey = volume?.metadata.annotations?.["validatorswarm.io/peer-key"];
  if (peerKey === undefined) throw new Error(`the keys of ${identity} are not recorded`);
  return peerKey;
}

/** The command line's own way to the API server of this machine. */
async function swarmCommand(...words: string[]): Promise<void> {
  const program = join(import.meta.dirname, "../../cli/main.ts");
  const args = [program, ...words, "--kubeconfig", join(machine.directory, "kubeconfig")];
  await promisify(execFile)(process.execPath, args);
}

/** Deletes a volume under its process. */
function loseVolume(running: Running, identity: string): void {
  lost.set(identity, { peerKey: peerKeyOf(running, identity), at: Date.now() });
  rmSync(machine.volumeOf(identity), { recursive: true });
}

console.log(`seed ${seed}, in ${directory}\n`);
let running: Running | undefined;

await scenario("the operator is killed eight times while a swarm comes up", async () => {
  const moments: number[] = [];
  for (let i = 0; i < 8; i++) {
    const child = machine.launch();
    const moment = Math.round(200 + random() * 500 * (i + 1));
    await delay(moment);
    child.kill("SIGKILL");
    moments.push(moment);
  }
  running = await machine.start();
  const ms = await settled(running, "four seats vote");
  const names = identities(running.now());
  must(
    names.every((name) => name.endsWith("-g1")),
    `an identity was given up: ${names.join(", ")}`,
  );
  return `killed after ${moments.join(", ")} ms; then ready in ${ms} ms with the first identity of each seat`;
});

await scenario("every process is killed in turn", async () => {
  must(running !== undefined, "nothing runs");
  const took: number[] = [];
  for (const pod of [...identities(running!.now()), "quickstart-gateway-0"]) {
    const before = restartsOf(running!.now(), pod);
    killProcess(pod);
    took.push(
      await running!.until(`${pod} is back`, settleBound, (seen) => restartsOf(seen, pod) > before && isSettled(seen)),
    );
  }
  must(
    identities(running!.now()).every((name) => name.endsWith("-g1")),
    "an identity was given up",
  );
  return `back and voting after ${took.join(", ")} ms`;
});

await scenario("a volume vanishes under its process", async () => {
  must(running !== undefined, "nothing runs");
  const [identity = ""] = identities(running!.now());
  const seat = identity.replace(/-g\d+$/, "");
  loseVolume(running!, identity);
  const { at, peerKey } = lost.get(identity)!;
  const ms = await running!.until(
    "another identity holds the seat",
    settleBound,
    (seen) => isSettled(seen) && identities(seen).includes(`${seat}-g2`),
  );
  const last = lastVotes(machine.logs(), peerKey);
  must(last.length >= 2, "no peer has logged a vote of it");
  const silent = Math.max(...last.map(({ time }) => time)) - at;
  must(silent <= silenceBound, `its last vote came ${silent} ms after its volume was gone`);
  return `its last vote came ${silent} ms after; a new identity voted after ${ms} ms`;
});

await scenario("a person has an identity that votes replaced", async () => {
  must(running !== undefined, "nothing runs");
  const identity = identities(running!.now()).at(-1) ?? "";
  const seat = identity.replace(/-g\d+$/, "");
  const { epoch } = readSwarm(running!.now().swarm).status;
  const peerKey = peerKeyOf(running!, identity);
  await swarmCommand("replace", seat);
  const ms = await running!.until(
    "another identity holds the seat",
    settleBound,
    (seen) => isSettled(seen) && identities(seen).includes(`${seat}-g2`),
  );
  lost.set(identity, { peerKey, at: Date.now() });
  must(readSwarm(running!.now().swarm).status.epoch > epoch, "the seat did not change hands on chain");
  return `a new identity voted after ${ms} ms`;
});

await scenario("a swarm sleeps, and wakes on its volumes", async () => {
  must(running !== undefined, "nothing runs");
  const before = identities(running!.now());
  await swarmCommand("hibernate", swarm);
  const asleep = await running!.until("every pod has ended", settleBound, ({ pods }) =>
    pods.every(({ metadata }) => !before.includes(metadata.name)),
  );
  await swarmCommand("wake", swarm);
  const awake = await settled(running!, "every seat votes again");
  must(JSON.stringify(identities(running!.now())) === JSON.stringify(before), "other identities hold the seats");
  return `asleep after ${asleep} ms, awake after ${awake} ms`;
});

await scenario("the operator is killed six times while seats are added, and while they go", async () => {
  must(running !== undefined, "nothing runs");
  const took: number[] = [];
  for (const replicas of [7, 4]) {
    await running!.change({ replicas });
    const started = performance.now();
    for (let i = 0; i < 3; i++) {
      await delay(500 + random() * 6_000);
      await running!.kill();
      running = await machine.start();
    }
    await settled(running!, `${replicas} seats vote`);
    took.push(Math.round(performance.now() - started));
  }
  return `seven seats after ${took[0]} ms, four after ${took[1]} ms`;
});

await scenario("a volume vanishes and the operator is killed at that moment", async () => {
  must(running !== undefined, "nothing runs");
  const identity = identities(running!.now())[1] ?? "";
  const seat = identity.replace(/-g\d+$/, "");
  loseVolume(running!, identity);
  await delay(random() * 1_500);
  await running!.kill();
  running = await machine.start();
  const ms = await running.until(
    "another identity holds the seat",
    settleBound,
    (seen) =>
      isSettled(seen) &&
      !identities(seen).includes(identity) &&
      identities(seen).some((name) => name.startsWith(`${seat}-g`)),
  );
  return `a new identity voted ${ms} ms after the start`;
});

await scenario("a swarm is deleted, and made again from what it kept", async () => {
  must(running !== undefined, "nothing runs");
  const kept = running!.now().volumes.map(({ metadata }) => metadata.name);
  const { epoch } = readSwarm(running!.now().swarm).status;
  await running!.remove();
  const gone = await running!.until(
    "it is gone",
    settleBound,
    ({ swarm, pods }) => swarm === undefined && pods.length === 0,
  );
  const left = running!.now().volumes.map(({ metadata }) => metadata.name);
  must(
    kept.every((name) => left.includes(name)),
    `volumes went with it: ${kept.filter((name) => !left.includes(name)).join(", ")}`,
  );
  must((await running!.stop()) === 0, "it did not end well");
  running = await machine.start();
  const ms = await settled(running, "the same seats vote again");
  must(
    kept.every((name) => identities(running!.now()).includes(name)),
    "another identity holds a seat",
  );
  must(readSwarm(running.now().swarm).status.epoch >= epoch, "the chain did not go on");
  return `gone after ${gone} ms; the same chain with the same identities after ${ms} ms`;
});

await scenario("more power than F is lost at once", async () => {
  must(running !== undefined, "nothing runs");
  const { epoch } = readSwarm(running!.now().swarm).status;
  const two = identities(running!.now()).slice(0, 2);
  for (const identity of two) loseVolume(running!, identity);
  const ms = await running!.until(
    "disaster recovery is named",
    settleBound,
    (seen) => condition(seen, "QuorumAvailable")?.message.includes("spec.restoreFrom") === true,
  );
  // As long as a seat takes to change hands.
  await delay(20_000);
  must(readSwarm(running!.now().swarm).status.epoch === epoch, "the set changed without a quorum");
  must(
    condition(running!.now(), "QuorumAvailable")?.message.includes("spec.restoreFrom") === true,
    "it is not said any more",
  );
  return `said after ${ms} ms: ${condition(running!.now(), "QuorumAvailable")?.message}`;
});

await scenario("no lost identity signed again", async () => {
  must(lost.size > 0, "none was lost");
  const logs = machine.logs();
  const found = [...lost].flatMap(([identity, { peerKey, at }]) =>
    votesAfter(logs, peerKey, at + silenceBound).map((vote) => `${identity}: ${JSON.stringify(vote)}`),
  );
  must(found.length === 0, `${found.length} votes, first ${found[0]}`);
  return `${[...lost.keys()].join(", ")}: no vote in the logs of ${logs.size} processes`;
});

await running?.stop().catch((error: unknown) => console.log(String(error)));
if (failed > 0) console.log(`\nlogs and state: ${directory}\n${machine.output()}`);
else rmSync(directory, { recursive: true });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
