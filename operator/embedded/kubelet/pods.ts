/**
 * Pods as processes. `reconcile` brings one pod nearer to what the API says and tells the API where it stands; it never
 * waits for a process: ends, probes and timers make the key due again. A volume is held by one pod at a time, from
 * before its process starts until after it ended.
 */
import { millionths } from "../../api/rules/quantities.ts";
import type { Clock } from "../../kube/clock.ts";
import { pods as podKind } from "../../kube/kinds.ts";
import type { ObjectKey, StoredObject } from "../../kube/objects.ts";
import type { Outcome } from "../../kube/work-queue.ts";
import { type Backoff, backoffDelay, defaultBackoff } from "../backoff.ts";
import { logTail } from "../log-tail.ts";
import { isPortFree } from "../port-book.ts";
import type { ProcessRuntime } from "../process-runtime.ts";
import { type Command, commandOf } from "./environment.ts";
import { terminated, unknownEnd } from "./exit.ts";
import { watchHealth } from "./health.ts";
import { createHolders } from "./holders.ts";
import type { ImageStore } from "./images.ts";
import { isSafeName } from "./labels.ts";
import type { KubeletLayout } from "./layout.ts";
import { type ClaimResult, clearPod, lastMessage, mount, preparePod, rewritePath, type Sources } from "./mounts.ts";
import { deletionGraceMs, type PodPlan, readPod, referencesOf } from "./pod-spec.ts";
import { isOver, podStatus } from "./pod-status.ts";
import { adoptRun, type Run } from "./run.ts";
import { troubleOf } from "./trouble.ts";
import type { Writes } from "./writes.ts";

/** What pods are made from, as the API has it now. */
export interface World {
  readonly pod: (key: ObjectKey) => StoredObject | undefined;
  readonly configMap: (namespace: string, name: string) => StoredObject | undefined;
  readonly secret: (namespace: string, name: string) => StoredObject | undefined;
  readonly claim: (namespace: string, name: string) => ClaimResult;
  /** Looks for a node unless the pod has one. */
  readonly place: (pod: StoredObject, plan: PodPlan) => Promise<Placement>;
}

export type Placement =
  | { readonly kind: "placed" }
  /** It got one now; the API says so next. */
  | { readonly kind: "asked" }
  | { readonly kind: "unschedulable"; readonly message: string }
  /** The API did not take it: try again. */
  | { readonly kind: "unavailable"; readonly message: string };

export interface PodsOptions {
  readonly world: World;
  readonly runtime: ProcessRuntime;
  readonly images: ImageStore;
  readonly layout: KubeletLayout;
  readonly writes: Writes;
  readonly clock: Clock;
  /** The pod's key is due. */
  readonly onDue: (key: ObjectKey) => void;
  /** No pod holds this claim any more. */
  readonly onReleased: (claim: ObjectKey) => void;
  readonly backoff?: Backoff;
  readonly logBytes?: number;
}

export interface Pods {
  readonly reconcile: (key: ObjectKey) => Promise<Outcome>;
  readonly isHeld: (claim: ObjectKey) => boolean;
  /** Ends every process; nothing is started any more. */
  readonly close: (graceMs?: number) => Promise<void>;
}

/** A pod whose object went without being deleted properly gets little time: somebody forced it. */
const orphanGraceMs = 2_000;
/** A bundle may be built meanwhile. */
const imageRetryMs = 5_000;
const placeRetryMs = 1_000;
const portRetryMs = 1_000;
const troubleRetryMs = 5_000;
/** Lines of the log that tell why a process failed. */
const lastWords = 4;

