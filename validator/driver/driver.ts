/**
 * A running validator: feeds the core, performs its effects, owns every timer and queue, and decides nothing about the
 * protocol. Everything outside comes through ports, so that the simulator runs this very code.
 */

import { bytesToHex } from "@noble/hashes/utils.js";
import { encodeGossip } from "../codec/peer.ts";
import { startEpoch } from "../consensus/step.ts";
import type {
  Block,
  Certificate,
  Effect,
  EpochConfig,
  Height,
  Input,
  Parameters,
  SeatIndex,
} from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { type MemberKeys, memberKeys } from "../crypto/bls.ts";
import { sha256 } from "../crypto/hash.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { closesEpoch, parseTransaction } from "../ledger/governance.ts";
import type { ExecutedBlock } from "../ledger/types.ts";
import type { Store } from "../storage/types.ts";
import { createBatches } from "./batches.ts";
import { createCatchUp } from "./catch-up.ts";
import { chainViewOf } from "./chain-view.ts";
import { fetchCheckpoint } from "./checkpoint-transfer.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { createClockGuard } from "./clock-guard.ts";
import { type CoreLoop, createCoreLoop } from "./core-loop.ts";
import { createDiskGuard } from "./disk-guard.ts";
import { createDissemination } from "./dissemination.ts";
import { createExecutor } from "./executor.ts";
import { createFetching } from "./fetching.ts";
import { createInbound } from "./inbound.ts";
import { type Chain, ledgerFromCheckpoint, ledgerFromGenesis } from "./ledger-port.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type Membership, membershipOf } from "./membership.ts";
import { createMessageIndex } from "./message-index.ts";
import { createOutbox, type Signers } from "./outbox.ts";
import { createPayload } from "./payload.ts";
import type { Clock, Network, PeerAddress, PeerName } from "./ports.ts";
import { createProofs } from "./proofs.ts";
import { createQueries } from "./queries.ts";
import { createReceiving } from "./receiving.ts";
import { moveCore, recoverCore, replay, unorderedBatches, unsettledBlocks } from "./recovery.ts";
import { createRouting } from "./routing.ts";
import type { GovernanceResult, Observer, ValidatorServices } from "./services.ts";
import { createServing } from "./serving.ts";
import { createSettlement } from "./settlement.ts";
import { createStatus } from "./status.ts";
import { createSubmissions } from "./submissions.ts";
import { createTimers } from "./timers.ts";
import { createVerifier } from "./verifier.ts";

