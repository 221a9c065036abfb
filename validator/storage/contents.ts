/**
 * What the log holds, in memory: where each block, batch, private payload and final height stands, and the small
 * entries recovery needs. Fed by the scan at start and by every commit, in the same order with the same result.
 * Bounded by what the log retains.
 */
import type { Ballot, Block, Certificate, Digest, Height } from "../consensus/types.ts";
import { height, zeroDigest } from "../consensus/types.ts";
import type { Location } from "./log.ts";
import type { Decoded } from "./record.ts";
import type { Entry, Recovered } from "./types.ts";

interface BlockRow {
  location: Location;
  readonly height: number;
  readonly batches: readonly Digest[];
}

interface BatchRow {
  location: Location;
  /** Newest final height when it came, or when it came again. */
  after: number;
  /** Highest final block that carries it; 0: none. */
  final: number;
}

interface OutcomeRow {
  location: Location;
}

interface PrivateRow {
  location: Location;
  readonly after: number;
  readonly batch: Digest;
}

interface FinalRow {
  location: Location;
  readonly hash: Digest;
}

/** An own ballot, own proposal, certificate or settled height that recovery may need. */
export interface Kept {
  readonly entry: Extract<Entry, { kind: "ballot" | "proposal" | "certificate" | "settled" }>;
  segment: number;
}

export interface Contents {
  /** Adds what a record says, now durable at this place. */
  add(decoded: Decoded, location: Location): void;
  /** After the scan: completes what entries written again behind newer ones have told too late. */
  settle(): void;
  readonly finalHeight: Height;
  /** Lowest final height from which on every block is held; 0 when none is final. */
  readonly lowestHeight: Height;
  blockAt(hash: Digest): Location | undefined;
  batchAt(digest: Digest): Location | undefined;
  /** The batch came again: its wait for a block begins anew. False when it is not held. */
  touchBatch(digest: Digest): boolean;
  privateAt(message: string): Location | undefined;
  outcomeAt(height: Height): Location | undefined;
  finalAt(height: Height): { readonly hash: Digest; readonly location: Location } | undefined;
  recovered(): Omit<Recovered, "checkpoint">;
  /** What of a segment is still needed when heights below are dropped. `grace`: blocks that a batch may wait for its place in one. */
  needed(segment: number, belowHeight: number, grace: number): Needed;
  /** Forgets everything that stands in this segment, and finals below the height. */
  forget(segment: number, belowHeight: number): void;
}

export interface Needed {
  /** To be written again as they stand. */
  readonly records: readonly NeededRecord[];
  readonly kept: readonly Kept[];
}

export interface NeededRecord {
  readonly kind: "block" | "batch" | "private" | "final" | "outcome";
  readonly location: Location;
  /** Says where it stands now. */
  readonly move: (to: Location) => void;
}

interface SegmentKeys {
  readonly blocks: Digest[];
  readonly batches: Digest[];
  readonly privates: string[];
  readonly finals: number[];
  readonly outcomes: number[];
}

