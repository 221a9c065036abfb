/** One machine with `npm start` on it, as a scenario drives it: started, killed at any moment, started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { KubeConfig } from "@kubernetes/client-node";
import { parse, stringify } from "yaml";
import { readIdentity } from "../../operator/embedded/leftovers.ts";
import { type ApiClient, createApiClient } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { persistentVolumeClaims, pods, validatorSwarms } from "../../operator/kube/kinds.ts";
import { type ListWatch, startListWatch } from "../../operator/kube/list-watch.ts";
import { type Kind, type KubeObject, pathOf, type StoredObject } from "../../operator/kube/objects.ts";

export const swarm = "quickstart";
export const namespace = "default";
const root = join(import.meta.dirname, "../..");

/** What the API server shows now. */
export interface Seen {
  readonly swarm: StoredObject | undefined;
  readonly pods: readonly StoredObject[];
  readonly volumes: readonly StoredObject[];
}

/** A running `npm start`, and a look at its API server. */
export interface Running {
  readonly api: ApiClient;
  readonly now: () => Seen;
  /** Resolves, with the milliseconds it took, as soon as it holds; rejects with what is seen after `ms`. */
  readonly until: (what: string, ms: number, holds: (seen: Seen) => boolean) => Promise<number>;
  readonly change: (spec: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly create: (kind: Kind, object: KubeObject) => Promise<void>;
  readonly remove: () => Promise<void>;
  /** SIGKILL: neither it nor its children get to say anything. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; the exit code. */
  readonly stop: () => Promise<number | null>;
}

export interface Machine {
  readonly directory: string;
  /** Without waiting for anything: to be killed at any moment. */
  readonly launch: () => ChildProcess;
  readonly start: () => Promise<Running>;
  /** Pid of a pod's process; undefined while it has none. */
  readonly pidOf: (pod: string) => number | undefined;
  readonly volumeOf: (identity: string) => string;
  /** Every line of every validator's log, this and the one before it, by identity. */
  readonly logs: () => ReadonlyMap<string, readonly string[]>;
  readonly output: () => string;
}

/** `directory` is `.swarm`; the manifest is the quickstart with every received vote in the logs. */
export function createMachine(directory: string, portBase: number): Machine {
  const manifest = `${directory}.yaml`;
  const document = parse(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
  document.spec.monitoring = { ...document.spec.monitoring, logLevel: "trace" };
  writeFileSync(manifest, stringify(document));
  let output = "";

  function launch(): ChildProcess {
    const args = [join(root, "operator/start.ts"), "--no-sample", "--port-base", String(portBase), "--file", manifest];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, SWARM_DIR: directory },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (piece: Buffer) => {
        output = (output + piece.toString()).slice(-20_000);
      });
    return child;
  }

  const logsAt = join(directory, swarm, "logs");
  return {
    directory,
    launch,
    output: () => output,
    pidOf: (pod) => readIdentity(join(directory, "run", `${namespace}.${pod}.pid`))?.pid,
    volumeOf: (identity) => join(directory, swarm, "volumes", identity),
    logs() {
      const files = existsSync(logsAt)
        ? readdirSync(logsAt)
            .filter((file) => /\.log(\.1)?$/.test(file))
            .sort()
            .reverse()
        : [];
      const lines = new Map<string, string[]>();
      for (const file of files) {
        const identity = file.replace(/\.log(\.1)?$/, "");
        lines.set(identity, [...(lines.get(identity) ?? []), ...readFileSync(join(logsAt, file), "utf8").split("\n")]);
      }
      return lines;
    },
    async start() {
      const kubeconfig = join(directory, "kubeconfig");
      // Written anew at every start.
      rmSync(kubeconfig, { force: true });
      const child = launch();
      for (const late = AbortSignal.timeout(30_000); !existsSync(kubeconfig); await delay(10)) {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
        late.throwIfAborted();
      }
      return follow(child, kubeconfig);
    },
  };
}

