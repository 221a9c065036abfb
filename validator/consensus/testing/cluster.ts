/**
 * Cores alone in virtual time: messages between them are delayed, lost or cut at random from a seed, signatures are
 * taken for genuine unless marked. What the simulator does with the shipped driver and storage, at a thousandth of the cost.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { defaultParameters } from "../parameters.ts";
import { totals } from "../power.ts";
import { recover } from "../recover.ts";
import type { State } from "../state.ts";
import { startEpoch, step } from "../step.ts";
import type {
  BatchReference,
  Block,
  Broadcast,
  Certificate,
  CoverageState,
  Digest,
  Effect,
  EpochConfig,
  Evidence,
  FaultModel,
  GovernanceTransaction,
  Height,
  Input,
  Parameters,
  Proposal,
  SeatIndex,
  Timer,
  Verified,
  View,
  Vote,
} from "../types.ts";
import { digest, epoch, height, power, seatIndex } from "../types.ts";

export function hashOf(value: unknown): Digest {
  return digest(bytesToHex(sha256(utf8ToBytes(JSON.stringify(value)))));
}

/** Tests stand in for `crypto/`: they say what is verified. */
export function trust<T>(value: T): Verified<T> {
  return value as Verified<T>;
}

export interface ClusterOptions {
  readonly powers: readonly number[];
  readonly regions?: readonly string[];
  readonly zones?: readonly (readonly string[])[];
  readonly faultModel?: FaultModel;
  readonly parameters?: Partial<Parameters>;
  readonly seed: number;
  /** Probability that a message is lost. */
  readonly loss?: number;
}

export function testConfig(options: Omit<ClusterOptions, "seed">): EpochConfig {
  const members = options.powers.map((units, i) => ({
    id: `seat-${i}`,
    power: power(units),
    region: options.regions?.[i] ?? `region-${i}`,
    zones: options.zones?.[i] ?? [],
    blsKey: `bls-${i}`,
    peerKey: `peer-${i}`,
  }));
  const genesis = hashOf("genesis");
  return {
    chainId: hashOf("chain"),
    epoch: epoch(0),
    members,
    faultModel: options.faultModel ?? "Byzantine",
    coverage: { requiredRegions: Object.fromEntries(members.map((member) => [member.region, 1])) },
    parameters: { ...defaultParameters, ...options.parameters },
    beacon: hashOf("beacon"),
    anchor: { hash: genesis, height: height(0), time: 1_000, rootHeight: height(0), root: hashOf("root 0") },
  };
}

interface Node {
  readonly seat: SeatIndex;
  state: State;
  up: boolean;
  /** Coverage as its ledger has it. */
  coverage: CoverageState;
  executedHeight: number;
  readonly timers: Map<Timer, number>;
  readonly disk: {
    votes: Map<string, Vote>;
    proposals: Map<View, Proposal>;
    blocks: Map<Digest, Block>;
    final: { block: Block; finalization: Certificate }[];
  };
}

export interface Cluster {
  readonly config: EpochConfig;
  readonly nodes: readonly Node[];
  readonly evidence: { readonly at: SeatIndex; readonly evidence: Evidence; readonly offender: SeatIndex }[];
  readonly trace: string[];
  now(): number;
  /** Runs until the condition holds; throws with the trace's tail when virtual time passes the limit. */
  until(condition: () => boolean, limitMs: number): void;
  runFor(ms: number): void;
  /** A new batch, held by every live node at once, made by `creator`. */
  batch(creator: number, zone?: string): BatchReference;
  governance(transaction: GovernanceTransaction): void;
  input(seat: number, input: Input): void;
  crash(seat: number): void;
  restart(seat: number): void;
  /** Cuts (or heals) the link in one direction. */
  link(from: number, to: number, up: boolean): void;
  chain(seat: number): readonly Digest[];
  settled(seat: number): number;
  height(seat: number): number;
}

type Event = { readonly at: number; readonly order: number; readonly run: () => void };

