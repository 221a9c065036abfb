/**
 * Slow disks; with many a vote and proposal, as it leaves, the sender's volume is opened as a power cut at that instant
 * would have left it. It has to hold what was just said, and what that relies on (consensus.md, Durable before sent).
 */
import type { Gossip } from "../../../codec/peer.ts";
import { openStore } from "../../../storage/store.ts";
import { type Arena, createArena } from "../arena.ts";
import { type Scenario, Violation } from "../violation.ts";

/** Volumes opened in one world. */
const cuts = 80;

export const powerCut: Scenario = {
  name: "power-cut",
  async run(seed) {
    const arena = createArena({ seed });
    const { swarm } = arena;
    const { random } = swarm.world;
    await swarm.startAll();
    for (const node of swarm.nodes) node.syncDelay = 1 + 20 * random();
    const checks: Promise<Violation | undefined>[] = [];
    const said = new Set<string>();
    arena.meddle((from, _to, message, bytes) => {
      const key = nameOf(from, message);
      if (key !== undefined && !said.has(key) && checks.length < cuts && random() < 0.4)
        checks.push(lost(arena, from, message));
      if (key !== undefined) said.add(key);
      return bytes;
    });
    const ids = Array.from({ length: 15 }, (_, i) => `m${i}`);
    for (const [i, id] of ids.entries()) {
      arena.pay(id, i % 4);
      await arena.runFor(300 * random());
    }
    await arena.settled(ids, 60_000, "liveness");
    for (const check of checks) {
      const violation = await check;
      if (violation) throw violation;
    }
  },
};

/** Distinguishes what is said from what is said again. */
function nameOf(from: number, message: Gossip): string | undefined {
  if (message.kind === "proposal") return `${from} propose ${message.proposal.block.hash}`;
  if (message.kind !== "vote" || message.vote.signer !== from) return undefined;
  return `${from} ${message.vote.kind} ${message.vote.view} ${message.vote.block}`;
}

/** What of the message a power cut right now would lose. */
async function lost(arena: Arena, from: number, message: Gossip): Promise<Violation | undefined> {
  const disk = arena.swarm.nodes[from]?.disk.copy();
  if (!disk) throw new Error(`no member ${from}`);
  // The worst of cuts: nothing that was not synced is there.
  disk.crash(() => 0);
  const opening = await openStore(disk, "/volume", {
    random: (bytes) => new Uint8Array(bytes),
    segmentBytes: 1 << 18,
    leastFree: 1 << 12,
  });
  const violation = (what: string) => new Violation("durable before sent", `member ${from} lost ${what}`);
  if (opening.kind === "fault") return violation(`its volume: ${opening.fault.message}`);
  const { store } = opening;
  if (message.kind === "proposal") {
    const { block } = message.proposal;
    const held =
      block.header.proposer !== from || store.recovered.proposals.some((kept) => kept.block.hash === block.hash);
    return held ? undefined : violation(`its proposal of view ${block.header.view}`);
  }
  if (message.kind !== "vote") return undefined;
  const { kind, view, block } = message.vote;
  const ballots = store.recovered.ballots;
  if (!ballots.some((ballot) => ballot.kind === kind && ballot.view === view && ballot.block === block))
    return violation(`its ${kind} of view ${view}`);
  const batches = kind === "notarize" ? (arena.audit.blocks.get(block)?.body.batches ?? []) : [];
  if (!batches.every(({ digest }) => store.hasBatch(digest))) return violation(`a batch of the block of view ${view}`);
  return undefined;
}
