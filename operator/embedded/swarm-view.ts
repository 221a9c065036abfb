/**
 * A swarm of this machine as a person watches it: its seats as the API has them, and what their validators say of
 * themselves right now. Seats come and go.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { readStatus, type ValidatorSwarmStatus } from "../api/status.ts";
import { checkValidatorSwarm, type ValidatorSwarm } from "../api/validator-swarm.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { systemClock } from "../kube/clock.ts";
import { configMaps, pods, validatorSwarms } from "../kube/kinds.ts";
import { arrayAt, isRecord, numberAt, type StoredObject, textAt } from "../kube/objects.ts";
import { startWatched } from "../kube/watched.ts";
import { genesisName, swarmOf } from "../objects/names.ts";
import { portAddress } from "../objects/pod.ts";
import { createFleetState, type FleetState } from "./fleet-state.ts";
import type { Seat } from "./seats.ts";
import { linkValidator, type ValidatorLink } from "./validator-link.ts";
import { createLayout, type SwarmLayout, swarmLayout } from "./volumes.ts";

/** What the page, the terminal and the samples need of a swarm. Everything is of now. */
export interface SwarmView {
  readonly swarm: ValidatorSwarm;
  readonly layout: SwarmLayout;
  readonly endpoints: Endpoints;
  /** By region, then by number. */
  readonly seats: readonly Seat[];
  /** To the validators that hold a seat, in the order of `seats`. */
  readonly links: readonly ValidatorLink[];
  readonly state: FleetState;
}

/** Where the swarm's services listen: of pods that have an address. */
export interface Endpoints {
  /** Hexadecimal; empty before genesis. */
  readonly chainId: string;
  /** URLs. */
  readonly gateway: string;
  readonly console: string;
  readonly seats: readonly {
    readonly seat: string;
    readonly identity: string;
    readonly region: string;
    readonly rpc: string;
    readonly metrics: string;
  }[];
}

/** A process that ended by itself. */
export interface Crash {
  readonly pod: string;
  /** `SIGKILL`, or `exit code 1`. */
  readonly how: string;
  /** Starts so far, after the first. */
  readonly restarts: number;
}

export interface OpenedView {
  readonly view: SwarmView;
  readonly status: () => ValidatorSwarmStatus | undefined;
  /** Names of the pods there are. */
  readonly pods: () => readonly string[];
  /** The gateway takes files, or none is asked for. */
  readonly gatewayReady: () => boolean;
  /** Called after anything changed in the API. */
  readonly watch: (listener: () => void) => () => void;
  readonly onCrash: (listener: (crash: Crash) => void) => () => void;
  readonly close: () => Promise<void>;
}

export interface ViewOptions {
  readonly api: ApiClient;
  readonly namespace: string;
  readonly swarm: ValidatorSwarm;
  /** `.swarm`. */
  readonly directory: string;
  /** URL of the page. */
  readonly console: string;
}

interface Linked {
  readonly link: ValidatorLink;
  readonly seat: string;
}

