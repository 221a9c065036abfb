/** Blocks, certificates and batches for the tests of storage: well-formed, with signatures that nobody checks here. */
import { createHash } from "node:crypto";
import { sealBlock } from "../codec/block.ts";
import type { Block, Certificate, Digest, VoteKind } from "../consensus/types.ts";
import { digest, epoch, height, seatIndex, view, zeroDigest } from "../consensus/types.ts";
import type { StoreOpening } from "./store.ts";
import type { Store } from "./types.ts";

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function bytesFrom(random: () => number): (length: number) => Uint8Array {
  return (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return digest(createHash("sha256").update(bytes).digest("hex"));
}

export function testBlock(at: number, batches: readonly Digest[] = [], salt = 0): Block {
  return sealBlock(
    {
      chainId: digestOf("chain"),
      epoch: epoch(0),
      view: view(at),
      height: height(at),
      parentView: view(at - 1),
      parent: zeroDigest,
      time: 1_000 + at + salt,
      proposer: seatIndex(0),
      closing: false,
      rootHeight: height(0),
      root: zeroDigest,
    },
    { batches: batches.map((d) => ({ digest: d, payments: 1, bytes: 10, zone: "" })), governance: [], coverage: [] },
    undefined,
  );
}

export function testCertificate(kind: VoteKind, at: number, block: Digest): Certificate {
  return {
    kind,
    epoch: epoch(0),
    view: view(at),
    block,
    signers: [seatIndex(0), seatIndex(2)],
    signature: new Uint8Array(96).fill(7),
  };
}

export function opened(opening: StoreOpening): Store {
  if (opening.kind === "ok") return opening.store;
  throw new Error(`the store did not open: ${JSON.stringify(opening.fault)}`);
}
