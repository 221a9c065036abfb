/**
 * A swarm on one machine: pods are child processes, volumes are directories, regions are labels.
 * `startFleet` reads like what happens: lock, processes, identities, genesis, readiness, gateway.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { faultBudget, type ValidatorSwarm } from "../api/validator-swarm.ts";
import { type Endpoints, removeEndpoints, writeEndpoints } from "./endpoints.ts";
import { createFleetState, type FleetState } from "./fleet-state.ts";
import { awaitGateway, gatewayConfig } from "./gateway.ts";
import { assembleGenesis, checkGenesis } from "./genesis.ts";
import { endLeftovers } from "./leftovers.ts";
import { takeLock } from "./lock.ts";
import { logTail } from "./log-tail.ts";
import { allocatePorts, describeConflicts, findConflicts, type SwarmPorts } from "./ports.ts";
import { createProcessRuntime, type ProcessRuntime } from "./process-runtime.ts";
import { planSeats, type Seat } from "./seats.ts";
import { type Identity, linkValidator, type ValidatorLink } from "./validator-link.ts";
import { createLayout, type SwarmLayout, swarmLayout, volumeOf } from "./volumes.ts";

/** A running swarm. */
export interface Fleet {
  readonly swarm: ValidatorSwarm;
  readonly layout: SwarmLayout;
  readonly endpoints: Endpoints;
  readonly seats: readonly Seat[];
  readonly state: FleetState;
  /** One per seat, in the order of `seats`. */
  readonly links: readonly ValidatorLink[];
  readonly runtime: ProcessRuntime;
  /** True when this start made the chain, false when it continues one. */
  readonly newChain: boolean;
  /** Ends every process and gives the lock back. */
  readonly close: () => Promise<void>;
}

export type FleetResult =
  | { readonly kind: "running"; readonly fleet: Fleet }
  /** A sentence a person can act on, and where the logs are. Nothing is left running. */
  | { readonly kind: "failed"; readonly reason: string; readonly logs: string };

export interface FleetOptions {
  readonly portBase: number;
  /** Where swarms are kept; absent: `SWARM_DIR` or `.swarm`. */
  readonly directory?: string;
  /** Hears what happens, a short line each. */
  readonly progress: (line: string) => void;
  /** Aborting it while the fleet starts ends everything. */
  readonly signal: AbortSignal;
}

/** From the start of the first process to readiness, ms. */
const startMs = 60_000;
/**
 * Exit codes after which starting again does not help. Validator: usage, damaged volume, wrong genesis
 * (validator/config.ts). Gateway: wrong configuration (EX_CONFIG).
 */
const finalExitCodes = { validator: [2, 3, 5], gateway: [78] };
/** A process that ends this often before it is ready will not get better. */
const startAttempts = 4;
/**
 * How validators keep freed memory (docs/running-a-validator.md): batches come and go by the hundred a second. By default
 * what they leave behind in the C library grows to twice what is in use, and V8 reserves 100 MB for what is new.
 */
