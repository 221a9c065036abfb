/** A peer's checkpoint: fetched in parts, and nothing of it believed before `checkpoint-check.ts` did. */
import { decodeBlocks, decodeCheckpointPart, encodeFetchBlocks, encodeFetchCheckpoint } from "../codec/exchange.ts";
import type { Block, Certificate, Height, SeatIndex, Verified } from "../consensus/types.ts";
import { height as toHeight } from "../consensus/types.ts";
import { type MemberKeys, verifyCertificate } from "../crypto/bls.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import type { Checkpoint, Store } from "../storage/types.ts";
import { type CheckpointFault, type CheckpointPart, checkCheckpoint } from "./checkpoint-check.ts";
import type { StoredHandover } from "./handover-transfer.ts";
import type { Chain } from "./ledger-port.ts";
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
  if (proof.block.header.epoch < keys().config.epoch) return none("its checkpoint is of an earlier epoch");

  async function* received(): AsyncGenerator<CheckpointPart> {
    for (let i = 0; i < parts; i++) {
      const fetched = i === 0 ? first : await part(height, i);
      if (!fetched) return yield { kind: "missing", reason: "it stopped answering" };
      if (fetched.kind === "refused") return yield { kind: "malformed", reason: fetched.error.reason };
      if (fetched.value.height !== height) return yield { kind: "missing", reason: "it has dropped the checkpoint" };
      const kind = partKinds.get(fetched.value.content[0] ?? -1);
      if (kind === undefined) return yield { kind: "malformed", reason: "a checkpoint's part that is none" };
      yield { kind, content: fetched.value.content.subarray(1) };
    }
  }

  const claim = {
    height,
    proof,
    handovers: async (from: number) => {
      const answer = await part(height, parts + from);
      if (answer?.kind !== "ok" || answer.value.content[0] !== handoversPart) return undefined;
      return answer.value.content.subarray(1);
    },
    parts: received(),
  };
  const believed = await checkCheckpoint({ chain, keys: keys(), store }, claim);
  if (believed.kind !== "believed") return believed;
  const { checkpoint, ledger, handovers, certificate } = believed;
  const found = { kind: "fetched", checkpoint, ledger, keys: believed.keys, handovers } as const;
  // It ends an epoch that nobody here knows the set of: the state names its last block, and that is all there is to know.
  if (handovers.length > 0 && ledger.epochConfig.anchor.height === height)
    return { ...found, blocks: [], finalization: certificate };

  const request = encodeFetchBlocks({ tip: undefined, above: toHeight(height - 1), limit: limits.replyBlocks });
  const reply = await network.request(peer, "fetch-blocks", request, limits.requestTimeoutMs);
  const chainFrom = reply.kind === "ok" ? decodeBlocks(reply.bytes) : undefined;
  if (chainFrom?.kind !== "ok") return none("it does not give the checkpoint's block");
  const { blocks } = chainFrom.value;
  const certified = chainFrom.value.finalization && verifyCertificate(believed.keys, chainFrom.value.finalization);
  if (blocks[0]?.header.height !== height || !certified || certified.block !== blocks.at(-1)?.hash)
    return none("it does not give the checkpoint's block");
  const linked = blocks.every((next, i) => i === 0 || next.header.parent === blocks[i - 1]?.hash);
  if (!linked) return dishonest("no-chain", "blocks that are no chain");
  return { ...found, blocks, finalization: certified };
}

/** By the first byte of a part. */
const partKinds: ReadonlyMap<number, "state" | "keys"> = new Map([
  [statePart, "state"],
  [keysPart, "keys"],
]);