export function createContents(): Contents {
  const blocks = new Map<Digest, BlockRow>();
  const batches = new Map<Digest, BatchRow>();
  const privates = new Map<string, PrivateRow>();
  const finals = new Map<number, FinalRow>();
  const outcomes = new Map<number, OutcomeRow>();
  const segments = new Map<number, SegmentKeys>();
  /** Blocks above the newest final one and that one itself, whole: recovery returns them. */
  const unfinished = new Map<Digest, Block>();
  let kept: Kept[] = [];
  let newest: { readonly block: Block; readonly finalization: Certificate } | undefined;
  let newestFinal: { readonly hash: Digest; readonly finalization: Certificate } | undefined;
  let finalHeight = 0;
  let lowestHeight = 0;

  const keysOf = (segment: number): SegmentKeys => {
    let keys = segments.get(segment);
    if (keys === undefined) {
      keys = { blocks: [], batches: [], privates: [], finals: [], outcomes: [] };
      segments.set(segment, keys);
    }
    return keys;
  };

  function addFinal(at: number, hash: Digest, finalization: Certificate, location: Location): void {
    finals.set(at, { location, hash });
    keysOf(location.segment).finals.push(at);
    for (const carried of blocks.get(hash)?.batches ?? []) {
      const row = batches.get(carried);
      if (row) row.final = Math.max(row.final, at);
    }
    if (at < finalHeight) return;
    // A jump past unknown heights (a checkpoint was fetched): what is held starts anew there.
    if (lowestHeight === 0 || at > finalHeight + 1) lowestHeight = at;
    finalHeight = at;
    newestFinal = { hash, finalization };
    const block = newest?.block.hash === hash ? newest.block : unfinished.get(hash);
    if (block) finish(block, finalization);
  }

  function finish(block: Block, finalization: Certificate): void {
    newest = { block, finalization };
    for (const [hash, { header }] of unfinished) if (header.height <= block.header.height) unfinished.delete(hash);
    kept = kept.filter((row) => isNeeded(row.entry));
  }

  function isNeeded(entry: Kept["entry"]): boolean {
    if (entry.kind === "settled") return true;
    if (newest === undefined) return true;
    const { header } = newest.block;
    const said =
      entry.kind === "proposal"
        ? entry.proposal.block.header
        : entry.kind === "ballot"
          ? entry.ballot
          : entry.certificate;
    if (said.epoch !== header.epoch) return said.epoch > header.epoch;
    // For these two the view counts changes of mode.
    if ("kind" in said && (said.kind === "suspect" || said.kind === "sight")) return true;
    return said.view >= header.view;
  }

  function keep(entry: Kept["entry"], segment: number): void {
    if (!isNeeded(entry)) return;
    if (entry.kind === "certificate") {
      // A certificate may come again with more signers.
      const { kind, epoch, view, block } = entry.certificate;
      const same = kept.findIndex(
        ({ entry: old }) =>
          old.kind === "certificate" &&
          old.certificate.kind === kind &&
          old.certificate.epoch === epoch &&
          old.certificate.view === view &&
          old.certificate.block === block,
      );
      if (same >= 0) kept.splice(same, 1);
    }
    if (entry.kind === "settled") {
      if (kept.some(({ entry: old }) => old.kind === "settled" && old.height > entry.height)) return;
      kept = kept.filter(({ entry: old }) => old.kind !== "settled");
    }
    kept.push({ entry, segment });
  }

  function addBlock(block: Block, location: Location): void {
    const known = blocks.get(block.hash);
    if (known) known.location = location;
    else
      blocks.set(block.hash, {
        location,
        height: block.header.height,
        batches: block.body.batches.map((b) => b.digest),
      });
    keysOf(location.segment).blocks.push(block.hash);
    if (block.header.height > finalHeight) unfinished.set(block.hash, block);
    // Pruning writes entries again behind newer ones: the scan may meet the block after its final entry.
    else if (newestFinal?.hash === block.hash && newest?.block.hash !== block.hash)
      finish(block, newestFinal.finalization);
  }

  return {
    add: (decoded, location) => {
      switch (decoded.kind) {
        case "ballot":
        case "certificate":
        case "settled":
          return keep(decoded, location.segment);
        case "proposal":
          return keep(decoded, location.segment);
        case "block":
          return addBlock(decoded.block, location);
        case "final":
          return addFinal(decoded.height, decoded.hash, decoded.finalization, location);
        case "outcome":
          outcomes.set(decoded.height, { location });
          keysOf(location.segment).outcomes.push(decoded.height);
          return;
        case "batch": {
          const known = batches.get(decoded.digest);
          if (known) known.location = location;
          else batches.set(decoded.digest, { location, after: decoded.after, final: 0 });
          keysOf(location.segment).batches.push(decoded.digest);
          return;
        }
        case "private": {
          privates.set(decoded.message, { location, after: decoded.after, batch: decoded.batch });
          keysOf(location.segment).privates.push(decoded.message);
          return;
        }
      }
    },
    settle: () => {
      for (const [at, { hash }] of finals) {
        for (const carried of blocks.get(hash)?.batches ?? []) {
          const row = batches.get(carried);
          if (row) row.final = Math.max(row.final, at);
        }
      }
      const held = (at: number) => blocks.has(finals.get(at)?.hash ?? zeroDigest);
      while (lowestHeight > 1 && held(lowestHeight - 1)) lowestHeight--;
    },
    get finalHeight() {
      return height(finalHeight);
    },
    get lowestHeight() {
      return height(lowestHeight);
    },
    blockAt: (hash) => blocks.get(hash)?.location,
    batchAt: (at) => batches.get(at)?.location,
    touchBatch: (at) => {
      const row = batches.get(at);
      if (row) row.after = Math.max(row.after, finalHeight);
      return row !== undefined;
    },
    privateAt: (message) => privates.get(message)?.location,
    outcomeAt: (at) => outcomes.get(at)?.location,
    finalAt: (at) => (at < lowestHeight ? undefined : finals.get(at)),
    recovered: () => {
      // Only what this member signed itself tells that it was in a later epoch than the newest final block's.
      let epoch = newest?.block.header.epoch ?? 0;
      for (const { entry } of kept) {
        if (entry.kind === "ballot") epoch = Math.max(epoch, entry.ballot.epoch);
        if (entry.kind === "proposal") epoch = Math.max(epoch, entry.proposal.block.header.epoch);
      }
      let settled: Recovered["settled"];
      const ballots: Ballot[] = [];
      const proposals: Recovered["proposals"][number][] = [];
      const certificates: Certificate[] = [];
      for (const { entry } of kept) {
        if (entry.kind === "settled") settled = { height: entry.height, finalization: entry.finalization };
        if (entry.kind === "ballot" && entry.ballot.epoch === epoch) ballots.push(entry.ballot);
        if (entry.kind === "proposal" && entry.proposal.block.header.epoch === epoch) proposals.push(entry.proposal);
        if (entry.kind === "certificate" && entry.certificate.epoch === epoch) certificates.push(entry.certificate);
      }
      const above = [...unfinished.values()].filter((block) => block.header.height > finalHeight);
      const waiting = [...batches].filter(([, row]) => row.final === 0).map(([at]) => at);
      return { ballots, proposals, certificates, blocks: above, finalized: newest, batches: waiting, settled };
    },
    needed: (segment, belowHeight, grace) => {
      const keys = segments.get(segment);
      const records: NeededRecord[] = [];
      const need = <K>(
        kind: NeededRecord["kind"],
        row: { location: Location },
        index: (keys: SegmentKeys) => K[],
        key: K,
      ) => {
        const move = (to: Location) => {
          row.location = to;
          index(keysOf(to.segment)).push(key);
        };
        // A key may stand twice in a segment; its row names one place.
        if (!records.some((record) => record.location === row.location))
          records.push({ kind, location: row.location, move });
      };
      // A batch may be proposed once more after the block that carried it was final: the vote rests on it until that
      // proposal is decided.
      const voted = new Set(
        [...unfinished.values()].flatMap(({ header, body }) =>
          header.height > finalHeight ? body.batches.map(({ digest }) => digest) : [],
        ),
      );
      const batchNeeded = (digest: Digest, row: BatchRow) =>
        voted.has(digest) || (row.final > 0 ? row.final >= belowHeight : row.after + grace >= belowHeight);
      for (const at of keys?.finals ?? []) {
        const row = finals.get(at);
        if (row?.location.segment === segment && (at >= belowHeight || at === finalHeight))
          need("final", row, (k) => k.finals, at);
      }
      for (const at of keys?.outcomes ?? []) {
        const row = outcomes.get(at);
        if (row?.location.segment === segment && at >= belowHeight) need("outcome", row, (k) => k.outcomes, at);
      }
      for (const hash of keys?.blocks ?? []) {
        const row = blocks.get(hash);
        if (row?.location.segment !== segment) continue;
        const final = finals.get(row.height);
        const carried = row.height > finalHeight || (row.height === finalHeight && final?.hash === hash);
        if (carried || (row.height >= belowHeight && final?.hash === hash)) need("block", row, (k) => k.blocks, hash);
      }
      for (const at of keys?.batches ?? []) {
        const row = batches.get(at);
        if (row?.location.segment === segment && batchNeeded(at, row)) need("batch", row, (k) => k.batches, at);
      }
      for (const message of keys?.privates ?? []) {
        const row = privates.get(message);
        if (row?.location.segment !== segment) continue;
        const batch = row.batch === zeroDigest ? undefined : batches.get(row.batch);
        const wanted = batch ? batchNeeded(row.batch, batch) : row.after + grace >= belowHeight;
        if (wanted) need("private", row, (k) => k.privates, message);
      }
      return { records, kept: kept.filter((row) => row.segment === segment && isNeeded(row.entry)) };
    },
    forget: (segment, belowHeight) => {
      const keys = segments.get(segment);
      segments.delete(segment);
      for (const at of keys?.finals ?? []) if (finals.get(at)?.location.segment === segment) finals.delete(at);
      for (const at of keys?.outcomes ?? []) if (outcomes.get(at)?.location.segment === segment) outcomes.delete(at);
      for (const hash of keys?.blocks ?? []) if (blocks.get(hash)?.location.segment === segment) blocks.delete(hash);
      for (const at of keys?.batches ?? []) if (batches.get(at)?.location.segment === segment) batches.delete(at);
      for (const at of keys?.privates ?? []) if (privates.get(at)?.location.segment === segment) privates.delete(at);
      kept = kept.filter((row) => row.segment !== segment);
      lowestHeight = Math.min(finalHeight, Math.max(lowestHeight, belowHeight));
    },
  };
}