export function createCluster(options: ClusterOptions): Cluster {
  const config = testConfig(options);
  const random = generator(options.seed);
  const cut = new Set<string>();
  const events: Event[] = [];
  const batches = new Map<Digest, BatchReference>();
  const allBlocks = new Map<Digest, Block>();
  const evidence: Cluster["evidence"] = [];
  const trace: string[] = [];
  let now = 0;
  let order = 0;
  const { quorum } = totals(config.members, config.faultModel);

  const at = (delay: number, run: () => void) => {
    const event = { at: now + delay, order: order++, run };
    let i = events.length;
    while (i > 0 && (events[i - 1]?.at ?? 0) > event.at) i--;
    events.splice(i, 0, event);
  };
  const initialCoverage: CoverageState = { modeSeq: 0, degraded: [] };
  const initialExecuted = { height: height(0), root: config.anchor.root, coverage: initialCoverage };
  const nodes: Node[] = config.members.map((_, i) => ({
    seat: seatIndex(i),
    state: startEpoch(config, seatIndex(i), initialExecuted),
    up: true,
    coverage: initialCoverage,
    executedHeight: 0,
    timers: new Map(),
    disk: { votes: new Map(), proposals: new Map(), blocks: new Map(), final: [] },
  }));

  function feed(node: Node, input: Input): void {
    if (!node.up) return;
    const result = step(node.state, input, { monotonic: now, wall: 1_000_000 + now });
    node.state = result.state;
    for (const effect of result.effects) perform(node, effect);
  }

  function send(node: Node, message: Broadcast): void {
    for (const peer of nodes) {
      if (peer === node || cut.has(`${node.seat}>${peer.seat}`) || random() < (options.loss ?? 0)) continue;
      at(1 + 4 * random(), () => feed(peer, toInput(node.seat, message)));
    }
  }

  function toInput(from: SeatIndex, message: Broadcast): Input {
    if (message.kind === "vote") return { kind: "vote", from, vote: message.vote };
    if (message.kind === "certificate") return { kind: "certificate", from, certificate: message.certificate };
    return { kind: "proposal", from, proposal: trust(message.proposal) };
  }

  const later = (node: Node, input: Input) => at(0, () => feed(node, input));

  function perform(node: Node, effect: Effect): void {
    switch (effect.kind) {
      case "cast": {
        const vote: Vote = { ...effect.ballot, signer: node.seat, signature: new Uint8Array(0) };
        node.disk.votes.set(
          `${vote.kind} ${vote.view} ${vote.kind === "suspect" || vote.kind === "sight" ? vote.block : ""}`,
          vote,
        );
        if (effect.block) node.disk.blocks.set(effect.block.hash, effect.block);
        later(node, { kind: "vote", from: node.seat, vote });
        send(node, { kind: "vote", vote });
        return;
      }
      case "propose": {
        const header = { ...effect.header, bodyHash: hashOf(effect.body), reveal: undefined };
        const block: Block = { hash: hashOf(header), header, body: effect.body };
        allBlocks.set(block.hash, block);
        const proposal: Proposal = { block, signature: new Uint8Array(0), finalization: effect.finalization };
        node.disk.proposals.set(header.view, proposal);
        later(node, { kind: "proposal", from: node.seat, proposal: trust(proposal) });
        send(node, { kind: "proposal", proposal });
        return;
      }
      case "assemble":
      case "extend": {
        const bad = effect.votes.filter((vote) => vote.signature.length > 0).map((vote) => vote.signer);
        if (effect.kind === "assemble" && bad.length > 0)
          return later(node, { kind: "assembly-refused", ballot: effect.ballot, bad });
        const base =
          effect.kind === "extend"
            ? effect.certificate
            : { ...effect.ballot, signers: [], signature: new Uint8Array(0) };
        const signers = [...new Set([...base.signers, ...effect.votes.map((vote) => vote.signer)])].sort(
          (a, b) => a - b,
        );
        return later(node, { kind: "assembled", certificate: trust({ ...base, signers }) });
      }
      case "verify-certificate": {
        const signed = effect.certificate.signers.reduce((sum, seat) => sum + (config.members[seat]?.power ?? 0), 0);
        if (signed >= quorum && effect.certificate.signature.length === 0)
          return later(node, { kind: "certificate-verified", certificate: trust(effect.certificate) });
        return later(node, { kind: "certificate-refused", from: effect.from, certificate: effect.certificate });
      }
      case "verify-vote":
        return later(
          node,
          effect.vote.signature.length === 0
            ? { kind: "vote-verified", vote: trust(effect.vote) }
            : { kind: "vote-refused", vote: effect.vote },
        );
      case "broadcast":
        return send(node, effect.message);
      case "set-timer": {
        const id = order;
        node.timers.set(effect.timer, id);
        const { timer, view } = effect;
        return at(effect.milliseconds, () => {
          if (node.timers.get(timer) === id) feed(node, { kind: "timer", timer, view });
        });
      }
      case "clear-timer":
        node.timers.delete(effect.timer);
        return;
      case "fetch-batches":
        for (const batch of effect.batches) at(5, () => feed(node, { kind: "batch-held", batch, creator: undefined }));
        return;
      case "fetch-blocks":
        return at(5 + 5 * random(), () => serveBlocks(node, effect.tip, effect.above));
      case "commit": {
        node.disk.final.push({ block: effect.block, finalization: effect.finalization });
        const { block } = effect;
        return at(1, () => execute(node, block));
      }
      case "report-evidence":
        evidence.push({ at: node.seat, evidence: effect.evidence, offender: effect.offender });
        return;
      case "observe":
        trace.push(`${now.toFixed(1)} ${node.seat} ${JSON.stringify(effect.event)}`);
        return;
      case "settle":
      case "quarantine":
        trace.push(`${now.toFixed(1)} ${node.seat} ${effect.kind} ${effect.height}`);
        return;
      case "keep-certificate":
        return;
      default:
        effect satisfies never;
    }
  }

  function serveBlocks(node: Node, tip: Digest, above: Height): void {
    const blocks: Block[] = [];
    for (let hash = tip; hash !== config.anchor.hash; ) {
      const block = allBlocks.get(hash);
      if (!block || block.header.height <= above - 2) break;
      blocks.push(block);
      hash = block.header.parent;
    }
    feed(node, { kind: "blocks", blocks: blocks.reverse(), finalization: undefined });
  }

  function execute(node: Node, block: Block): void {
    if (!node.up) return;
    node.executedHeight = block.header.height;
    for (const change of block.body.coverage) {
      if (change.certificate.view !== node.coverage.modeSeq) continue;
      const others = node.coverage.degraded.filter((region) => region !== change.region);
      const degraded = change.kind === "degrade-region" ? [...others, change.region].sort() : others;
      node.coverage = { modeSeq: node.coverage.modeSeq + 1, degraded };
    }
    feed(node, {
      kind: "executed",
      height: block.header.height,
      root: hashOf(`root ${block.header.height}`),
      coverage: node.coverage,
    });
  }

  function restart(node: Node): void {
    node.up = true;
    node.timers.clear();
    const last = node.disk.final.at(-1);
    const executed = last
      ? { height: last.block.header.height, root: hashOf(`root ${last.block.header.height}`), coverage: node.coverage }
      : initialExecuted;
    node.state = recover(config, node.seat, {
      votes: [...node.disk.votes.values()],
      proposals: [...node.disk.proposals.values()].map((proposal) => trust(proposal)),
      blocks: [...node.disk.blocks.values()].filter((block) => block.header.height > executed.height),
      certificates: [],
      finalized: last && { block: last.block, finalization: trust(last.finalization) },
      unsettled: node.disk.final.slice(-8).map(({ block }) => block),
      executed: [executed],
    });
    for (const batch of batches.values()) feed(node, { kind: "batch-held", batch, creator: undefined });
    feed(node, { kind: "start" });
  }

  function batch(creator: number, zone = ""): BatchReference {
    const reference: BatchReference = { digest: hashOf(["batch", batches.size]), payments: 10, bytes: 1_000, zone };
    batches.set(reference.digest, reference);
    for (const node of nodes)
      at(2 * random(), () => feed(node, { kind: "batch-held", batch: reference, creator: seatIndex(creator) }));
    return reference;
  }

  function runUntil(condition: () => boolean, limit: number): boolean {
    while (!condition()) {
      const event = events.shift();
      if (!event || event.at > limit) {
        if (event) events.unshift(event);
        return false;
      }
      now = event.at;
      event.run();
    }
    return true;
  }

  for (const node of nodes) at(random(), () => feed(node, { kind: "start" }));
  const nodeAt = (seat: number) => {
    const node = nodes[seat];
    if (!node) throw new Error(`no seat ${seat}`);
    return node;
  };
  return {
    config,
    nodes,
    evidence,
    trace,
    now: () => now,
    until(condition, limitMs) {
      if (!runUntil(condition, now + limitMs))
        throw new Error(`not reached in ${limitMs} ms:\n${trace.slice(-40).join("\n")}`);
    },
    runFor(ms) {
      const end = now + ms;
      runUntil(() => false, end);
      now = end;
    },
    batch,
    governance(transaction) {
      for (const node of nodes) at(random(), () => feed(node, { kind: "governance", transaction }));
    },
    input: (seat, input) => feed(nodeAt(seat), input),
    crash(seat) {
      nodeAt(seat).up = false;
    },
    restart: (seat) => restart(nodeAt(seat)),
    link(from, to, up) {
      if (up) cut.delete(`${from}>${to}`);
      else cut.add(`${from}>${to}`);
    },
    chain: (seat) => nodeAt(seat).disk.final.map(({ block }) => block.hash),
    settled: (seat) => nodeAt(seat).state.coverage.settled,
    height: (seat) => nodeAt(seat).state.finalized.height,
  };
}

/** Every pair of chains agrees as far as both go; throws at the first difference. */
export function assertAgreement(cluster: Cluster): void {
  const chains = cluster.nodes.map((node) => cluster.chain(node.seat));
  for (const [i, a] of chains.entries()) {
    for (const b of chains.slice(i + 1)) {
      const common = Math.min(a.length, b.length);
      for (let h = 0; h < common; h++) if (a[h] !== b[h]) throw new Error(`chains differ at height ${h + 1}`);
    }
  }
}

/** A small generator (mulberry32) so that a seed is a run. */
export function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
