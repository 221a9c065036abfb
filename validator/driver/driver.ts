/**
 * A running validator: feeds the core, performs its effects, owns every timer and queue, and decides nothing about the
 * protocol. Everything outside comes through ports, so that the simulator runs this very code.
 */

import { toHex } from "../codec/bytes.ts";
import { startEpoch } from "../consensus/step.ts";
import type { Block, Effect, EpochConfig, Input, Parameters, SeatIndex } from "../consensus/types.ts";
import { type MemberKeys, memberKeys } from "../crypto/bls.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import type { ExecutedBlock } from "../ledger/types.ts";
import type { Store } from "../storage/types.ts";
import { createAccusing } from "./accusing.ts";
import { createBackups } from "./backup.ts";
import { createBatches } from "./batches.ts";
import { createCatchUp } from "./catch-up.ts";
import { createChainReports, createGoverned } from "./chain-report.ts";
import { chainViewOf } from "./chain-view.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { createCommits } from "./commits.ts";
import { type CoreLoop, createCoreLoop } from "./core-loop.ts";
import { createDissemination } from "./dissemination.ts";
import { createExecutor } from "./executor.ts";
import { createFetching } from "./fetching.ts";
import { closesEpochOf, createGovernance } from "./governance.ts";
import { createInbound } from "./inbound.ts";
import { baseHeight, type Chain, ledgerFromCheckpoint, ledgerFromGenesis } from "./ledger-port.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type Membership, membershipOf } from "./membership.ts";
import { createMessageIndex } from "./message-index.ts";
import { createOutbox, type Signers } from "./outbox.ts";
import { createPayload } from "./payload.ts";
import { createPeers } from "./peers.ts";
import type { Clock, Network, PeerName } from "./ports.ts";
import { createProofs } from "./proofs.ts";
import { createQueries } from "./queries.ts";
import { createReceiving } from "./receiving.ts";
import { carryOver, hasRecord, recoverCore, replay, unorderedBatches } from "./recovery.ts";
import { createRestoring } from "./restoring.ts";
import { createRouting } from "./routing.ts";
import type { Observer, ValidatorServices } from "./services.ts";
import { createServing } from "./serving.ts";
import { createSettlement, keepOutcome, settledAtStart } from "./settlement.ts";
import { createStatus } from "./status.ts";
import { createSubmissions } from "./submissions.ts";
import { createTimers } from "./timers.ts";
import { createVerifier } from "./verifier.ts";
import { createVoting } from "./voting.ts";

export interface DriverOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly store: Store;
  readonly chain: Chain;
  readonly signers: Signers;
  /** The network's name of an ed25519 public key (hexadecimal). */
  readonly peerName: (peerKey: string) => PeerName;
  /** Where to dial the seat or learner of this name; empty when it dials us. */
  readonly addressesOf: (id: string) => readonly string[];
  readonly limits?: Partial<Limits>;
  /** Local parameters (docs/parameters.md) that differ here from the chain's. */
  readonly parameters?: Partial<Parameters>;
  readonly observe: Observer;
  /** A contradiction that only more than F faulty power can make, or a bug: the process must end. */
  readonly onFatal: (error: unknown) => void;
  /** The record on disk is of a later epoch, from a peer's checkpoint: end the driver and start one anew. */
  readonly onMoved: () => void;
}

export interface Driver {
  readonly services: ValidatorServices;
  stop(): Promise<void>;
}

