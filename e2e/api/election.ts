/**
 * Two operators as processes: whoever leads is killed, suspended, asked to stop or loses its server. The proof that
 * they never lead at once is the server's own history of one object: no writer comes back after another has written.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../operator/kube/clock.ts";
import { configMaps } from "../../operator/kube/kinds.ts";
import { startListWatch } from "../../operator/kube/list-watch.ts";
import { textAt } from "../../operator/kube/objects.ts";
import { contest } from "./contest.ts";
import { bodyOf, must, reached, type Suite } from "./suite.ts";

const takeoverMs = 30_000;

interface Contender {
  readonly name: string;
  readonly process: ChildProcess;
  /** The last thing it said about the election. */
  readonly state: () => string;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

/** Who wrote the object, in the server's order; a run of one writer is one entry. */
interface History {
  readonly writers: readonly string[];
  readonly writes: () => number;
  readonly stop: () => Promise<void>;
}

export async function election(suite: Suite): Promise<void> {
  const history = await record(suite);
  let [leader, follower] = [start(suite, "a"), start(suite, "b")];
  const settle = async (among: readonly Contender[]) => {
    await reached("one leads", takeoverMs, () => among.filter(leads).length === 1);
    const [first] = among.filter(leads);
    if (!first) throw new Error("nobody leads");
    await reached(`${first.name} writes`, takeoverMs, () => history.writers.at(-1) === first.name);
    return first;
  };
  try {
    await suite.scenario("two operators: one leads, the other waits", async () => {
      const first = await settle([leader, follower]);
      if (first === follower) [leader, follower] = [follower, leader];
      await wrote(history, 20);
      must(history.writers.length === 1, `writers ${history.writers.join(" ")}`);
      return `${leader.name} wrote ${history.writes()} times, ${follower.name} none`;
    });
    await suite.scenario("kill -9 of the leader: the other takes over after the lease", async () => {
      const took: number[] = [];
      for (const next of ["c", "d", "e"]) {
        await wrote(history, 20);
        const killed = performance.now();
        await leader.kill("SIGKILL");
        leader = await settle([follower]);
        took.push(Math.round(performance.now() - killed));
        follower = start(suite, next);
        await reached(`${next} waits`, takeoverMs, () => follower.state() === "following");
      }
      const early = took.filter((ms) => ms < contest.times.leaseDurationMs - contest.times.renewDeadlineMs);
      must(early.length === 0, `took over after ${early} ms: before the lease can have run out`);
      noReturn(history);
      return `first write of the next after ${took.join(", ")} ms with a lease of ${contest.times.leaseDurationMs} ms`;
    });
    await suite.scenario("SIGTERM to the leader: the lease is given back at once", async () => {
      const asked = performance.now();
      await leader.kill("SIGTERM");
      leader = await settle([follower]);
      const ms = Math.round(performance.now() - asked);
      must(ms < contest.times.leaseDurationMs, `${ms} ms`);
      noReturn(history);
      follower = start(suite, "f");
      await reached("f waits", takeoverMs, () => follower.state() === "following");
      return `handed over in ${ms} ms`;
    });
    await suite.scenario("a leader that was suspended does nothing when it wakes up", async () => {
      await wrote(history, 20);
      const suspended = leader;
      suspended.process.kill("SIGSTOP");
      leader = await settle([follower]);
      suspended.process.kill("SIGCONT");
      await reached("it knows", takeoverMs, () => suspended.state() === "following");
      await wrote(history, 20);
      noReturn(history);
      follower = suspended;
      return `${suspended.name} slept, ${leader.name} leads, writers ${history.writers.join(" ")}`;
    });
    await suite.scenario("kill -9 of the API server: no leader without it, one again after it", async () => {
      await suite.plane.killApiServer();
      await reached("nobody leads", takeoverMs, () => ![leader, follower].some(leads));
      const before = history.writes();
      await suite.plane.startApiServer();
      await settle([leader, follower]);
      await reached("20 more writes", takeoverMs, () => history.writes() >= before + 20);
      return `writers ${history.writers.join(" ")}`;
    });
  } finally {
    for (const each of [leader, follower]) await each.kill("SIGKILL");
    await history.stop();
  }
}

const leads = (contender: Contender) => contender.state() === "leading";

function start(suite: Suite, name: string): Contender {
  const child = spawn(process.execPath, [join(import.meta.dirname, "contender.ts"), name], {
    env: { ...process.env, KUBECONFIG: suite.plane.kubeconfig },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let state = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (/^(leading|following|stopped|end)/.test(line)) state = line.split(" ")[0] ?? "";
  });
  const closed = once(child, "close");
  // A parent that dies with an error takes its contenders with it.
  const onExit = () => void child.kill("SIGKILL");
  process.once("exit", onExit);
  return {
    name,
    process: child,
    state: () => state,
    async kill(signal) {
      child.kill(signal);
      await closed;
      process.removeListener("exit", onExit);
    },
  };
}

async function record(suite: Suite): Promise<History> {
  const stop = new AbortController();
  const writers: string[] = [];
  let writes = 0;
  bodyOf(
    await suite.create(configMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: contest.object, namespace: contest.namespace, labels: { [contest.label]: "" } },
    }),
  );
  const listWatch = startListWatch({
    api: suite.client("history"),
    selection: { kind: configMaps, namespace: contest.namespace, labelSelector: contest.label },
    clock: systemClock,
    random: Math.random,
    signal: stop.signal,
    onChange: ({ object }) => {
      const by = textAt(object["data"], "by");
      if (by === "") return;
      writes++;
      if (writers.at(-1) !== by) writers.push(by);
    },
  });
  await listWatch.synced;
  return {
    writers,
    writes: () => writes,
    async stop() {
      stop.abort();
      await listWatch.done;
    },
  };
}

async function wrote(history: History, more: number): Promise<void> {
  const before = history.writes();
  await reached(`${more} more writes`, takeoverMs, () => history.writes() >= before + more);
}

/** Every writer has one run: nobody wrote again after somebody else had. */
function noReturn({ writers }: History): void {
  must(new Set(writers).size === writers.length, `writers took turns: ${writers.join(" ")}`);
}