function follow(child: ChildProcess, kubeconfig: string): Running {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const api = createApiClient({ config, clock: systemClock, userAgent: "e2e" });
  const leave = new AbortController();
  const { signal } = leave;
  const looks = new Set<() => void>();
  const watch = (kind: Kind): ListWatch =>
    startListWatch({
      api,
      selection: { kind, namespace },
      clock: systemClock,
      random: Math.random,
      signal,
      onChange: () => {
        for (const look of [...looks]) look();
      },
    });
  const [swarms, podList, volumes] = [watch(validatorSwarms), watch(pods), watch(persistentVolumeClaims)];
  const now = (): Seen => ({
    swarm: swarms.store.get(`${namespace}/${swarm}`),
    pods: podList.store.list(),
    volumes: volumes.store.list(),
  });
  const path = pathOf(validatorSwarms, namespace, swarm);

  async function end(how: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    leave.abort();
    api.close();
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it had ended by itself: ${child.exitCode}`);
    const ended = once(child, "exit");
    child.kill(how);
    await ended;
    return child.exitCode;
  }

  async function send(request: Parameters<ApiClient["request"]>[0]): Promise<void> {
    const answer = await api.request(request);
    if (answer.kind === "failed") throw new Error(`${request.method} ${request.path}: ${answer.failure.message}`);
  }

  return {
    api,
    now,
    async until(what, ms, holds) {
      const started = performance.now();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        if (holds(now())) resolve();
      };
      looks.add(look);
      const timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}. ${describe(now())}`)), ms);
      look();
      await promise.finally(() => {
        clearTimeout(timer);
        looks.delete(look);
      });
      return Math.round(performance.now() - started);
    },
    change: (spec) =>
      send({
        method: "PATCH",
        path,
        body: { type: "application/merge-patch+json", value: { spec } },
        signal,
        deadlineMs: 10_000,
      }),
    create: (kind, object) =>
      send({
        method: "POST",
        path: pathOf(kind, namespace),
        body: { type: "application/json", value: object },
        signal,
        deadlineMs: 10_000,
      }),
    remove: () => send({ method: "DELETE", path, signal, deadlineMs: 10_000 }),
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
  };
}

/** What stands in the way, for the message of a scenario that waits in vain. */
function describe({ swarm: object, pods: all }: Seen): string {
  const { status } = readSwarm(object);
  const conditions = status.conditions.map(
    ({ type, status: is, reason, message }) => `${type} ${is} ${reason}: ${message}`,
  );
  const seats = status.seats.map(({ identity, power, voting }) => `${identity} ${power} ${voting}`);
  return [...conditions, ...seats, ...all.map(({ metadata }) => metadata.name)].join("\n        ");
}

export interface SwarmView {
  readonly generation: number;
  readonly replicas: number;
  readonly status: {
    readonly observedGeneration: number;
    readonly epoch: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
    readonly seats: readonly {
      readonly name: string;
      readonly identity: string;
      readonly generation: number;
      readonly power: number;
      readonly role: string;
      readonly voting: string;
    }[];
  };
}

/** The swarm's object as a scenario reads it; without one, empty. */
export function readSwarm(object: StoredObject | undefined): SwarmView {
  const { metadata, spec, status } = (object ?? {}) as {
    metadata?: { generation?: number };
    spec?: { replicas?: number };
    status?: SwarmView["status"];
  };
  return {
    generation: metadata?.generation ?? 0,
    replicas: spec?.replicas ?? 0,
    status: { ...{ observedGeneration: 0, epoch: 0, conditions: [], seats: [] }, ...status },
  };
}

/** As the spec asks, every seat votes, and nothing is left to do. */
export function isSettled({ swarm: object, pods: all, volumes }: Seen): boolean {
  const { generation, replicas, status } = readSwarm(object);
  const is = (type: string, value: string) =>
    status.conditions.some((each) => each.type === type && each.status === value);
  const validators = all.filter(({ metadata }) => metadata.labels?.["app.kubernetes.io/component"] === "validator");
  return (
    status.observedGeneration === generation &&
    is("Ready", "True") &&
    is("Progressing", "False") &&
    [status.seats, validators, volumes].every(({ length }) => length === replicas)
  );
}
