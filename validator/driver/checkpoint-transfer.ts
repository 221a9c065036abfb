/** A peer's checkpoint: fetched in parts, verified against its epoch's set, to which trust was handed over, before anything of it is believed. */
import { decodeBlocks, decodeCheckpointPart, encodeFetchBlocks, encodeFetchCheckpoint } from "../codec/exchange.ts";
import type { Block, Certificate, Height, SeatIndex, Verified } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { type MemberKeys, verifyCertificate } from "../crypto/bls.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { checkKeys } from "../ledger/keys-check.ts";
import type { StagedKeys } from "../storage/staged-keys.ts";
import type { Checkpoint, Store } from "../storage/types.ts";
import { followTo, type StoredHandover } from "./handover-transfer.ts";
import { type Chain, ledgerFromCheckpoint } from "./ledger-port.ts";
import type { Limits } from "./limits.ts";
import type { Membership } from "./membership.ts";
import type { Network } from "./ports.ts";
import { handoversPart, keysPart, statePart } from "./serving.ts";

export interface FetchedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly ledger: SettlementLedger;
  /** Of the epoch that it leads into. */
  readonly keys: MemberKeys;
  /** From this member's epoch to that one; none when they are one. */
  readonly handovers: readonly StoredHandover[];
  /** From the checkpoint's own block on, ascending; the last is final by the certificate. None when it ends an epoch that is not this member's. */
  readonly blocks: readonly Block[];
  readonly finalization: Verified<Certificate>;
}

export type CheckpointFetch =
  | ({ readonly kind: "fetched" } & FetchedCheckpoint)
  | { readonly kind: "none"; readonly reason: string }
  /** No honest member sends this. */
  | { readonly kind: "dishonest"; readonly fault: CheckpointFault; readonly reason: string };

/** What is wrong with a checkpoint: its shape, the way to its epoch, its certificate, the state, the executed keys, the blocks above it. */
export type CheckpointFault = "malformed" | "no-way" | "not-certified" | "wrong-state" | "wrong-keys" | "no-chain";

export interface TransferOptions {
  readonly network: Pick<Network, "request">;
  readonly membership: () => Membership;
  readonly keys: () => MemberKeys;
  readonly chain: Chain;
  readonly store: Store;
  readonly limits: Pick<Limits, "requestTimeoutMs" | "replyBlocks">;
}

const none = (reason: string): CheckpointFetch => ({ kind: "none", reason });
const dishonest = (fault: CheckpointFault, reason: string) => ({ kind: "dishonest", fault, reason }) as const;

/**
 * Fetches the newest checkpoint of a member that is above the height. The executed keys it brings are added to the
 * store's once they were found to be those of the certified state. Rejects with `StorageFaultError` when the disk fails.
 */
