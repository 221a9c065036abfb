/** A swarm on one machine for programs that drive it: measured, disturbed, looked at. `npm start` is for people. */
import { watch } from "node:fs";
import { join } from "node:path";
import type { ValidatorSwarm } from "../api/validator-swarm.ts";
import { applyManifest } from "../apply-manifest.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { secrets, validatorSwarms } from "../kube/kinds.ts";
import { pathOf, textAt } from "../kube/objects.ts";
import { institutionKeys, operatorKeySecret } from "../objects/names.ts";
import { awaitReady } from "./bring-up.ts";
import { kubeletLayout } from "./kubelet/layout.ts";
import { readIdentity } from "./leftovers.ts";
import { isAlive } from "./process-identity.ts";
import { openSwarmView, type SwarmView } from "./swarm-view.ts";
import { type EmbeddedWorld, openWorld } from "./world.ts";

export interface Fleet {
  readonly world: EmbeddedWorld;
  readonly view: SwarmView;
  /** The swarm as its status says, with every condition. */
  readonly status: ReturnType<typeof openSwarmView>["status"];
  /** Called after anything changed in the API. */
  readonly watch: ReturnType<typeof openSwarmView>["watch"];
  /** Pid of a pod's process; undefined while it has none. */
  readonly pidOf: (pod: string) => number | undefined;
  /** Ends these processes without a word, and suspends those that take their place until the result is called. */
  readonly hold: (pods: readonly string[]) => () => void;
  /** Changes the spec, as a merge patch. */
  readonly change: (spec: Readonly<Record<string, unknown>>) => Promise<void>;
  /** ed25519 seeds of institutions that bring no key, by BIC, hexadecimal; of the operator, "". */
  readonly seeds: () => Promise<ReadonlyMap<string, string>>;
  readonly close: () => Promise<void>;
}

export type FleetResult =
  | { readonly kind: "running"; readonly fleet: Fleet }
  /** A sentence, and where the logs are. Nothing is left running. */
  | { readonly kind: "failed"; readonly reason: string; readonly logs: string };

export interface FleetOptions {
  readonly portBase: number;
  readonly directory: string;
  /** Members dial each other without links between: what is measured is theirs alone. */
  readonly direct?: boolean;
  /** Programs in the place of the sources', by container. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Called before the swarm is applied: makes what it needs, such as Secrets. */
  readonly prepare?: (world: EmbeddedWorld) => Promise<void>;
  readonly signal: AbortSignal;
}

const deadlineMs = 10_000;

/** Resolves when every seat votes and the gateway, if there is one, takes files. */
export async function startFleet(swarm: ValidatorSwarm, options: FleetOptions): Promise<FleetResult> {
  const { portBase, directory, direct = false, programs = {}, signal } = options;
  const { name } = swarm.metadata;
  const problems: string[] = [];
  const onProblem = (message: string) => void problems.push(message);
  const opened = await openWorld({ directory, portBase, direct, programs, onProblem });
  if (opened.kind === "failed") return { kind: "failed", reason: opened.reason, logs: directory };
  const { world } = opened;
  const { namespace } = world;
  const api = world.api("fleet");
  const seen = openSwarmView({ api, namespace, swarm, directory, console: "http://127.0.0.1:0" });
  const close = async () => {
    await seen.close();
    await world.close();
  };
  const failed = async (reason: string): Promise<FleetResult> => {
    const { logs } = seen.view.layout;
    await close();
    return { kind: "failed", reason: [reason, ...problems].join(" "), logs };
  };
  const { apiVersion, kind, metadata, spec } = swarm;
  const document = JSON.stringify({ apiVersion, kind, metadata, spec });
  await options.prepare?.(world);
  const applied = await applyManifest(api, namespace, name, document, signal);
  if (applied.kind === "refused") return failed(applied.problems.join(" "));
  const ready = await Promise.race([awaitReady(seen, () => {}, signal), world.failed]);
  if (ready.kind === "failed") return failed(ready.reason);

  const { run } = kubeletLayout(directory);
  const fileOf = (pod: string) => join(run, `${namespace}.${pod}.pid`);
  const path = pathOf(validatorSwarms, namespace, name);
  return {
    kind: "running",
    fleet: {
      world,
      view: seen.view,
      status: seen.status,
      watch: seen.watch,
      pidOf: (pod) => {
        const identity = readIdentity(fileOf(pod));
        return identity && isAlive(identity) ? identity.pid : undefined;
      },
      hold: (pods) => holdDown(run, pods.map(fileOf)),
      async change(patch) {
        const body = { type: "application/merge-patch+json", value: { spec: patch } } as const;
        const answer = await api.request({ method: "PATCH", path, body, signal, deadlineMs });
        if (answer.kind === "failed") throw new Error(answer.failure.message);
      },
      async seeds() {
        const [institutions, own] = await Promise.all(
          [institutionKeys(name), operatorKeySecret(name)].map((secret) => readSecret(api, namespace, secret)),
        );
        const bics = Object.entries(institutions ?? {}).map(
          ([file, seed]) => [file.replace(/\.hex$/, ""), seed] as const,
        );
        return new Map([...bics, ["", own?.["key"] ?? ""]]);
      },
      close,
    },
  };
}

function holdDown(run: string, files: readonly string[]): () => void {
  const alive = (file: string) => {
    const identity = readIdentity(file);
    return identity && isAlive(identity) ? identity.pid : undefined;
  };
  const killed = new Map(files.map((file) => [file, alive(file)]));
  for (const pid of killed.values()) if (pid !== undefined) process.kill(pid, "SIGKILL");
  const suspended = new Set<number>();
  const watcher = watch(run, () => {
    for (const [file, dead] of killed) {
      const pid = alive(file);
      if (pid === undefined || pid === dead || suspended.has(pid)) continue;
      suspended.add(pid);
      process.kill(pid, "SIGSTOP");
    }
  });
  return () => {
    watcher.close();
    for (const file of files) {
      const pid = alive(file);
      if (pid !== undefined && suspended.has(pid)) process.kill(pid, "SIGCONT");
    }
  };
}

async function readSecret(api: ApiClient, namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
  const { signal } = new AbortController();
  const answer = await api.request({ method: "GET", path: pathOf(secrets, namespace, name), signal, deadlineMs });
  if (answer.kind === "failed") return {};
  const { data } = answer.body;
  const keys = typeof data === "object" && data !== null ? Object.keys(data) : [];
  return Object.fromEntries(keys.map((key) => [key, Buffer.from(textAt(data, key), "base64").toString("utf8").trim()]));
}
