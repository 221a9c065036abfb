/**
 * The API server that commands talk to. As kubectl finds it, and before the user's own configuration that of a swarm
 * that runs on this machine.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { swarmDirectory } from "../operator/embedded/volumes.ts";
import { type ApiClient, createApiClient } from "../operator/kube/api-client.ts";
import { systemClock } from "../operator/kube/clock.ts";
import { type ExitCode, exitCodes } from "./exit.ts";

/** Which API server, as the command line says. */
export interface WorldOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

/** One API server, and where in it commands look. */
export interface World {
  readonly api: ApiClient;
  readonly namespace: string;
  /** For messages: address and file. */
  readonly name: string;
  /** A swarm of this machine: what it listens on can be reached from here. */
  readonly embedded: boolean;
}

export type FoundWorld =
  | { readonly kind: "found"; readonly world: World }
  /** A sentence. */
  | { readonly kind: "none"; readonly code: ExitCode; readonly reason: string };

/** `plugin`: run by kubectl, whose cluster it then is; a swarm of this machine has to be named. */
export function openWorld(options: WorldOptions, plugin: boolean): FoundWorld {
  const none = (reason: string): FoundWorld => ({ kind: "none", code: exitCodes.usage, reason });
  const found = locate(options.kubeconfig, plugin);
  if (found === undefined)
    return {
      kind: "none",
      code: exitCodes.unreachable,
      reason: `There is no swarm on this machine and no kubeconfig. Start one with npm start, or name a cluster with --kubeconfig FILE.`,
    };
  const config = new KubeConfig();
  try {
    found.load(config);
  } catch (error) {
    return none(`${found.from} cannot be read: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
  if (options.context !== undefined) {
    if (!config.getContextObject(options.context)) {
      const names = config.getContexts().map(({ name }) => name);
      return none(`${found.from} has no context ${options.context}. It has: ${names.join(", ") || "none"}.`);
    }
    config.setCurrentContext(options.context);
  }
  const cluster = config.getCurrentCluster();
  if (!cluster) return none(`${found.from} names no current cluster. Choose one with --context NAME.`);
  if (found.lyingAround && !isOfThisMachine(config))
    return none(
      `${found.from} is none that a swarm of this machine leaves: it runs a program or leads elsewhere. Name it with --kubeconfig if it is meant.`,
    );
  const namespace =
    options.namespace ?? (config.getContextObject(config.getCurrentContext())?.namespace || undefined) ?? "default";
  return {
    kind: "found",
    world: {
      api: createApiClient({ config, clock: systemClock, userAgent: "swarm" }),
      namespace,
      name: `${cluster.server} (${found.from})`,
      embedded: found.embedded,
    },
  };
}

/** A folder that came from somebody else may hold such a file too: nothing of it is run, and no other machine is asked. */
function isOfThisMachine(config: KubeConfig): boolean {
  const user = config.getCurrentUser();
  const cluster = config.getCurrentCluster();
  const host = URL.parse(cluster?.server ?? "")?.hostname ?? "";
  const runs = user?.exec !== undefined || user?.authProvider !== undefined;
  return ["127.0.0.1", "[::1]", "localhost"].includes(host) && !runs && cluster?.proxyUrl === undefined;
}

interface Location {
  readonly from: string;
  readonly embedded: boolean;
  /** Nobody named it. */
  readonly lyingAround?: boolean;
  /** Throws when it cannot be read. */
  readonly load: (config: KubeConfig) => void;
}

function locate(asked: string | undefined, plugin: boolean): Location | undefined {
  const ours = resolve(swarmDirectory(), "kubeconfig");
  const file = (path: string): Location => ({
    from: path,
    embedded: resolve(path) === ours,
    load: (config) => config.loadFromFile(path),
  });
  if (asked !== undefined) return file(asked);
  const listed = process.env["KUBECONFIG"] ?? "";
  if (listed !== "")
    return {
      from: `KUBECONFIG ${listed}`,
      embedded: resolve(listed) === ours,
      load: (config) => config.loadFromDefault(),
    };
  if (!plugin && existsSync(ours)) return { ...file(ours), lyingAround: true };
  const users = join(homedir(), ".kube", "config");
  if (existsSync(users)) return file(users);
  // Inside a pod.
  if ((process.env["KUBERNETES_SERVICE_HOST"] ?? "") !== "")
    return { from: "the pod's service account", embedded: false, load: (config) => config.loadFromCluster() };
  return undefined;
}