export async function fetchCheckpoint(
  options: TransferOptions,
  seat: SeatIndex,
  above: Height,
): Promise<CheckpointFetch> {
  const { network, membership, keys, chain, store, limits } = options;
  const peer = membership().peerOf(seat);
  if (peer === undefined) return none("not a member");

  async function part(height: Height, index: number) {
    const bytes = encodeFetchCheckpoint({ height, part: index });
    const reply = await network.request(peer as string, "fetch-checkpoint", bytes, limits.requestTimeoutMs);
    return reply.kind === "ok" ? decodeCheckpointPart(reply.bytes) : undefined;
  }

  const first = await part(toHeight(0), 0);
  if (!first) return none("no answer");
  if (first.kind === "refused") return dishonest("malformed", first.error.reason);
  const { height, parts, proof } = first.value;
  if (height <= above || !proof) return none("it has no newer checkpoint that is proven");
  const { block, finalization } = proof;
  if (block.header.epoch < keys().config.epoch) return none("its checkpoint is of an earlier epoch");
  const way = await followTo(block.header.epoch, keys(), async (from) => {
    const answer = await part(height, parts + from);
    if (answer?.kind !== "ok" || answer.value.content[0] !== handoversPart) return undefined;
    return answer.value.content.subarray(1);
  });
  if (way.kind === "dishonest") return dishonest("no-way", way.reason);
  if (way.kind === "none") return none("it does not show the way to its checkpoint's epoch");
  const { handovers } = way;
  const verifiedProof = verifyCertificate(way.keys, finalization);
  if (!verifiedProof) return dishonest("not-certified", "a checkpoint's finalization that does not verify");
  if (finalization.kind !== "finalize" || finalization.block !== block.hash || block.header.rootHeight !== height)
    return dishonest("not-certified", "a checkpoint's proof that is of another block");

  const state: Uint8Array[] = [];
  let ledger: SettlementLedger | undefined;
  let staged: StagedKeys | undefined;
  try {
    for (let i = 0; i < parts; i++) {
      const fetched = i === 0 ? first : await part(height, i);
      if (!fetched) return none("it stopped answering");
      if (fetched.kind === "refused") return dishonest("malformed", fetched.error.reason);
      if (fetched.value.height !== height) return none("it has dropped the checkpoint");
      const [tag, content] = [fetched.value.content[0], fetched.value.content.subarray(1)];
      if (tag === statePart && !staged) state.push(content.slice());
      else if (tag === keysPart) {
        // The state comes first: it says from which block on there are keys.
        ledger ??= ledgerFromCheckpoint(chain, store.keys, state);
        if (!ledger || ledger.executed.height !== height || ledger.executed.root !== block.header.root)
          return dishonest("wrong-state", "a checkpoint whose state is not the certified one");
        staged ??= await store.stageKeys({ above: ledger.forgotten, height });
        if ((await staged.add(content)) !== "ok") return dishonest("malformed", "executed keys that are none");
      } else return dishonest("malformed", "a checkpoint's part that is none");
    }
    ledger ??= ledgerFromCheckpoint(chain, store.keys, state);
    if (!ledger || ledger.executed.height !== height || ledger.executed.root !== block.header.root)
      return dishonest("wrong-state", "a checkpoint whose state is not the certified one");
    const scan = () => staged?.parts() ?? noParts();
    const keysChecked = await checkKeys({ history: ledger.history, above: ledger.forgotten, scan });
    if (keysChecked.kind === "wrong")
      return dishonest("wrong-keys", `a checkpoint's executed keys: ${keysChecked.reason}`);
    for await (const keysOf of scan()) await store.keys.import(keysOf, height);
  } finally {
    await staged?.discard();
  }

  if (ledger.epochConfig.epoch !== block.header.epoch)
    return dishonest("wrong-state", "a checkpoint whose state is of another epoch than its proof");
  const checkpoint: Checkpoint = { height, root: block.header.root, proof, parts: state };
  const found = { kind: "fetched", checkpoint, ledger, keys: way.keys, handovers } as const;
  // It ends an epoch that nobody here knows the set of: the state names its last block, and that is all there is to know.
  if (handovers.length > 0 && ledger.epochConfig.anchor.height === height)
    return { ...found, blocks: [], finalization: verifiedProof };

  const request = encodeFetchBlocks({ tip: undefined, above: toHeight(height - 1), limit: limits.replyBlocks });
  const reply = await network.request(peer, "fetch-blocks", request, limits.requestTimeoutMs);
  const chainFrom = reply.kind === "ok" ? decodeBlocks(reply.bytes) : undefined;
  if (chainFrom?.kind !== "ok") return none("it does not give the checkpoint's block");
  const { blocks } = chainFrom.value;
  const certified = chainFrom.value.finalization && verifyCertificate(way.keys, chainFrom.value.finalization);
  if (blocks[0]?.header.height !== height || !certified || certified.block !== blocks.at(-1)?.hash)
    return none("it does not give the checkpoint's block");
  const linked = blocks.every((next, i) => i === 0 || next.header.parent === blocks[i - 1]?.hash);
  if (!linked) return dishonest("no-chain", "blocks that are no chain");
  return { ...found, blocks, finalization: certified };
}

async function* noParts(): AsyncGenerator<Uint8Array> {}
