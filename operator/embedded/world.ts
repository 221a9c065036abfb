/**
 * One machine as a world for swarms: an API server, a kubelet, links between members, and the operator that runs in a
 * cluster. All in this process; validators and gateways are processes of their own.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type OperatorOptions, startOperator } from "../controller.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { systemClock } from "../kube/clock.ts";
import { leases } from "../kube/kinds.ts";
import { createMetrics, type Metrics } from "../kube/metrics.ts";
import { pathOf } from "../kube/objects.ts";
import { gatewayName, operatorName } from "../objects/names.ts";
import type { World } from "../objects/world.ts";
import { createValidators } from "../observe/follow.ts";
import { type Addresses, createAddresses } from "./addresses.ts";
import { type ApiServer, createApiServer } from "./api-server/api-server.ts";
import { developmentKeys } from "./development-keys.ts";
import { sourcesImage } from "./kubelet/images.ts";
import { type Kubelet, startKubelet } from "./kubelet/kubelet.ts";
import { createLinks, type Links } from "./links/links.ts";
import { takeLock } from "./lock.ts";
import { describeTaken, openPortBook, type PortBook } from "./port-book.ts";
import { lockOf } from "./volumes.ts";

export interface EmbeddedWorldOptions {
  /** Where everything is kept: `.swarm`. */
  readonly directory: string;
  /** First port; the others follow. */
  readonly portBase: number;
  /** Ports with a place of their own, by use (`port-book.ts`). */
  readonly fixedPorts?: Readonly<Record<string, number>>;
  /** Members dial each other without the links between, which then carry nothing. */
  readonly direct?: boolean;
  /** Programs in the place of the sources', by container. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Hears what no object tells: a sentence each. */
  readonly onProblem: (message: string) => void;
  readonly onAction?: OperatorOptions["onAction"];
}

export interface EmbeddedWorld {
  readonly directory: string;
  readonly namespace: string;
  /** A client in process; `userAgent` names the field manager of writes that name none. */
  readonly api: (userAgent: string) => ApiClient;
  /** Path of the file with which every other process of this user reaches the API server. */
  readonly kubeconfig: string;
  readonly ports: PortBook;
  readonly addresses: Addresses;
  readonly links: Links;
  /** The operator's. */
  readonly metrics: Metrics;
  /** Never resolves; rejects with a bug, or with what makes going on pointless. */
  readonly failed: Promise<never>;
  /** Ends every process and gives the directory back. Objects stay: the next world goes on with them. */
  readonly close: () => Promise<void>;
}

export type OpenedWorld =
  | { readonly kind: "open"; readonly world: EmbeddedWorld }
  /** A sentence a person can act on. Nothing is left running. */
  | { readonly kind: "failed"; readonly reason: string };

/** The only one there is. */
const namespace = "default";
/** In the range of ports that `portBase` begins: after those with a place of their own. */
const apiUse = "api server";
/** Nobody else can want it. */
const lease = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryMs: 500, stopMs: 500 };
/** Validators of the same machine are asked often: it costs little, and a swarm is up or changed sooner. */
const reporting = { statusEveryMs: 250, roundEveryMs: 1_000, retryMs: 500 };
const sources = {
  validator: join(import.meta.dirname, "../../validator/main.ts"),
  gateway: join(import.meta.dirname, "../../gateway/main.ts"),
  checkpoint: join(import.meta.dirname, "../../checkpoint/main.ts"),
};