export function openSwarmView(options: ViewOptions): OpenedView {
  const { api, namespace, directory } = options;
  const { name } = options.swarm.metadata;
  const key = `${namespace}/${name}`;
  const layout = swarmLayout(name, directory);
  createLayout(layout);
  const leave = new AbortController();
  const listeners = new Set<() => void>();
  const crashListeners = new Set<(crash: Crash) => void>();
  const restarts = new Map<string, number>();
  const links = new Map<string, Linked>();
  const closings = new Set<Promise<void>>();
  const state = createFleetState([]);
  let { swarm } = options;
  let status: ValidatorSwarmStatus | undefined;
  let seats: readonly Seat[] = [];
  let dirty = false;

  const watched = startWatched({
    api,
    clock: systemClock,
    random: Math.random,
    scope: { kind: "namespaces", namespaces: [namespace] },
    kinds: [validatorSwarms, pods, configMaps].map((kind) => ({ kind, keys: () => [kind.plural] })),
    signal: leave.signal,
    onObservation: () => {},
    onKey() {
      // Once for everything that changes in one turn.
      if (dirty) return;
      dirty = true;
      queueMicrotask(() => {
        dirty = false;
        if (!leave.signal.aborted) look();
      });
    },
  });
  const { objects } = watched;
  const ownPods = () =>
    objects.list(pods).filter((pod) => swarmOf(pod) === name && pod.metadata.deletionTimestamp === undefined);
  const podNamed = (pod: string) => objects.get(pods, `${namespace}/${pod}`);
  const gateway = () =>
    ownPods().find(({ metadata }) => metadata.labels?.["app.kubernetes.io/component"] === "gateway");

  function look(): void {
    const object = objects.get(validatorSwarms, key);
    if (object) {
      const { status: said, ...document } = object;
      const checked = checkValidatorSwarm(document);
      if (checked.kind === "ok") ({ swarm } = checked);
      const read = readStatus(said);
      if (read.kind !== "damaged") ({ status } = read);
    }
    seats = seatsOf(swarm, status);
    if (
      !sameSeats(
        seats,
        state.seats().map(({ seat }) => seat),
      )
    )
      state.setSeats(seats);
    for (const pod of ownPods()) noteRestarts(pod);
    keepLinks();
    keepGenesis();
    for (const listener of [...listeners]) listener();
  }

  function noteRestarts(pod: StoredObject): void {
    const [container] = arrayAt(pod["status"], "containerStatuses");
    const count = numberAt(container, "restartCount") ?? 0;
    const before = restarts.get(pod.metadata.uid);
    restarts.set(pod.metadata.uid, count);
    const running = isRecord(container) && isRecord(container["state"]) && isRecord(container["state"]["running"]);
    if (before !== count)
      state.processChanged(pod.metadata.name, { kind: running ? "running" : "backing-off", restarts: count });
    // What was there before the first look happened under an earlier operator.
    if (before === undefined || count <= before) return;
    for (const listener of [...crashListeners])
      listener({ pod: pod.metadata.name, how: howItEnded(container), restarts: count });
  }

  /** One link to each validator that holds a seat, for as long as its pod is the same. */
  function keepLinks(): void {
    const wanted = new Map<string, { readonly seat: string; readonly url: string }>();
    for (const seat of seats) {
      const pod = podNamed(seat.identity);
      const address = pod && portAddress(pod, "rpc");
      if (pod && address !== undefined) wanted.set(pod.metadata.uid, { seat: seat.name, url: `http://${address}` });
    }
    for (const [uid, { link }] of [...links]) {
      if (wanted.has(uid)) continue;
      links.delete(uid);
      const closing = link.close().finally(() => closings.delete(closing));
      closings.add(closing);
    }
    for (const [uid, { seat, url }] of wanted) {
      if (links.has(uid)) continue;
      const link = linkValidator(seat, url, undefined, {
        identity: () => {},
        status: (said) => links.has(uid) && state.reported(seat, said),
        down: (reason) => links.has(uid) && state.lost(seat, reason),
        refused: (reason) => links.has(uid) && state.lost(seat, reason),
      });
      links.set(uid, { link, seat });
    }
  }

  /** What `verify-proof` trusts when nothing runs any more. */
  function keepGenesis(): void {
    const genesis = textAt(objects.get(configMaps, `${namespace}/${genesisName(name)}`)?.["data"], "genesis.json");
    if (genesis !== "" && readOrEmpty(layout.genesis) !== genesis)
      writeFileSync(layout.genesis, genesis, { mode: 0o600 });
  }

  function endpoints(): Endpoints {
    const found = gateway();
    const address = found && portAddress(found, "clients");
    return {
      chainId: status?.chainId ?? "",
      gateway: `http://${address ?? "127.0.0.1:0"}`,
      console: options.console,
      seats: seats.flatMap(({ name: seat, identity, region }) => {
        const pod = podNamed(identity);
        const [rpc, metrics] = pod ? [portAddress(pod, "rpc"), portAddress(pod, "metrics")] : [];
        if (rpc === undefined || metrics === undefined) return [];
        return [{ seat, identity, region, rpc: `http://${rpc}`, metrics: `http://${metrics}` }];
      }),
    };
  }

  return {
    view: {
      layout,
      state,
      get swarm() {
        return swarm;
      },
      get endpoints() {
        return endpoints();
      },
      get seats() {
        return seats;
      },
      get links() {
        return seats.flatMap(({ name: seat }) => [...links.values()].find((each) => each.seat === seat)?.link ?? []);
      },
    },
    status: () => status,
    pods: () => ownPods().map(({ metadata }) => metadata.name),
    gatewayReady: () => swarm.spec.gateway.replicas === 0 || isReady(gateway()),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onCrash(listener) {
      crashListeners.add(listener);
      return () => crashListeners.delete(listener);
    },
    async close() {
      leave.abort();
      await Promise.all([...[...links.values()].map(({ link }) => link.close()), ...closings, watched.done]);
    },
  };
}

/** The seats that the chain has, or before it has any those that are wanted; by region as the spec lists them. */
function seatsOf(swarm: ValidatorSwarm, status: ValidatorSwarmStatus | undefined): readonly Seat[] {
  const zones = new Map(swarm.spec.regions.map((region) => [region.name, region.zones]));
  const order = [...zones.keys()];
  return (status?.seats ?? [])
    .filter(({ identity, role }) => identity !== "" && (role !== "none" || status?.chainId === ""))
    .map(({ name, identity, region, power }) => ({ name, identity, region, power, zones: zones.get(region) ?? [] }))
    .toSorted((a, b) => order.indexOf(a.region) - order.indexOf(b.region) || (a.name < b.name ? -1 : 1));
}

const sameSeats = (a: readonly Seat[], b: readonly Seat[]) => JSON.stringify(a) === JSON.stringify(b);

function isReady(pod: StoredObject | undefined): boolean {
  const ready = arrayAt(pod?.["status"], "conditions").find((each) => textAt(each, "type") === "Ready");
  return textAt(ready, "status") === "True";
}

function howItEnded(container: unknown): string {
  const last =
    isRecord(container) && isRecord(container["lastState"]) ? container["lastState"]["terminated"] : undefined;
  const signal = numberAt(last, "signal");
  return signal === undefined || signal === 0 ? `exit code ${numberAt(last, "exitCode") ?? "?"}` : `signal ${signal}`;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
