/** From the volume back to where this validator was: the ledger replayed, the core's durable record, the batches still to be ordered. */
import { parseBatch } from "../codec/batch.ts";
import { messageHash, type PaymentMessage } from "../codec/payment-message.ts";
import { recover } from "../consensus/recover.ts";
import type { ExecutedState, State } from "../consensus/state.ts";
import type {
  BatchReference,
  Block,
  Certificate,
  Digest,
  DurableRecord,
  Epoch,
  Height,
  SeatIndex,
  Verified,
} from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { type MemberKeys, verifyCertificate } from "../crypto/bls.ts";
import { messageHashKind, messageKeyKind } from "../ledger/execute.ts";
import type { ExecutedBlock } from "../ledger/types.ts";
import type { Recovered, Store } from "../storage/types.ts";
import { referenceOf } from "./batches.ts";
import type { ChainView } from "./chain-view.ts";
import { ownProposal, type Signers, signVote } from "./outbox.ts";

/** How many executed states the core is told of: proposals under way name roots this far back. */
const executedKept = 128;

export interface Replayed {
  /** Newest executed states, ascending. */
  readonly executed: readonly ExecutedState[];
  /** Final blocks from the first on whose batches are not all here: to be executed once they were fetched. */
  readonly rest: readonly Block[];
}

/**
 * Executes the final blocks above the ledger's height that can be executed without a peer. `execute` also turns the
 * epoch when a block closes one. Throws when the log names a final block that it does not have: storage checks before.
 */
export async function replay(
  store: Store,
  from: ExecutedState,
  execute: (block: Block) => Promise<ExecutedBlock>,
): Promise<Replayed> {
  let executed: ExecutedState[] = [from];
  const rest: Block[] = [];
  const finalHeight = store.recovered.finalized?.block.header.height ?? from.height;
  for (let at = from.height + 1; at <= finalHeight; at++) {
    const final = await store.finalBlock(toHeight(at));
    if (!final) throw new Error(`final block ${at} is missing from the log`);
    const whole = final.block.body.batches.every(({ digest }) => store.hasBatch(digest));
    if (rest.length > 0 || !whole) {
      rest.push(final.block);
      continue;
    }
    const { height, root, coverage } = await execute(final.block);
    executed = [...executed, { height, root, coverage }].slice(-executedKept);
  }
  return { executed, rest };
}

/** The newest final block of an epoch in the log, from a height of that epoch on; undefined when there is none. */
async function newestFinalOf(store: Store, epoch: Epoch, from: Height): Promise<Recovered["finalized"]> {
  const { finalized } = store.recovered;
  if (!finalized || finalized.block.header.epoch === epoch) return finalized;
  let newest: Recovered["finalized"];
  for (let at = Math.max(from, 1); ; at++) {
    const final = await store.finalBlock(toHeight(at));
    if (!final || final.block.header.epoch > epoch) return newest;
    if (final.block.header.epoch === epoch) newest = final;
  }
}

/** Did this member sign or finalize anything in this epoch before the restart? Then it begins as its record says. */
export function hasRecord({ ballots, proposals, finalized }: Recovered, epoch: Epoch): boolean {
  return (
    ballots.some((ballot) => ballot.epoch === epoch) ||
    proposals.some(({ block }) => block.header.epoch === epoch) ||
    (finalized?.block.header.epoch ?? -1) >= epoch
  );
}

/** The core as its durable record allows it to go on, in the epoch that the ledger is in. */
export async function recoverCore(
  store: Store,
  keys: MemberKeys,
  self: SeatIndex | undefined,
  signers: Signers,
  executed: readonly ExecutedState[],
): Promise<State> {
  const { config } = keys;
  const { recovered } = store;
  const mine = self === undefined ? [] : recovered.ballots.filter((ballot) => ballot.epoch === config.epoch);
  const finalized = await newestFinalOf(store, config.epoch, executed.at(-1)?.height ?? config.anchor.height);
  const finalizedView = finalized?.block.header.view ?? 0;
  const finalizedHeight = finalized?.block.header.height ?? config.anchor.height;
  const unsettled = await unsettledBlocks(store, recovered.settled?.height ?? toHeight(0), finalizedHeight);
  const record: DurableRecord = {
    votes: self === undefined ? [] : mine.map((ballot) => signVote(signers.bls, config, self, ballot)),
    proposals: recovered.proposals
      .filter(({ block }) => block.header.epoch === config.epoch && block.header.view > finalizedView)
      .map((proposal) => ownProposal(signers.peer, keys, proposal)),
    blocks: recovered.blocks.filter(({ header }) => header.epoch === config.epoch),
    certificates: recovered.certificates
      .filter(({ epoch, view }) => epoch === config.epoch && view >= finalizedView)
      .map((certificate) => verifyCertificate(keys, certificate))
      .filter((certificate): certificate is Verified<Certificate> => certificate !== undefined),
    finalized: finalized && { block: finalized.block, finalization: verifiedOwn(keys, finalized.finalization) },
    unsettled,
    executed,
  };
  return recover(config, self, record);
}