export async function openWorld(options: EmbeddedWorldOptions): Promise<OpenedWorld> {
  const { portBase, fixedPorts = {}, direct = false, onProblem, onAction } = options;
  const programs = { ...sources, ...options.programs };
  const directory = resolve(options.directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = takeLock(lockOf(directory));
  if (lock.kind === "held")
    return failed(`Process ${lock.pid} runs the swarms of ${directory} already. Stop it, or set SWARM_DIR.`);

  const problem = Promise.withResolvers<never>();
  problem.promise.catch(() => {});
  const clock = systemClock;
  const random = Math.random;
  const opened = await createApiServer({
    directory: join(directory, "api"),
    clock,
    namespaces: [namespace],
    onFailure: (message) => problem.reject(new Error(message)),
  });
  if (opened.kind === "failed") {
    lock.release();
    return failed(opened.message);
  }
  const { server } = opened;
  const ports = openPortBook({ file: join(directory, "ports.json"), base: portBase, fixed: fixedPorts });
  ports.port(apiUse);
  const taken = describeTaken(await ports.taken([...ports.uses().keys()]), portBase);
  if (taken !== "") {
    await server.close();
    lock.release();
    return failed(taken);
  }
  const kubeconfig = join(directory, "kubeconfig");
  const listening = await server.listen({ port: ports.port(apiUse), kubeconfig });
  if (listening.kind === "failed") {
    await server.close();
    lock.release();
    return failed(listening.message);
  }

  const addresses = createAddresses(ports);
  const links = createLinks();
  let kubelet: Kubelet;
  try {
    const api = server.client("kubelet");
    const namespaces = [namespace];
    kubelet = await startKubelet({ api, clock, random, directory, namespaces, programs, addresses, links, onProblem });
  } catch (error) {
    await server.close();
    lock.release();
    return failed(`What an earlier start left cannot be ended: ${error instanceof Error ? error.message : error}.`);
  }
  server.setHooks(hooksOf(kubelet));
  kubelet.failed.catch(problem.reject);

  const stop = new AbortController();
  const api = server.client(operatorName);
  await dropLease(api);
  const metrics = createMetrics();
  const validators = createValidators({ ...reporting, clock, random, onChange: (swarm) => operator.wake(swarm) });
  const operator = startOperator({
    api,
    clock,
    random,
    scope: { kind: "cluster" },
    metrics,
    signal: stop.signal,
    identity: `operator-${randomUUID()}`,
    lease: { namespace, name: operatorName, times: lease },
    uniqueId: randomUUID,
    world: embeddedWorld(addresses, direct),
    validators,
    keys: developmentKeys(api, stop.signal),
    ...(onAction ? { onAction } : {}),
  });
  operator.done.catch(problem.reject);

  return {
    kind: "open",
    world: {
      directory,
      namespace,
      api: (userAgent) => server.client(userAgent),
      kubeconfig,
      ports,
      addresses,
      links,
      metrics,
      failed: problem.promise,
      async close() {
        stop.abort();
        await operator.done.catch(() => {});
        await validators.close();
        await kubelet.close();
        await links.close();
        await server.close();
        lock.release();
      },
    },
  };
}

const failed = (reason: string): OpenedWorld => ({ kind: "failed", reason });

/** Of an operator that was killed: nobody else can hold it, for the directory is ours. */
async function dropLease(api: ApiClient): Promise<void> {
  const path = pathOf(leases, namespace, operatorName);
  await api.request({ method: "DELETE", path, signal: new AbortController().signal, deadlineMs: 5_000 });
}

function hooksOf(kubelet: Kubelet): Parameters<ApiServer["setHooks"]>[0] {
  return {
    evict: kubelet.evict,
    async log(namespace, pod, { tailLines, follow, signal }) {
      const how = { follow, signal, ...(tailLines === undefined ? {} : { tailLines }) };
      const pieces = kubelet.logs(namespace, pod, how);
      return pieces
        ? { kind: "log", pieces }
        : { kind: "refused", message: `pod ${pod} has not run on this machine yet` };
    },
  };
}

/** Everything listens on the loopback address, on ports of its own; members dial their links. */
function embeddedWorld(addresses: Addresses, direct: boolean): World {
  const portOf = (from: string, to: string) => (direct ? addresses.pod(to).p2p : addresses.link(from, to));
  return {
    image: sourcesImage,
    bindAddress: "127.0.0.1",
    tlsSecret: () => undefined,
    trustsCallers: true,
    portsOf: addresses.pod,
    gatewayPorts: (swarm, asked) => ({
      clients: asked ?? addresses.other(gatewayName(swarm), "clients"),
      metrics: addresses.other(gatewayName(swarm), "metrics"),
    }),
    peerAddress: (from, to) => `/ip4/127.0.0.1/tcp/${portOf(from, to.identity)}`,
    rpcUrl: ({ identity }) => `http://127.0.0.1:${addresses.pod(identity).rpc}`,
  };
}