export function createPods(options: PodsOptions): Pods {
  const { world, runtime, images, layout, writes, clock, onDue, backoff = defaultBackoff } = options;
  /** By the pod's uid. */
  const runs = new Map<string, Run>();
  const holders = createHolders(options.onReleased);
  let closing = false;

  const stopWatching = runtime.watch((process, state) => {
    if (state.kind !== "ended") return;
    for (const run of runs.values())
      if (run.process === process && run.state.kind === "running") {
        const now = clock.wall();
        const ranFor = now - run.state.since;
        const said = run.messageFile === undefined ? "" : lastMessage(run.messageFile);
        run.lastEnd = terminated(state.exit, run.state.since, now, said, () => logTail(run.log, lastWords));
        run.failures = ranFor >= backoff.healthyMs ? 0 : run.failures + 1;
        run.state = { kind: "terminated", end: run.lastEnd };
        run.crashedAt = now;
        stopProbes(run);
        onDue(run.key);
      }
  });

  /** The pod's process is to end for good; the key is due when it has. */
  function end(run: Run, graceMs: number): void {
    if (run.ending?.over || (run.ending && run.ending.graceMs <= graceMs)) return;
    const hurried = run.ending !== undefined;
    run.ending = { graceMs, over: false };
    stopProbes(run);
    if (hurried) return hurry(run, graceMs);
    const over = () => {
      if (run.state.kind !== "terminated")
        run.state = { kind: "terminated", end: run.lastEnd ?? unknownEnd("it never ran") };
      run.ending = { graceMs, over: true };
      run.final = true;
      holders.release(run.uid);
      onDue(run.key);
    };
    if (runtime.observe(run.process) === undefined) over();
    else void runtime.remove(run.process, graceMs).then(over);
  }

  /** It is ending already, and somebody wants it sooner. */
  function hurry(run: Run, graceMs: number): void {
    clock.after(graceMs, () => {
      if (run.ending?.over === false) runtime.signal(run.process, "SIGKILL");
    });
  }

  /** Ends what runs under this key for another pod; says whether nothing of it is left. */
  function endStrangers(key: ObjectKey, uid: string | undefined): boolean {
    const strangers = [...runs.values()].filter((run) => run.key === key && run.uid !== uid);
    for (const run of strangers) {
      end(run, run.ending?.graceMs ?? orphanGraceMs);
      if (run.ending?.over) runs.delete(run.uid);
    }
    return strangers.every((run) => run.ending?.over);
  }

  async function reconcile(key: ObjectKey): Promise<Outcome> {
    if (closing) return { kind: "done" };
    const pod = world.pod(key);
    const alone = endStrangers(key, pod?.metadata.uid);
    if (!pod) {
      const [namespace = "", name = ""] = key.split("/");
      if (alone && isSafeName(name)) clearPod(layout.podOf(namespace, name));
      return { kind: "done" };
    }
    const deleting = pod.metadata.deletionTimestamp !== undefined;
    const run = runs.get(pod.metadata.uid) ?? adoptRun(pod, layout.logOf(pod));
    runs.set(run.uid, run);

    const afterMs = deleting || isFinal(run) ? 0 : await tryAdvance(pod, run, alone);
    if (deleting) end(run, graceOf(pod));
    // The last word of this kubelet is that the pod runs: the next one runs it again.
    if (closing) return { kind: "done" };
    const told = await tell(pod, run);
    if (told !== "told") return { kind: told === "gone" ? "done" : "retry" };
    if (deleting && run.ending?.over && !run.removed) return farewell(pod, run);
    return afterMs > 0 ? { kind: "again", afterMs } : { kind: "done" };
  }

  /** The pod's last step: the API knows how it ended, and learns that nothing is left of it. */
  async function farewell(pod: StoredObject, run: Run): Promise<Outcome> {
    clearPod(layout.podOf(pod.metadata.namespace ?? "", pod.metadata.name));
    const removed = await writes.remove(podKind, pod, 0);
    if (removed.kind === "unavailable") return { kind: "retry" };
    run.removed = true;
    return { kind: "done" };
  }

  /** A machine that refuses (no space, no files) makes the pod wait and say why. */
  async function tryAdvance(pod: StoredObject, run: Run, alone: boolean): Promise<number> {
    try {
      return await advance(pod, run, alone);
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === undefined) throw error;
      if (run.state.kind === "running" && run.state.pid === 0)
        run.state = { kind: "waiting", reason: "RunContainerError", message: trouble };
      return wait(run, "RunContainerError", trouble, troubleRetryMs);
    }
  }

  /** One step towards running. Returns when to look again, ms; 0: when something changes. */
  async function advance(pod: StoredObject, run: Run, alone: boolean): Promise<number> {
    const reading = readPod(pod);
    if (reading.kind === "invalid") return wait(run, "CreateContainerConfigError", reading.message);
    const { plan } = reading;
    const { namespace = "", name, uid } = pod.metadata;
    const files = layout.podOf(namespace, name);
    const sources = sourcesOf(namespace);
    if (run.state.kind === "running") {
      const mounted = mount(plan, files, sources);
      if (mounted.kind === "missing" && mounted.lost) kill(run);
      return 0;
    }

    const placed = await world.place(pod, plan);
    run.unscheduled = placed.kind === "placed" ? "" : placed.kind === "asked" ? "being placed" : placed.message;
    if (placed.kind !== "placed")
      return wait(run, "ContainerCreating", "it has no node yet", placed.kind === "unavailable" ? placeRetryMs : 0);
    if (!alone) return wait(run, "ContainerCreating", "an earlier pod of this name is still ending");
    if (run.crashedAt !== undefined) {
      const total = backoffDelay(backoff, run.failures);
      const patience = run.crashedAt + total - clock.wall();
      if (patience > 0) return wait(run, "CrashLoopBackOff", `back-off ${total} ms after its last end`, patience);
    }

    const image = images.find(plan.container.image, plan.container.name);
    if (image.kind === "absent") return wait(run, image.reason, image.message, imageRetryMs);
    run.imageId = image.id;
    // What ended is forgotten only now: until here its name kept others from it.
    await runtime.remove(run.process);
    const occupied = await occupiedPort(plan);
    if (occupied !== undefined)
      return wait(run, "RunContainerError", `port ${occupied} is taken by another program`, portRetryMs);

    // The world moved on meanwhile. From here to the start nothing is waited for: what is true now stays true.
    const now = world.pod(run.key);
    if (closing || run.ending || now?.metadata.uid !== uid || now.metadata.deletionTimestamp !== undefined) return 0;
    preparePod(files, uid);
    const mounted = mount(plan, files, sources);
    if (mounted.kind === "missing") return wait(run, "ContainerCreating", mounted.message);
    const command = commandOf(pod, plan, files.root, sources);
    if (command.kind === "missing") return wait(run, "CreateContainerConfigError", command.message);
    const taken = holders.take(uid, referencesOf(pod).claims);
    if (taken !== undefined) return wait(run, "ContainerCreating", `another pod is on the volume ${taken}`);
    start(run, plan, image.program, files.root, command.command);
    return 0;
  }

  function start(run: Run, { container }: PodPlan, program: string, directory: string, command: Command): void {
    if (run.crashedAt !== undefined) run.restarts++;
    run.crashedAt = undefined;
    run.state = { kind: "running", pid: 0, since: clock.wall() };
    const said = container.terminationMessagePath;
    const memory = millionths(container.resources?.limits?.memory ?? "");
    run.messageFile = said === undefined ? undefined : rewritePath(said, container, directory);
    runtime.create({
      name: run.process,
      program,
      ...command,
      directory,
      logFile: run.log,
      restart: false,
      ...(memory === undefined ? {} : { memoryBytes: Number(memory / 1_000_000n) }),
      ...(options.logBytes === undefined ? {} : { logBytes: options.logBytes }),
    });
    const process = runtime.observe(run.process);
    // Without a pid there was nothing to run, and its end will be heard.
    if (process?.kind !== "running") return;
    run.state = { kind: "running", pid: process.pid, since: process.since };
    run.ready = container.readinessProbe === undefined;
    run.unreadyWhy = "";
    run.probes = watchHealth(container, clock, {
      onReady: (ready, why) => {
        run.ready = ready;
        run.unreadyWhy = ready ? "" : why;
        onDue(run.key);
      },
      onDead: () => kill(run),
    });
  }

  /** Lets the pod wait. While it backs off it keeps its volumes; waiting for anything else it does not. */
  function wait(run: Run, reason: string, message: string, afterMs = 0): number {
    if (run.state.kind === "running") return 0;
    run.state = { kind: "waiting", reason, message };
    if (reason !== "CrashLoopBackOff") holders.release(run.uid);
    return afterMs;
  }

  function isFinal(run: Run): boolean {
    if (run.state.kind !== "terminated") return false;
    const pod = world.pod(run.key);
    const reading = pod && readPod(pod);
    const policy = reading?.kind === "pod" ? reading.plan.restartPolicy : "Never";
    const final =
      isOver(pod?.["status"]) || policy === "Never" || (policy === "OnFailure" && run.state.end.exitCode === 0);
    if (final) holders.release(run.uid);
    run.final ||= final;
    return final;
  }

  /** Ends the process at once; the restart policy goes on. */
  function kill(run: Run): void {
    if (run.state.kind === "running") runtime.signal(run.process, "SIGKILL");
  }

  function stopProbes(run: Run): void {
    for (const { stop } of run.probes) stop();
    run.probes = [];
    run.ready = false;
    run.unreadyWhy = "";
  }

  function sourcesOf(namespace: string): Sources {
    return {
      configMap: (name) => world.configMap(namespace, name),
      secret: (name) => world.secret(namespace, name),
      claim: (name) => world.claim(namespace, name),
    };
  }

  async function tell(pod: StoredObject, run: Run): Promise<"told" | "gone" | "later"> {
    const reading = readPod(pod);
    const { name, image } = reading.kind === "pod" ? reading.plan.container : { name: "", image: "" };
    const facts = {
      ...run,
      containerName: name,
      image,
      lastEnd: run.state.kind === "terminated" ? undefined : run.lastEnd,
    };
    const status = podStatus(facts, run.told ?? pod["status"], clock.wall());
    if (run.told && JSON.stringify(run.told) === JSON.stringify(status)) return "told";
    const written = await writes.status(podKind, pod, status);
    if (written.kind === "unavailable") return "later";
    if (written.kind === "written") run.told = status;
    return written.kind === "gone" ? "gone" : "told";
  }

  return {
    reconcile,
    isHeld: (claim) => holders.holder(claim) !== undefined,
    async close(graceMs) {
      closing = true;
      stopWatching();
      for (const run of runs.values()) stopProbes(run);
      await runtime.close(graceMs);
    },
  };
}

function graceOf(pod: StoredObject): number {
  const reading = readPod(pod);
  return reading.kind === "pod" ? deletionGraceMs(pod, reading.plan) : orphanGraceMs;
}

/** Told before the process starts, so that it need not crash to say so. */
async function occupiedPort({ container }: PodPlan): Promise<string | undefined> {
  // One port may have two names.
  const numbers = [...new Set(container.ports.map(({ containerPort }) => containerPort))];
  const free = await Promise.all(numbers.map(isPortFree));
  const taken = container.ports.find(({ containerPort }) => free[numbers.indexOf(containerPort)] === false);
  return taken && `${taken.containerPort}${taken.name === undefined ? "" : ` (${taken.name})`}`;
}