/**
 * The core at another point of the same epoch, higher up: final there by the certificate over the last of `blocks`,
 * executed up to the first. What this member has signed stays with it (rule 5).
 */
export function moveCore(
  before: State,
  to: {
    readonly finalized: { readonly blocks: readonly Block[]; readonly finalization: Verified<Certificate> };
    readonly executed: readonly ExecutedState[];
    /** Held batches that a block below has. */
    readonly ordered: ReadonlySet<Digest>;
  },
): State {
  const { blocks, finalization } = to.finalized;
  const last = blocks.at(-1);
  if (!last) throw new Error("a checkpoint comes with its block");
  const { self } = before;
  const rounds = [...before.rounds.values()].filter(({ view }) => view >= last.header.view);
  const own = (round: (typeof rounds)[number]) =>
    self === undefined ? [] : Object.values(round.votes).flatMap((votes) => votes.get(self) ?? []);
  const moved = recover(before.config, self, {
    votes: rounds.flatMap(own),
    proposals: rounds.flatMap((round) => (round.own.proposed && round.proposal ? [round.proposal] : [])),
    blocks: [...blocks, ...before.blocks.values()],
    certificates: rounds.flatMap(({ notarization, nullification, finalization: final }) =>
      [notarization, nullification, final].filter((certificate) => certificate !== undefined),
    ),
    finalized: { block: last, finalization },
    unsettled: blocks.slice(1),
    executed: to.executed,
  });
  const payload = new Map([...before.payload].filter(([digest]) => !to.ordered.has(digest)));
  return carryOver({ ...before, payload }, moved);
}

/** What a core knows beside the chain, given to the one that takes its place. */
export function carryOver(before: State, next: State): State {
  const { payload, governance, diskHealthy, quarantined, pacemaker } = before;
  return { ...next, payload, governance, diskHealthy, quarantined, pacemaker };
}

function verifiedOwn(keys: MemberKeys, certificate: Certificate): Verified<Certificate> {
  const verified = verifyCertificate(keys, certificate);
  if (!verified) throw new Error(`the finalization of view ${certificate.view} in the log does not verify`);
  return verified;
}

/** Final blocks above the settled height, ascending. */
async function unsettledBlocks(store: Store, settled: Height, finalized: Height): Promise<readonly Block[]> {
  const blocks: Block[] = [];
  for (let at = Math.max(settled + 1, store.lowestHeight, 1); at <= finalized; at++) {
    const final = await store.finalBlock(toHeight(at));
    if (final) blocks.push(final.block);
  }
  return blocks;
}

/**
 * Stored batches that no final block carries: accepted before the restart, perhaps, and still to be ordered. The block
 * that had one may be gone from the log: the executed keys tell.
 */
export async function unorderedBatches(store: Store, chain: ChainView): Promise<readonly BatchReference[]> {
  const references: BatchReference[] = [];
  for (const digest of store.recovered.batches) {
    const bytes = await store.batch(digest);
    const parsed = bytes && parseBatch(bytes);
    if (parsed?.kind === "ok" && parsed.value.messages.some((message) => wasExecuted(store, message))) continue;
    const zone = parsed?.kind === "ok" ? chain.zoneName(parsed.value.zone) : undefined;
    if (parsed?.kind === "ok" && zone !== undefined) references.push(referenceOf(parsed.value, zone));
  }
  return references;
}

/** Does a block up to the ledger's height have a message of this key, or this very message, rejected whole? */
export function wasExecuted({ keys }: Pick<Store, "keys">, { header, bytes }: PaymentMessage): boolean {
  const { kind, institution, messageKey } = header;
  return (
    keys.find(kind | messageKeyKind, institution, messageKey, 0) !== undefined ||
    keys.find(kind | messageHashKind, institution, messageHash(bytes), 0) !== undefined
  );
}