const allocation = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
  NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --max-semi-space-size=16`.trim(),
};
const programs = {
  validator: join(import.meta.dirname, "../../validator/main.ts"),
  gateway: join(import.meta.dirname, "../../gateway/main.ts"),
};

/** Starts every process of the swarm and waits until it takes payments. */
export async function startFleet(swarm: ValidatorSwarm, options: FleetOptions): Promise<FleetResult> {
  const name = swarm.metadata.name;
  const layout = swarmLayout(name, options.directory);
  createLayout(layout);
  const failed = (reason: string): FleetResult => ({ kind: "failed", reason, logs: layout.logs });

  const lock = takeLock(layout.lock);
  if (lock.kind === "held")
    return failed(`The swarm ${name} runs already (process ${lock.pid}). Stop it, or give this one another name.`);
  const leftovers = await endLeftovers(layout.run);
  if (leftovers.length > 0) options.progress(`ended what an earlier start left: ${leftovers.join(", ")}`);

  const seats = planSeats(swarm);
  const ports = allocatePorts(seats, options.portBase, swarm.spec.gateway.port);
  const conflicts = await findConflicts(ports);
  if (conflicts.length > 0) {
    lock.release();
    return failed(describeConflicts(conflicts, options.portBase));
  }

  const runtime = createProcessRuntime(layout.run);
  const state = createFleetState(seats);
  runtime.watch(state.processChanged);
  const boot = createBoot(swarm, seats, ports, layout, runtime, state, options);
  const close = async () => {
    removeEndpoints(layout.endpoints);
    await boot.close();
    await runtime.close();
    lock.release();
  };

  const outcome = await Promise.race([boot.run(), boot.failure]);
  if (outcome.kind === "failed") {
    await close();
    return failed(outcome.reason);
  }
  const { endpoints, newChain } = outcome;
  return {
    kind: "running",
    fleet: { swarm, layout, endpoints, seats, state, links: boot.links, runtime, newChain, close },
  };
}

type BootOutcome =
  | { readonly kind: "ready"; readonly endpoints: Endpoints; readonly newChain: boolean }
  | { readonly kind: "failed"; readonly reason: string };

interface Boot {
  readonly links: readonly ValidatorLink[];
  readonly run: () => Promise<BootOutcome>;
  /** Resolves when something happens that makes going on pointless. */
  readonly failure: Promise<BootOutcome>;
  readonly close: () => Promise<void>;
}

function createBoot(
  swarm: ValidatorSwarm,
  seats: readonly Seat[],
  ports: SwarmPorts,
  layout: SwarmLayout,
  runtime: ProcessRuntime,
  state: FleetState,
  { progress, signal }: FleetOptions,
): Boot {
  const name = swarm.metadata.name;
  const gatewayName = `${name}-gateway-0`;
  const genesis = Promise.withResolvers<Uint8Array>();
  const failure = Promise.withResolvers<BootOutcome>();
  const fail = (reason: string) => failure.resolve({ kind: "failed", reason });
  const identities = new Map<string, Identity>();
  const known = Promise.withResolvers<void>();
  const over = new AbortController();
  const logOf = (process: string) => join(layout.logs, `${process}.log`);

  signal.addEventListener("abort", () => fail("It was stopped while it started."), { once: true });
  const stopWatching = runtime.watch((process, current) => {
    if (current.kind === "running") return;
    if (current.kind === "backing-off" && current.restarts + 1 < startAttempts) return;
    if (over.signal.aborted) return;
    fail(`${process} does not start (${describeExit(current.exit)}). Its last words:\n${logTail(logOf(process))}`);
  });

  for (const seat of seats) {
    const config = join(layout.config, `${seat.identity}.json`);
    writeFileSync(config, JSON.stringify(validatorConfig(swarm, seat, seats, ports, layout), undefined, 2));
    runtime.create({
      name: seat.identity,
      program: programs.validator,
      args: ["--config", config],
      env: allocation,
      logFile: logOf(seat.identity),
      finalExitCodes: finalExitCodes.validator,
    });
  }

  const links = seats.map((seat) =>
    linkValidator(seat.name, `http://127.0.0.1:${portsOf(ports, seat).rpc}`, genesis.promise, {
      identity: (identity) => {
        identities.set(seat.name, identity);
        if (identities.size === seats.length) known.resolve();
      },
      status: (status) => state.reported(seat.name, status),
      down: (reason) => state.lost(seat.name, reason),
      refused: (reason) => {
        state.lost(seat.name, reason);
        fail(`${seat.identity} refuses the chain: ${reason}. Remove ${layout.root} to start a new one.`);
      },
    }),
  );

  const run = async (): Promise<BootOutcome> => {
    void delay(startMs, undefined, { signal: over.signal, ref: false }).then(
      () => fail(`Not ready after ${startMs / 1000} s: ${describeTrouble(state)}.`),
      () => {},
    );
    progress(`${seats.length} validators start in ${swarm.spec.regions.length} regions`);
    await known.promise;
    progress("each made its keys in its own volume and proved that it holds them");

    const newChain = !existsSync(layout.genesis);
    if (newChain) {
      const assembled = assembleGenesis(swarm, seats, identities, layout);
      if (assembled.kind === "invalid") return { kind: "failed", reason: assembled.reason };
      writeFileSync(`${layout.genesis}.new`, assembled.bytes);
      renameSync(`${layout.genesis}.new`, layout.genesis);
    }
    const document = readFileSync(layout.genesis);
    const checked = checkGenesis(document, seats, identities);
    if (checked.kind === "invalid")
      return { kind: "failed", reason: `${checked.reason} Remove ${layout.root} to start a new chain.` };
    progress(`${newChain ? "genesis from what they reported" : "the chain goes on"}: ${checked.chainId.slice(0, 16)}…`);
    genesis.resolve(document);

    await state.until(() => state.seats().every(({ reachable, status }) => reachable && status?.notReady === ""));
    progress("a quorum formed: every validator is ready");

    if (swarm.spec.gateway.replicas > 0) {
      const config = join(layout.config, `${gatewayName}.json`);
      writeFileSync(config, JSON.stringify(gatewayConfig(swarm, seats, ports, layout, gatewayName), undefined, 2));
      volumeOf(layout, gatewayName);
      runtime.create({
        name: gatewayName,
        program: programs.gateway,
        args: ["--config", config],
        logFile: logOf(gatewayName),
        finalExitCodes: finalExitCodes.gateway,
      });
      await awaitGateway(ports, over.signal);
      progress(`the gateway takes ISO 20022 files at http://127.0.0.1:${ports.gateway}/iso20022`);
    }

    const endpoints = endpointsOf(swarm, seats, ports, layout, checked.chainId);
    writeEndpoints(layout.endpoints, endpoints);
    stopWatching();
    over.abort();
    return { kind: "ready", endpoints, newChain };
  };

  return {
    links,
    run,
    failure: failure.promise,
    close: async () => {
      over.abort();
      stopWatching();
      await Promise.all(links.map((link) => link.close()));
    },
  };
}

