/** Final blocks above a checkpoint: whether they follow it and are final, before any is executed. */
import { parseBatch } from "../validator/codec/batch.ts";
import type { Block, Certificate, Height, Verified } from "../validator/consensus/types.ts";
import { type MemberKeys, verifyCertificate } from "../validator/crypto/bls.ts";

/** Blocks in a row from the height above the checkpoint on; the last is final by the certificate and names the root at `to`. */
export interface Tail {
  readonly blocks: readonly Block[];
  readonly finalization: Verified<Certificate>;
  readonly to: Height;
}

export type TailCheck =
  | { readonly kind: "tail"; readonly tail: Tail }
  | { readonly kind: "forged"; readonly reason: string };

const forged = (reason: string): TailCheck => ({ kind: "forged", reason });

/** `keys`: of the epoch that the checkpoint's proof is of. */
export function checkTail(
  keys: MemberKeys,
  height: Height,
  {
    blocks,
    certificate,
    to,
  }: { readonly blocks: readonly Block[]; readonly certificate: Certificate; readonly to: Height },
): TailCheck {
  const { chainId, epoch } = keys.config;
  for (const [i, { header }] of blocks.entries()) {
    if (header.chainId !== chainId || header.epoch !== epoch)
      return forged("a block above is of another chain or epoch");
    if (header.height !== height + 1 + i)
      return forged(`block ${header.height} stands where ${height + 1 + i} belongs`);
    const before = blocks[i - 1];
    if (before && header.parent !== before.hash) return forged(`block ${header.height} is not on the one before it`);
  }
  const last = blocks.at(-1);
  if (!last || to <= height || last.header.rootHeight !== to) return forged("no block above names a later root");
  if (certificate.kind !== "finalize" || certificate.block !== last.hash)
    return forged("the certificate above finalizes another block");
  const finalization = verifyCertificate(keys, certificate);
  return finalization
    ? { kind: "tail", tail: { blocks, finalization, to } }
    : forged("a finalization above does not verify");
}

/** Are these bytes the batch that the block names? */
export function isBatchOf(block: Block, index: number, bytes: Uint8Array): boolean {
  const parsed = parseBatch(bytes);
  return parsed.kind === "ok" && parsed.value.digest === block.body.batches[index]?.digest;
}
