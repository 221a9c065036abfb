import { describe, expect, test } from "vitest";
import { sealBlock } from "../codec/block.ts";
import type { Certificate } from "../consensus/types.ts";
import { epoch, height, seatIndex, view } from "../consensus/types.ts";
import { restoreLedger } from "./execute.ts";
import { buildTransaction, parseTransaction } from "./governance.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { buildProof, decodeProof, encodeProof, genesisAnchor, verifyProof } from "./proof.ts";
import { receiptSource } from "./receipt-tree.ts";
import { batchOf, message, testChain } from "./testing/chain.ts";

/** The same frames every time: a failure names its number. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A good frame with bytes changed, cut, repeated or put in; or nothing but noise. */
function mutated(good: Uint8Array, next: () => number): Uint8Array {
  const below = (n: number) => Math.floor(next() * n);
  const kind = below(8);
  if (kind === 0) return Uint8Array.from({ length: below(200) }, () => below(256));
  if (kind === 1) return good.subarray(0, below(good.length));
  const bytes = good.slice();
  for (let i = 0; i <= below(4); i++) bytes[below(bytes.length)] = kind < 4 ? below(256) : below(2) * 255;
  if (kind !== 7) return bytes;
  const [from, to, at] = [below(bytes.length), below(bytes.length), below(bytes.length)];
  return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(Math.min(from, to), Math.max(from, to)));
}

const chain = testChain();
const paid = message(chain, "a", [{ id: 1 }, { id: 2, amount: 0 }, { id: 3 }]);
const { messages } = chain.execute([batchOf(paid)]);

/** `handovers`: how often its own set is handed over. */
function proof(handovers: number): Uint8Array {
  const { root } = chain.ledger.executed;
  const { header, hash } = sealBlock(
    {
      chainId: chain.chainId,
      epoch: epoch(0),
      view: view(9),
      height: height(2),
      parentView: view(8),
      parent: chain.chainId,
      time: chain.genesis.time + 1,
      proposer: seatIndex(0),
      closing: false,
      rootHeight: height(1),
      root,
    },
    { batches: [], governance: [], coverage: [] },
    undefined,
  );
  const finalization: Certificate = {
    kind: "finalize",
    epoch: epoch(0),
    view: view(9),
    block: hash,
    signers: [0, 1, 2, 3].map(seatIndex),
    signature: new Uint8Array(96).fill(1),
  };
  const [outcome] = messages;
  const state = chain.ledger.stateProof(1, 1);
  if (!outcome || !state) throw new Error("nothing executed");
  const sources = [receiptSource(paid, outcome.messageHash, outcome.codes)];
  const time = chain.blocks[0]?.header.time ?? 0;
  const place = { height: 1, time, position: 2, messages: sources, governance: [] };
  const handover = { ...state, header, finalization };
  const bytes = buildProof({ ...place, state, header, finalization, handovers: Array(handovers).fill(handover) });
  if (!bytes) throw new Error("no proof");
  return bytes;
}

describe("frames that nobody honest sends", () => {
  test("100,000 proofs: refused, or the very bytes that were read", { timeout: 60_000 }, () => {
    const next = random(1);
    for (const [handovers, frames] of [
      [0, 95_000],
      [2, 5_000],
    ] as const) {
      const good = proof(handovers);
      expect(decodeProof(good).kind).toBe("ok");
      let read = 0;
      for (let i = 0; i < frames; i++) {
        const bytes = mutated(good, next);
        const decoded = decodeProof(bytes);
        if (decoded.kind === "refused") continue;
        read += 1;
        if (read % 50 === 0) expect(encodeProof(decoded.value)).toEqual(bytes);
      }
      expect(read).toBeGreaterThan(frames / 100);
    }
  });

  test("5,000 proofs that a verifier with credulous signatures sees: settled only by the good one", () => {
    const good = proof(0);
    const uetr = paid.records.subarray(2 * 64, 2 * 64 + 16);
    // The certificate's signature is the one thing that hashes do not hold together.
    const credulous = { verifyCertificate: ({ signature }: Certificate) => signature.every((byte) => byte === 1) };
    const anchor = genesisAnchor(chain.genesis, chain.chainId, credulous);
    expect(verifyProof(good, anchor).kind).toBe("settled");
    const next = random(2);
    for (let i = 0; i < 5_000; i++) {
      const bytes = mutated(good, next);
      if (Buffer.compare(bytes, good) === 0) continue;
      const verdict = verifyProof(bytes, anchor);
      // Fewer signers than signed may still cover: the signature that this verifier believes would not hold.
      if (verdict.kind === "settled") expect(verdict.payment.uetr).toEqual(uetr);
    }
  });

  test("100,000 governance transactions: refused, or parsed, never an exception", { timeout: 60_000 }, () => {
    const good = buildTransaction(
      chain.chainId,
      3,
      { kind: "relimit", institution: "QSWADEFFXXX", currency: "EUR", debitCap: 5, perDayLimit: "77" },
      [0, 2].map((key) => ({ key, sign: () => new Uint8Array(64).fill(key) })),
    ).bytes;
    expect(parseTransaction(good).kind).toBe("ok");
    const next = random(3);
    let refused = 0;
    for (let i = 0; i < 100_000; i++) if (parseTransaction(mutated(good, next)).kind === "refused") refused += 1;
    expect(refused).toBeGreaterThan(10_000);
  });

  test("3,000 snapshots: none of them is the state that was asked for", () => {
    const [part] = chain.ledger.snapshot();
    if (!part) throw new Error("no part");
    const next = random(4);
    const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => true };
    const options = { genesis: chain.genesis, chainId: chain.chainId, keys: createMemoryKeys(), crypto };
    for (let i = 0; i < 3_000; i++) {
      const bytes = mutated(part, next);
      if (Buffer.compare(bytes, part) === 0) continue;
      expect(restoreLedger(options, [bytes], chain.ledger.executed.root).kind, `frame ${i}`).toBe("refused");
    }
  });
});
