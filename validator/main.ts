/**
 * One validator process: reads its configuration, opens its volume, serves its ports, and runs its chain once it has
 * a genesis document. Crash-only: whatever is unforeseen is logged and ends the process; its record is durable.
 */

import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { hexToBytes } from "@noble/hashes/utils.js";
import packageJson from "../package.json" with { type: "json" };
import { toHex } from "./codec/bytes.ts";
import { exitCodes, helpText, parseConfig, type ValidatorConfig } from "./config.ts";
import { blsSigner } from "./crypto/bls.ts";
import { signChallenge } from "./crypto/challenge.ts";
import { ed25519Signer } from "./crypto/ed25519.ts";
import { startDriver } from "./driver/driver.ts";
import type { Network } from "./driver/ports.ts";
import { createStateIntake, type StateIntake } from "./driver/restored-state.ts";
import type { Observer, ValidatorServices } from "./driver/services.ts";
import { createSystemClock } from "./driver/system-clock.ts";
import { type Chain, checkGenesis, keepGenesis, type OwnSeat, readGenesis } from "./genesis-file.ts";
import type { Recovery } from "./ledger/genesis.ts";
import { createNetwork } from "./network/host.ts";
import { defaultNetworkLimits } from "./network/limits.ts";
import { peerName } from "./network/peer-name.ts";
import { startHealthServer } from "./rpc/health.ts";
import type { GenesisResult, Host } from "./rpc/host.ts";
import { createLog, type Log } from "./rpc/logging.ts";
import { createMetrics, type Metrics } from "./rpc/metrics.ts";
import { createObservation, type Observation } from "./rpc/observer.ts";
import { startRpc } from "./rpc/rpc.ts";
import type { RpcServer, TlsTexts } from "./rpc/server.ts";
import { noTelemetry, startTelemetry, type Telemetry } from "./rpc/telemetry.ts";
import { holdVolume } from "./rpc/volume-lock.ts";
import { openIdentity } from "./storage/identity.ts";
import { createNodeDisk } from "./storage/node-disk.ts";
import { openStore } from "./storage/store.ts";
import type { StorageFault, Store } from "./storage/types.ts";
import { watchVolume } from "./storage/volume-watch.ts";

/** What a program around this one may put in a part's place. */
export interface Composition {
  readonly network?: (network: Network, config: ValidatorConfig) => Network;
}