export interface DriverOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly store: Store;
  readonly chain: Chain;
  readonly signers: Signers;
  /** The network's name of an ed25519 public key (hexadecimal). */
  readonly peerName: (peerKey: string) => PeerName;
  /** Where to dial a peer; empty when it dials us. */
  readonly addressesOf: (peer: PeerName) => readonly string[];
  readonly limits?: Partial<Limits>;
  /** Local parameters (docs/parameters.md) that differ here from the chain's. */
  readonly parameters?: Partial<Parameters>;
  readonly observe: Observer;
  /** A contradiction that only more than F faulty power can make, or a bug: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

export interface Driver {
  readonly services: ValidatorServices;
  stop(): Promise<void>;
}

/** Reads the volume, replays what is above the checkpoint, and joins the swarm. The store must be open and unused. */
export async function startDriver(options: DriverOptions): Promise<Driver> {
  const { clock, network, store, signers, observe } = options;
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const ownKey = bytesToHex(signers.peer.publicKey);
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

  /** Everything that may not sign now: the volume, or the clock. The core knows one gate. */
  const mayVote = () => guard.healthy && clockGuard.fault === "";
  let voting = true;
  function gate(reason: string): void {
    const allowed = mayVote();
    if (allowed === voting) return;
    voting = allowed;
    observe({ kind: "voting", allowed, reason: allowed ? "" : reason });
    core?.feed({ kind: "disk", healthy: allowed });
    status.changed();
  }
  const guard = createDiskGuard({ store, clock, observe, onChange: (_, fault) => gate(`the volume failed: ${fault}`) });
  const clockGuard = createClockGuard({
    clock,
    maxClockDrift: () => membership.config.parameters.maxClockDrift,
    onChange: gate,
  });

  const index = createMessageIndex();
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
    executed,
    onFatal: fatal,
  });

  async function execute(block: Block): Promise<ExecutedBlock> {
    if (store.keys.needsFlush) await store.keys.flush();
    const result = await executor.execute(block);
    executedTime = block.header.time;
    return result;
  }

  // Replay: the ledger comes to the newest final block, through every epoch on the way.
  const { executed: executedStates } = await replay(store, ledger.executed, async (block) => {
    const result = await execute(block);
    if (block.header.closing) {
      keys = keysOf(ledger.nextEpoch(block));
      membership = membershipOf(keys.config, ownKey, options.peerName);
    }
    return result;
  });

  const finalHeight = store.recovered.finalized?.block.header.height ?? keys.config.anchor.height;
  const settledAtStart = store.recovered.settled;
  const settlement = createSettlement({
    ...shared,
    store,
    submissions,
    rememberedBlocks: limits.rememberedBlocks,
    rememberedMessages: limits.rememberedMessages,
    settled: {
      height: settledAtStart?.height ?? toHeight(0),
      finalization: settledAtStart?.finalization,
    },
    executedHeight: ledger.executed.height,
  });
  const unsettled = await unsettledBlocks(store, settledAtStart?.height ?? toHeight(0), finalHeight);
  const initial = recoverCore(keys, membership.self, signers, {
    recovered: store.recovered,
    unsettled,
    executed: executedStates,
  });

  const outbox = createOutbox({
    ...shared,
    guard,
    signers,
    seat: () => ({ keys, self: membership.self }),
    onFatal: fatal,
  });
  const verify = createVerifier({ ...shared, keys: () => keys, penalize });
  const timers = createTimers(clock, (timer, view) => feed({ kind: "timer", timer, view }));
  const dissemination = createDissemination(shared);
  const checkpoints = createCheckpoints({
    store,
    guard,
    observe,
    ledger: () => ledger,
    interval: () => membership.config.parameters.checkpointInterval,
    settled: () => settlement.height,
    onFatal: fatal,
  });
  const proofs = createProofs({ ...shared, store, settlement, ledger: () => ledger, config: () => keys.config });
  const catchUp = createCatchUp({
    ...shared,
    state: () => core?.state ?? initial,
    backlog: () => executor.backlog,
    executed: () => ledger.executed.height,
    penalize,
    checkpoint: restore,
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
    fault: () => (guard.fault !== "" ? `the volume failed: ${guard.fault}` : clockGuard.fault),
  });

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
        return keepCertificate(effect.certificate);
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
        return commit(effect.block, effect.finalization);
      case "settle":
        settlement.settle(effect.height, effect.finalization);
        return status.changed();
      case "report-evidence": {
        const offender = membership.seats[effect.offender]?.member.id ?? `seat ${effect.offender}`;
        return observe({ kind: "equivocation", offender, evidence: effect.evidence.kind });
      }
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

  function keepCertificate(certificate: Certificate): void {
    store.keep({ kind: "certificate", certificate });
    const block = certificate.kind === "finalize" ? state().blocks.get(certificate.block) : undefined;
    if (block) proofs.finalized(block, certificate);
  }

  function commit(block: Block, finalization: Certificate): void {
    store.keep({ kind: "block", block });
    if (block.header.closing) keepCarriers(block, finalization);
    const { height, view, proposer, time } = block.header;
    store.keep({ kind: "final", height, hash: block.hash, finalization });
    if (proposer !== membership.self) clockGuard.observeBlockTime(time);
    const digests = block.body.batches.map((batch) => batch.digest);
    receiving.done(digests);
    for (const digest of digests) dissemination.done(digest);
    checkpoints.final(block, finalization);
    if (finalization.block === block.hash) proofs.finalized(block, finalization);
    const payments = block.body.batches.reduce((sum, batch) => sum + batch.payments, 0);
    observe({ kind: "block-final", height, view, block: block.hash, batches: digests, payments });
    status.final(block);
    executor.enqueue(block);
  }

  /** What finalizes a closing block may be an empty block behind it: peers that catch up need both. */
  function keepCarriers(closing: Block, finalization: Certificate): void {
    const { blocks } = state();
    for (let at = blocks.get(finalization.block); at && at.hash !== closing.hash; at = blocks.get(at.header.parent))
      store.keep({ kind: "block", block: at });
  }

  async function executed(block: Block, result: ExecutedBlock): Promise<void> {
    executedTime = block.header.time;
    for (const { digest } of block.body.batches) {
      const stored = batches.recent(digest) ?? (await batches.load(digest));
      if (stored) index.remove(stored.batch);
    }
    const before = core?.state.executed.at(-1)?.coverage.degraded ?? [];
    settlement.executed(block, result);
    const { height, root, coverage } = result;
    feed({ kind: "executed", height, root, coverage });
    for (const region of new Set([...before, ...coverage.degraded])) {
      const degraded = coverage.degraded.includes(region);
      if (degraded !== before.includes(region)) observe({ kind: "region-mode", region, degraded, height });
    }
    await checkpoints.executed(block, result);
    if (block.header.closing) turnEpoch(block, result);
    status.changed();
    if (store.keys.needsFlush) await store.keys.flush();
  }

  function turnEpoch(closing: Block, result: ExecutedBlock): void {
    const previous = state();
    keys = keysOf(ledger.nextEpoch(closing));
    membership = membershipOf(keys.config, ownKey, options.peerName);
    timers.clearAll();
    const { height, root, coverage } = result;
    core?.replace(startEpoch(keys.config, membership.self, { height, root, coverage }, previous));
    connectPeers();
    observe({ kind: "epoch", epoch: keys.config.epoch, members: membership.seats.length });
    feed({ kind: "start" });
    dissemination.epochChanged();
    routing.epochChanged();
  }

  /** Peers keep no blocks as old as this validator's: it goes on from a certified state of theirs. */
  async function restore(seat: SeatIndex): Promise<boolean> {
    const transfer = { ...shared, keys: () => keys, chain: options.chain, store };
    const fetched = await fetchCheckpoint(transfer, seat, ledger.executed.height);
    if (fetched.kind === "dishonest") penalize(seat, fetched.reason);
    if (fetched.kind !== "fetched" || stopped) return false;
    const { checkpoint, blocks, finalization } = fetched;
    const [first, ...rest] = blocks;
    const from = ledger.executed.height;
    if (!first || first.header.epoch !== keys.config.epoch || from >= checkpoint.height) return false;
    await executor.abandon();
    await outbox.idle();
    const before = state();
    ledger = fetched.ledger;
    executedTime = first.header.time;
    const { height, root, coverage } = ledger.executed;
    if (before.finalized.height < height) {
      store.keep({ kind: "block", block: first });
      store.keep({ kind: "final", height, hash: first.hash, finalization });
      const executed = [{ height, root, coverage }];
      timers.clearAll();
      core?.replace(moveCore(before, { finalized: { blocks, finalization }, executed }));
      settlement.jump(height, finalization);
      executor.resume([]);
      for (const block of rest) commit(block, finalization);
      feed({ kind: "start" });
    } else {
      // Only execution was behind: the final blocks above the checkpoint are in the log.
      settlement.jump(height, finalization);
      feed({ kind: "executed", height, root, coverage });
      executor.resume(await finalBlocksAbove(height));
    }
    await checkpoints.install(checkpoint);
    observe({ kind: "catch-up", from, to: height, source: "checkpoint" });
    return true;
  }

  /** Up to the newest final one, as of when it resolves. */
  async function finalBlocksAbove(height: Height): Promise<readonly Block[]> {
    const blocks: Block[] = [];
    while (height + blocks.length < state().finalized.height) {
      await guard.persist([]);
      const final = await store.finalBlock(toHeight(height + blocks.length + 1));
      if (!final) throw new Error(`final block ${height + blocks.length + 1} is missing from the log`);
      blocks.push(final.block);
    }
    return blocks;
  }

  function connectPeers(): void {
    const peers: PeerAddress[] = membership.others.map(({ peer }) => ({ peer, addresses: options.addressesOf(peer) }));
    network.setPeers(peers);
  }

  network.onBroadcast((from, bytes) => inbound.push(from, bytes));
  network.onRequest(createServing({ ...shared, store, chain: () => chain, receiving, penalize: penalizePeer }));
  network.onRoundTrip((peer, milliseconds) => {
    const seat = membership.seatOf(peer);
    if (seat === undefined) return;
    status.roundTrip(peer, milliseconds);
    observe({ kind: "round-trip", seat: membership.seats[seat]?.member.id ?? "", milliseconds });
    feed({ kind: "round-trip", seat, milliseconds });
  });
  network.onPeer((peer, event) => {
    status.peer(peer, event === "connected");
    const seat = membership.seatOf(peer);
    if (seat === undefined) return;
    observe({ kind: "peer", seat: membership.seats[seat]?.member.id ?? "", connected: event === "connected" });
    if (event !== "connected") return;
    dissemination.connected(seat);
    catchUp.ask(seat);
  });
  connectPeers();
  if (!mayVote()) core.feed({ kind: "disk", healthy: false });
  core.feed({ kind: "start" });
  for (const batch of await unorderedBatches(store, finalHeight, chain)) {
    const stored = await batches.load(batch.digest);
    if (stored) index.add(stored.batch);
    core.feed({ kind: "batch-held", batch, creator: undefined });
  }

  const queries = createQueries({
    ...shared,
    store,
    chain,
    index,
    settlement,
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
    executed: async (institution, messageKey) => {
      const found = await queries.executedMessage(institution, messageKey);
      return found && { hash: bytesToHex(found.outcome.messageHash), settled: found.outcome.settled };
    },
    notReady: () => status.cannotAccept(),
  });

  const services: ValidatorServices = {
    ...queries,
    proof: proofs.proof,
    submit: payload.submit,
    settlements: settlement.stream,
    directory: chain.directory,
    status: status.current,
    watchStatus: status.watch,
    submitGovernance: (transaction) => Promise.resolve(governance(transaction)),
  };

  function governance(bytes: Uint8Array): GovernanceResult {
    const closes = closesEpochOf(bytes);
    if (closes === undefined) return { kind: "refused", reason: "not a governance transaction" };
    const transaction = { bytes, closesEpoch: closes };
    if (!ledger.isGoverned(transaction))
      return { kind: "refused", reason: "too few good signatures of the governance set" };
    feed({ kind: "governance", transaction });
    network.broadcast(encodeGossip({ kind: "governance", transaction: bytes }));
    return { kind: "accepted", hash: sha256(bytes) };
  }

  return {
    services,
    async stop() {
      stopped = true;
      core?.stop();
      timers.clearAll();
      inbound.stop();
      fetching.stop();
      catchUp.stop();
      executor.stop();
      settlement.stop();
      guard.stop();
      clockGuard.stop();
    },
  };
}

function closesEpochOf(transaction: Uint8Array): boolean | undefined {
  const parsed = parseTransaction(transaction);
  return parsed.kind === "ok" ? closesEpoch(parsed.value.action) : undefined;
}