/** Reads the volume, replays what is above the checkpoint, and joins the swarm. The store must be open and unused. */
export async function startDriver(options: DriverOptions): Promise<Driver> {
  const { clock, network, store, signers, observe } = options;
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const ownKey = toHex(signers.peer.publicKey);
  let stopped = false;
  const fatal = (error: unknown) => {
    if (!stopped) options.onFatal(error);
  };

  // The executed state and the epoch it is in.
  const kept = store.recovered.checkpoint;
  const opened = kept
    ? ledgerFromCheckpoint(options.chain, store.keys, kept.parts)
    : ledgerFromGenesis(options.chain, store.keys);
  if (!opened) throw new Error(`the checkpoint at height ${kept?.height} is no snapshot`);
  let ledger: SettlementLedger = opened;
  const keysOf = (config: EpochConfig) =>
    memberKeys({ ...config, parameters: { ...config.parameters, ...options.parameters } });
  let keys: MemberKeys = keysOf(ledger.epochConfig);
  let membership: Membership = membershipOf(keys.config, ownKey, options.peerName);
  let executedTime = keys.config.anchor.time;
  const chain = chainViewOf(
    () => ledger,
    () => executedTime,
  );

  const penalizePeer = (peer: PeerName, reason: string) => {
    observe({ kind: "peer-penalized", peer, reason });
    network.penalize(peer, reason);
  };
  const penalize = (seat: SeatIndex, reason: string) => {
    const peer = membership.peerOf(seat);
    if (peer !== undefined && seat !== membership.self) penalizePeer(peer, reason);
  };

  const voting = createVoting({
    clock,
    store,
    observe,
    maxClockDrift: () => membership.config.parameters.maxClockDrift,
    diverged: () => executor.stop(),
    onChange(healthy) {
      core?.feed({ kind: "disk", healthy });
      if (core) status.changed();
    },
  });
  const { guard, clockGuard, shadow } = voting;

  const index = createMessageIndex();
  const governed = createGoverned();
  const submissions = createSubmissions(limits, (payments, bytes) => observe({ kind: "queue", payments, bytes }));
  const batches = createBatches(store, guard, limits.batchCacheBytes, (batch) => index.add(batch));
  let core: CoreLoop | undefined;
  const feed = (input: Input) => core?.feed(input);
  const state = () => {
    if (!core) throw new Error("the core is not running yet");
    return core.state;
  };
  const shared = { clock, network, batches, observe, limits, feed, state, membership: () => membership };
  const receiving = createReceiving({ ...shared, chain: () => chain });
  const fetching = createFetching({ ...shared, receiving: () => receiving, penalize });
  const executor = createExecutor({
    ...shared,
    fetching,
    guard,
    ledger: () => ledger,
    chain: () => chain,
    applied: ({ batch }) => index.remove(batch),
    ended: [governed.executed, shadow.executed],
    executed,
    onFatal: fatal,
  });

  async function execute(block: Block): Promise<ExecutedBlock> {
    if (store.keys.needsFlush) await store.keys.flush();
    const result = await executor.execute(block);
    executedTime = block.header.time;
    // The process may have died after the block was durable and before its outcome was.
    if (!(await store.outcome(result.height))) keepOutcome(store, result);
    return result;
  }

  // Replay: the ledger comes to the newest final block, through every epoch on the way.
  const { executed: executedStates, rest } = await replay(store, ledger.executed, async (block) => {
    const result = await execute(block);
    if (block.header.closing) {
      keys = keysOf(ledger.nextEpoch(block));
      membership = membershipOf(keys.config, ownKey, options.peerName);
    }
    return result;
  });

  const settlement = createSettlement({
    ...shared,
    store,
    submissions,
    flush: () => guard.persist([]),
    rememberedBlocks: limits.rememberedBlocks,
    rememberedMessages: limits.rememberedMessages,
    settled: settledAtStart(store, options.chain),
    executedHeight: ledger.executed.height,
    settledPayments: () => ledger.state.settledPayments,
  });
  const initial = await recoverCore(store, keys, membership.self, signers, executedStates);

  const outbox = createOutbox({
    ...shared,
    guard,
    signers,
    seat: () => ({ keys, self: membership.self }),
    onFatal: fatal,
  });
  const verify = createVerifier({ ...shared, keys: () => keys, penalize });
  const timers = createTimers(clock, (timer, view) => feed({ kind: "timer", timer, view }));
  const dissemination = createDissemination({ ...shared, onFatal: fatal });
  const checkpoints = createCheckpoints({
    store,
    guard,
    observe,
    ledger: () => ledger,
    interval: () => membership.config.parameters.checkpointInterval,
    settled: () => settlement.height,
    onFatal: fatal,
  });
  const proofs = createProofs({
    ...shared,
    store,
    settlement,
    guard,
    chain: options.chain,
    ledger: () => ledger,
    config: () => keys.config,
    onFatal: fatal,
  });
  const newest = store.recovered.finalized;
  if (newest && newest.finalization.block === newest.block.hash)
    for (const part of [shadow, proofs]) part.finalized(newest.block, newest.finalization);
  const catchUp = createCatchUp({
    ...shared,
    state: () => core?.state ?? initial,
    backlog: () => executor.backlog,
    executed: () => ledger.executed.height,
    penalize,
    // Who diverged does not go over to what others computed.
    checkpoint: async (seat) => !voting.diverged && (await restore(seat)),
  });
  const routing = createRouting({
    ...shared,
    keys: () => keys,
    penalize: penalizePeer,
    governed: (transaction) => ledger.isGoverned(transaction),
    closesEpoch: closesEpochOf,
    announced: fetching.announced,
    ahead: (seat) => catchUp.ask(seat),
  });
  const inbound = createInbound({
    clock,
    messagesPerPeer: limits.inboundMessagesPerPeer,
    bytesPerPeer: limits.inboundBytesPerPeer,
    handle: (from, bytes) => routing.receive(from, bytes),
  });
  const status = createStatus({
    membership: () => membership,
    state: () => core?.state ?? initial,
    executed: () => ledger.executed,
    settlement,
    submissions,
    target: () => catchUp.target,
    fault: () => voting.fault,
    diverged: () => voting.diverged,
  });

  const queries = createQueries({
    ...shared,
    store,
    chain,
    index,
    settlement,
    baseHeight: baseHeight(options.chain),
    state: () => core?.state ?? initial,
  });
  const payload = createPayload({
    ...shared,
    chain: () => chain,
    submissions,
    index,
    dissemination,
    limits,
    isAvailable: (digest) => status.isAvailable(digest),
    executed: async (institution, messageKey, hash) => {
      const found = await queries.executedMessage(institution, messageKey, hash);
      return found && { hash: toHex(found.outcome.messageHash), settled: found.outcome.settled };
    },
    executedBefore: queries.executedBefore,
    notReady: () => status.cannotAccept(),
  });

  const commits = createCommits({
    ...shared,
    store,
    clockGuard,
    receiving,
    dissemination,
    checkpoints,
    proofs,
    shadow,
    status,
    executor,
    ordered: () => payload.ordered(),
  });
  const restore = createRestoring({
    ...shared,
    index,
    submissions,
    chain: options.chain,
    store,
    guard,
    executor,
    outbox,
    settlement,
    checkpoints,
    penalize,
    onMoved: () => !stopped && options.onMoved(),
    keys: () => keys,
    ledger: () => ledger,
    replaceLedger: (restored, time) => {
      shadow.jumped();
      ledger = restored;
      executedTime = time;
    },
    replaceCore: (moved) => {
      timers.clearAll();
      core?.replace(moved);
    },
    commit: commits.commit,
  });

  const govern = createGovernance({ ...shared, ledger: () => ledger });
  const accusing = createAccusing({ ...shared, govern });
  core = createCoreLoop({ clock, initial, perform, observe, onFatal: fatal });

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case "cast":
        return outbox.cast(effect);
      case "propose":
        return outbox.propose(effect);
      case "assemble":
      case "extend":
      case "verify-certificate":
      case "verify-vote":
        return verify(effect);
      case "keep-certificate":
        return commits.keepCertificate(effect.certificate);
      case "broadcast":
        return outbox.send(effect.message);
      case "set-timer":
        return timers.set(effect.timer, effect.view, effect.milliseconds);
      case "clear-timer":
        return timers.clear(effect.timer);
      case "fetch-batches":
        return fetching.fetch(effect.batches, effect.from);
      case "fetch-blocks":
        return catchUp.fetch(effect);
      case "commit":
        return commits.commit(effect.block, effect.finalization);
      case "settle":
        settlement.settle(effect.height, effect.finalization);
        return status.changed();
      case "report-evidence":
        return accusing.accuse(effect);
      case "quarantine":
        observe({ kind: "quarantined", height: effect.height, own: effect.own, certified: effect.certified });
        observe({ kind: "voting", allowed: false, reason: "quarantined: a quorum certified another state root" });
        return status.changed();
      case "observe":
        observe({ kind: "consensus", event: effect.event });
        if (effect.event.kind === "timed-out") status.timedOut();
        else if (effect.event.kind === "entered-view") status.changed();
        return;
      default:
        effect satisfies never;
    }
  }

  async function executed(block: Block, result: ExecutedBlock): Promise<void> {
    executedTime = block.header.time;
    const before = core?.state.executed.at(-1)?.coverage.degraded ?? [];
    const { height, root, coverage } = result;
    settlement.executed(block, result);
    feed({ kind: "executed", height, root, coverage });
    for (const region of new Set([...before, ...coverage.degraded])) {
      const degraded = coverage.degraded.includes(region);
      if (degraded !== before.includes(region)) observe({ kind: "region-mode", region, degraded, height });
    }
    await checkpoints.executed(block, result);
    if (block.header.closing) await turnEpoch(block, result);
    status.changed();
    if (store.keys.needsFlush) await store.keys.flush();
  }

  async function turnEpoch(closing: Block, { height, root, coverage }: ExecutedBlock): Promise<void> {
    const next = keysOf(ledger.nextEpoch(closing));
    const members = membershipOf(next.config, ownKey, options.peerName);
    const executed = { height, root, coverage };
    const recovered = hasRecord(store.recovered, next.config.epoch)
      ? await recoverCore(store, next, members.self, signers, [executed])
      : undefined;
    const previous = state();
    keys = next;
    membership = members;
    accusing.epochChanged();
    status.epochChanged(previous);
    timers.clearAll();
    const fresh = startEpoch(keys.config, membership.self, executed, previous);
    core?.replace(recovered ? carryOver(previous, recovered) : fresh);
    peers.dial();
    const { epoch, members: seats } = keys.config;
    const others = membership.others.map(({ member }) => member.id);
    observe({ kind: "epoch", epoch, powers: seats.map((seat) => seat.power), others });
    peers.tellGone();
    feed({ kind: "start" });
    dissemination.epochChanged();
    routing.epochChanged();
  }

  const peers = createPeers({
    ...shared,
    network,
    learners: () => ledger.state.set.learners,
    ownKey,
    peerName: options.peerName,
    addressesOf: options.addressesOf,
    status,
    connected(seat) {
      dissemination.connected(seat);
      catchUp.ask(seat);
    },
  });
  network.onBroadcast((from, bytes) => inbound.push(from, bytes));
  network.onRequest(createServing({ ...shared, store, chain: () => chain, receiving, proofs, penalize: penalizePeer }));
  peers.dial();
  if (!voting.allowed) core.feed({ kind: "disk", healthy: false });
  core.feed({ kind: "start" });
  for (const block of rest) executor.enqueue(block);
  for (const batch of await unorderedBatches(store, chain)) {
    const stored = await batches.load(batch.digest);
    if (stored) index.add(stored.batch);
    core.feed({ kind: "batch-held", batch, creator: undefined });
  }

  const services: ValidatorServices = {
    ...queries,
    proof: (institution, uetr, from = 0) => proofs.proof(institution, uetr, from),
    submit: payload.submit,
    settlements: settlement.stream,
    directory: chain.directory,
    status: status.current,
    watchStatus: status.watch,
    submitGovernance: (transaction) => Promise.resolve(govern(transaction)),
    backup: createBackups({ ...shared, chain: options.chain, store, proofs, status, guard }),
    chainReport: createChainReports({ ...shared, store, proofs, shadow, governed, ledger: () => ledger }),
  };

  return {
    services,
    async stop() {
      stopped = true;
      core?.stop();
      timers.clearAll();
      for (const part of [guard, inbound, fetching, catchUp, executor, settlement, clockGuard]) part.stop();
    },
  };
}