type Exit = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends `run` with an exit code; everything it has to say is said already. */
class Stop extends Error {
  readonly exit: Exit;
  constructor(exit: Exit, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** How often the volume is looked at, ms. */
const volumeCheckMs = 1_000;
/** How often the certificate's files are read, ms: they are renewed days before the old one ends. */
const certificateCheckMs = 60_000;
/** How often silent members are looked for, ms. */
const reachabilityCheckMs = 250;

/** A process that serves its ports; `end` closes what it opened, newest first. */
async function run(
  config: ValidatorConfig,
  log: Log,
  closers: (() => Promise<void> | void)[],
  composition: Composition,
): Promise<void> {
  const { dataDir } = config;
  const metrics = createMetrics(config.seat);
  metrics.set("validator_info", { region: config.region, version: packageJson.version }, 1);
  const telemetry = await startTelemetry(process.env, config.seat, packageJson.version);
  closers.push(telemetry.close);

  const disk = createNodeDisk(dataDir);
  await disk.makeDirectory(dataDir);
  const release = await holdVolume(statSync(dataDir));
  if (!release) throw new Stop(exitCodes.busy, `${dataDir} is in use by another process`);
  closers.push(release);
  const opening = await openIdentity(disk, dataDir);
  if (opening.kind === "fault") throw volumeStop(log, opening.fault);
  const { identity } = opening;
  /** Why this identity signs nothing any more: it stays to say so, for whoever replaces it has to know. */
  let retired = "";
  const retire = (fault: StorageFault): void => {
    const { exit } = volumeStop(log, fault);
    if (exit !== exitCodes.volume) throw new Stop(exit, fault.message);
    retired = fault.message;
  };
  if (opening.kind === "retired") retire(opening.fault);
  const signers = { bls: blsSigner(identity.blsSecret), peer: ed25519Signer(identity.peerSecret) };
  const own: OwnSeat = { seat: config.seat, blsKey: signers.bls.publicKey, peerKey: signers.peer.publicKey };

  let observation: Observation | undefined;
  let services: ValidatorServices | undefined;
  const started = Promise.withResolvers<void>();
  const start = async (chain: Chain): Promise<void> => {
    await startOn(chain);
    started.resolve();
  };
  let intake: StateIntake | undefined;
  const startOn = async (chain: Chain): Promise<void> => {
    observation ??= createObservation({
      metrics,
      log,
      unreachableAfterMs: config.unreachableAfterMs,
      peers: chain.genesis.members.map(({ id }) => id).filter((id) => id !== config.seat),
      now: () => performance.now(),
    });
    if (retired !== "") return;
    const opened = await openStore(disk, dataDir);
    if (opened.kind === "fault") return retire(opened.fault);
    const { restored, members } = chain.genesis;
    const isMember = members.some(({ blsKey }) => blsKey === toHex(own.blsKey));
    // Who joins later fetches a peer's checkpoint.
    if (restored && isMember && !opened.store.recovered.checkpoint) {
      log("waiting-for-state", { restores: restored.statement.chainId, height: restored.statement.height });
      await takeState(chain, restored, opened.store);
      return startOn(chain);
    }
    closers.push(() => opened.store.close());
    services = await startChain({
      store: opened.store,
      config,
      chain,
      signers,
      peerSeed: identity.peerSecret,
      log,
      observation,
      telemetry,
      closers,
      composition,
    });
    const { epoch, finalizedHeight } = services.status();
    log("chain-started", { chainId: chain.chainId, epoch, height: finalizedHeight });
  };

  /** Resolves when the state is on the volume, which is closed then. */
  const takeState = async (chain: Chain, recovery: Recovery, store: Store): Promise<void> => {
    const taken = Promise.withResolvers<void>();
    const inner = createStateIntake(chain, recovery, store);
    let busy: Promise<unknown> = Promise.resolve();
    intake = {
      take: (part) => {
        const result = busy.then(() => inner.take(part));
        busy = result.catch(() => {});
        return result.then((said) => {
          if (said.kind === "restored") taken.resolve();
          return said;
        });
      },
    };
    const close = () => store.close();
    closers.push(close);
    await taken.promise;
    intake = undefined;
    closers.splice(closers.indexOf(close), 1);
    await close();
  };

  // One document, whether it comes from the volume, a file or a call.
  let document = await readGenesis(disk, dataDir);
  let taking: Promise<GenesisResult> | undefined;
  const take = async (offered: Uint8Array): Promise<GenesisResult> => {
    if (document && !Buffer.from(document).equals(offered))
      return { kind: "refused", reason: "the volume holds another genesis document" };
    const checked = checkGenesis(offered, own);
    if (checked.kind === "refused") return checked;
    const { chain } = checked;
    if (!document) {
      await keepGenesis(disk, dataDir, offered);
      document = offered;
      start(chain).catch(crash(log));
    }
    return { kind: "taken", chainId: hexToBytes(chain.chainId) };
  };

  const host: Host = {
    seat: config.seat,
    region: config.region,
    identity: { blsKey: own.blsKey, peerKey: own.peerKey, proofOfPossession: signers.bls.provePossession(own.peerKey) },
    retired: () => retired,
    services: () => services,
    started: started.promise,
    answerChallenge: (challenge) => signChallenge(signers.peer, own.blsKey, challenge),
    waitsFor: () => (intake ? "state" : "genesis"),
    provideState: async (part) => {
      if (!intake) return { kind: "refused", reason: "this validator does not wait for a state" };
      const result = await intake.take(part);
      if (result.kind === "restored") log("state-restored", { height: result.height, root: result.root });
      return result;
    },
    // One after the other: two different documents at once must not both be kept.
    provideGenesis: (offered) => {
      taking = (taking ?? Promise.resolve()).then(() => take(offered));
      return taking;
    },
  };
  const ports = await listen(
    config,
    host,
    {
      metrics,
      log,
      telemetry,
      release: packageJson.version,
      settlementLatency: () => observation?.settlementLatency() ?? { p50: 0, p99: 0 },
    },
    closers,
  );
  log("started", { version: packageJson.version, ...ports, p2pAddresses: config.p2p.listen.join(" ") });

  const ticking = setInterval(() => observation?.tick(), reachabilityCheckMs);
  closers.push(() => clearInterval(ticking));

  const file = config.genesis === undefined ? undefined : readOrStop(config.genesis, "genesis");
  const known = document ?? file;
  if (retired !== "") return;
  if (!known) return log("waiting-for-genesis", { blsKey: toHex(own.blsKey), peerKey: toHex(own.peerKey) });
  if (document && file && !Buffer.from(document).equals(file))
    throw refusedGenesis(log, "the volume holds another genesis document than the file");
  const checked = checkGenesis(known, own);
  if (checked.kind === "refused") throw refusedGenesis(log, checked.reason);
  if (!document) await keepGenesis(disk, dataDir, known);
  document = known;
  await start(checked.chain);
}

interface ChainStart {
  readonly config: ValidatorConfig;
  readonly chain: Chain;
  readonly store: Store;
  readonly signers: { readonly bls: ReturnType<typeof blsSigner>; readonly peer: ReturnType<typeof ed25519Signer> };
  readonly peerSeed: Uint8Array;
  readonly log: Log;
  readonly observation: Observation;
  readonly telemetry: Telemetry;
  readonly closers: (() => Promise<void> | void)[];
  readonly composition: Composition;
}

/** Joins the network, and runs the driver over it and the record. */
async function startChain(options: ChainStart): Promise<ValidatorServices> {
  const { store, config, chain, log, observation, telemetry, closers } = options;
  const clock = createSystemClock();
  closers.push(watchVolume(store, clock, volumeCheckMs, (fault) => end(volumeStop(log, fault).exit)));
  const network = await createNetwork({
    peerKeySeed: options.peerSeed,
    listen: config.p2p.listen,
    announce: config.p2p.announce,
    chainId: chain.chainId,
    limits: {
      unreachableAfterMs: config.unreachableAfterMs,
      // An idle peer answers a few pings before it counts as silent.
      pingIntervalMs: Math.min(defaultNetworkLimits.pingIntervalMs, Math.floor(config.unreachableAfterMs / 3)),
    },
  });
  closers.push(() => network.stop());

  const observe: Observer =
    telemetry === noTelemetry
      ? observation.observe
      : (event) => {
          observation.observe(event);
          telemetry.observe(event);
        };
  // By seat: a seat that was given new keys is where it was.
  const addresses = new Map(config.peers.map(({ seat, addresses: where }) => [seat, where]));
  const driver = await startDriver({
    clock,
    network: options.composition.network?.(network, config) ?? network,
    store,
    chain,
    signers: options.signers,
    peerName,
    addressesOf: (id) => addresses.get(id) ?? [],
    parameters: config.parameters,
    observe,
    onFatal: crash(log),
    onMoved: () => end(exitCodes.moved),
  });
  closers.push(() => driver.stop());
  return driver.services;
}

interface Instruments {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly release: string;
  readonly settlementLatency: () => { readonly p50: number; readonly p99: number };
}

/** Binds the ports of the services and of health. */
async function listen(
  config: ValidatorConfig,
  host: Host,
  instruments: Instruments,
  closers: (() => Promise<void> | void)[],
): Promise<{ readonly rpcPort: number; readonly metricsPort: number }> {
  const files = config.rpc.tls;
  const tls = files && readTls(files);
  const health = await startHealthServer({ ...config.metrics, metrics: instruments.metrics, process: host });
  closers.push(health.close);
  const rpc = await startRpc({ config: config.rpc, tls, host, ...instruments });
  closers.push(rpc.close);
  if (tls) closers.push(followTls(tls, () => readTls(files), rpc, instruments.log));
  return { rpcPort: rpc.port, metricsPort: health.port };
}

type TlsFiles = NonNullable<ValidatorConfig["rpc"]["tls"]>;

function readTls(files: TlsFiles): TlsTexts {
  return {
    cert: readOrStop(files.cert, "rpc.tls.cert").toString("utf8"),
    key: readOrStop(files.key, "rpc.tls.key").toString("utf8"),
    clientCa: readOrStop(files.clientCa, "rpc.tls.clientCa").toString("utf8"),
  };
}

/** Certificates are renewed while a validator runs for years. What cannot be used leaves what was. */
function followTls(first: TlsTexts, read: () => TlsTexts, rpc: RpcServer, log: Log): () => void {
  let seen = JSON.stringify(first);
  const looking = setInterval(() => {
    try {
      const texts = read();
      const now = JSON.stringify(texts);
      if (now === seen) return;
      seen = now;
      rpc.renew(texts);
      log("certificate-renewed", {});
    } catch (error) {
      log("certificate-unusable", { error: error instanceof Error ? error.message : String(error) });
    }
  }, certificateCheckMs);
  return () => clearInterval(looking);
}

function readOrStop(path: string, field: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Stop(exitCodes.usage, `${field}: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}.`);
  }
}

/** A full or failing disk may recover: the process is started again. Anything else ends this identity. */
function volumeStop(log: Log, fault: StorageFault): Stop {
  log("volume-fault", { fault: fault.kind, path: fault.path, offset: fault.offset ?? -1, error: fault.message });
  const passing = fault.kind === "no-space" || fault.kind === "input-output";
  return new Stop(passing ? exitCodes.crashed : exitCodes.volume, fault.message);
}

function refusedGenesis(log: Log, reason: string): Stop {
  log("genesis-refused", { reason });
  return new Stop(exitCodes.genesis, reason);
}

/** Logs what nobody foresaw and ends the process. */
function crash(log: Log): (error: unknown) => void {
  return (error) => {
    if (error instanceof Stop) return end(error.exit);
    const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
    if (/EADDRINUSE|EADDRNOTAVAIL|EACCES.*listen/.test(message)) {
      log("address-taken", { error: message });
      return end(exitCodes.address);
    }
    log("fatal", { error: message, stack });
    end(exitCodes.crashed);
  };
}

function end(exit: Exit): never {
  process.exit(exit.code);
}

/** Closes everything, newest first, so that nothing is used after it is closed: the driver stops voting before its store closes. */
async function shutDown(log: Log, signal: string, closers: (() => Promise<void> | void)[]): Promise<never> {
  log("stopping", { signal });
  for (const close of closers.splice(0).reverse()) await close();
  log("stopped", {});
  return end(exitCodes.stopped);
}

/** The program. Ends the process. */
export function main(composition: Composition = {}): void {
  const usage = (message: string): never => {
    process.stderr.write(`${message}\n`);
    return end(exitCodes.usage);
  };
  let values: { readonly config?: string | undefined; readonly help?: boolean | undefined };
  try {
    ({ values } = parseArgs({ options: { config: { type: "string" }, help: { type: "boolean", short: "h" } } }));
  } catch (error) {
    return usage(`${(error as Error).message}. See --help.`);
  }
  if (values.help) return void process.stdout.write(helpText());
  if (values.config === undefined) return usage("--config FILE is missing. See --help.");
  let text: string;
  try {
    text = readFileSync(values.config, "utf8");
  } catch (error) {
    return usage(`--config: cannot read ${values.config}: ${(error as NodeJS.ErrnoException).code}.`);
  }
  const parsed = parseConfig(text);
  if (parsed.kind === "invalid")
    return usage(parsed.problems.map((problem) => `${values.config}: ${problem}`).join("\n"));

  const log = createLog({ level: parsed.config.log.level, seat: parsed.config.seat });
  const closers: (() => Promise<void> | void)[] = [];
  const crashed = crash(log);
  process.on("uncaughtException", crashed);
  process.on("unhandledRejection", crashed);
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      process.once(signal, () => end(exitCodes.crashed));
      shutDown(log, signal, closers).catch(crashed);
    });
  run(parsed.config, log, closers, composition).catch((error: unknown) => {
    if (error instanceof Stop && error.exit === exitCodes.usage) return usage(error.message);
    if (error instanceof Stop && error.exit === exitCodes.busy) log("volume-busy", { path: parsed.config.dataDir });
    crashed(error);
  });
}

if (import.meta.main) main();