function validatorConfig(
  swarm: ValidatorSwarm,
  seat: Seat,
  seats: readonly Seat[],
  ports: SwarmPorts,
  layout: SwarmLayout,
): object {
  const { p2p, rpc, metrics } = portsOf(ports, seat);
  const address = (port: number) => `/ip4/127.0.0.1/tcp/${port}`;
  return {
    seat: seat.name,
    region: seat.region,
    dataDir: volumeOf(layout, seat.identity),
    p2p: { listen: [address(p2p)] },
    peers: seats
      .filter((other) => other !== seat)
      .map((other) => ({ seat: other.name, addresses: [address(portsOf(ports, other).p2p)] })),
    rpc: { host: "127.0.0.1", port: rpc },
    metrics: { host: "127.0.0.1", port: metrics },
    parameters: { timeoutPolicy: swarm.spec.consensus.timeoutPolicy },
  };
}

function endpointsOf(
  swarm: ValidatorSwarm,
  seats: readonly Seat[],
  ports: SwarmPorts,
  layout: SwarmLayout,
  chainId: string,
): Endpoints {
  const total = seats.reduce((sum, { power }) => sum + power, 0);
  const local = (port: number) => `http://127.0.0.1:${port}`;
  return {
    swarm: swarm.metadata.name,
    chainId,
    pid: process.pid,
    faultPower: faultBudget(total, swarm.spec.faultModel).F,
    gateway: local(ports.gateway),
    console: local(ports.console),
    genesis: layout.genesis,
    seats: seats.map((seat) => ({
      seat: seat.name,
      identity: seat.identity,
      region: seat.region,
      power: seat.power,
      rpc: local(portsOf(ports, seat).rpc),
      metrics: local(portsOf(ports, seat).metrics),
      log: join(layout.logs, `${seat.identity}.log`),
    })),
    institutions: swarm.spec.genesis.institutions.map(({ bic, name }) => ({ bic, name })),
  };
}

function portsOf(ports: SwarmPorts, seat: Seat) {
  const found = ports.seats.get(seat.name);
  if (found === undefined) throw new Error(`no ports for ${seat.name}`);
  return found;
}

function describeExit({ code, signal }: { readonly code: number | null; readonly signal: string | null }): string {
  return signal === null ? `exit code ${code}` : signal;
}

function describeTrouble(state: FleetState): string {
  const troubled = state.seats().filter(({ trouble }) => trouble !== "");
  return troubled.length === 0
    ? "the gateway does not answer"
    : troubled.map(({ seat, trouble }) => `${seat.name}: ${trouble}`).join("; ");
}
