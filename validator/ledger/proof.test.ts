import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { sealBlock } from "../codec/block.ts";
import type { Block, Certificate, EpochConfig, Header } from "../consensus/types.ts";
import { epoch, height, seatIndex, view } from "../consensus/types.ts";
import { assemble, type BlsSigner, blsSigner, memberKeys, verifyCertificate, verifyPossession } from "../crypto/bls.ts";
import { sha256 } from "../crypto/hash.ts";
import type { GenesisDocument } from "./genesis.ts";
import { buildTransaction } from "./governance.ts";
import { bridge, setOf } from "./handover.ts";
import { buildProof, covers, decodeProof, encodeProof, genesisAnchor, type Handover, verifyProof } from "./proof.ts";
import { decodeHandover, encodeHandover } from "./proof-bytes.ts";
import { type ReceiptSource, receiptSource } from "./receipt-tree.ts";
import { batchOf, message, type PaymentFields, type TestChain, testChain } from "./testing/chain.ts";
import type { ExecutedBlock } from "./types.ts";

const signers = new Map<string, BlsSigner>();
const regions = ["eu-west", "us-east", "ap-south", "eu-north"] as const;

/** A member with real keys, known to `finalize` by its BLS key. */
function member(name: string, region: string): GenesisDocument["members"][number] {
  const signer = blsSigner(sha256(utf8ToBytes(name)));
  const peerKey = sha256(utf8ToBytes(`peer ${name}`));
  const blsKey = Buffer.from(signer.publicKey).toString("hex");
  signers.set(blsKey, signer);
  return {
    id: name,
    power: 1,
    region,
    zones: region.startsWith("eu") ? ["EU"] : [],
    blsKey,
    peerKey: Buffer.from(peerKey).toString("hex"),
    proofOfPossession: Buffer.from(signer.provePossession(peerKey)).toString("hex"),
  };
}

const genesisMembers = regions.map((region, i) => member(`seat-${i}`, region));
const realCrypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: verifyPossession };
const chainOf = () => testChain({ members: genesisMembers }, { crypto: realCrypto });

/** The finalization of a header by these members of the set. */
function finalize(config: EpochConfig, header: Header, block: Block, seats: readonly number[]): Certificate {
  const ballot = { kind: "finalize", epoch: header.epoch, view: header.view, block: block.hash } as const;
  const votes = seats.map((seat) => {
    const signer = signers.get(config.members[seat]?.blsKey ?? "");
    if (!signer) throw new Error(`no key of seat ${seat}`);
    return { ...ballot, signer: seatIndex(seat), signature: signer.signBallot(config, ballot) };
  });
  const made = assemble(memberKeys(config), ballot, votes);
  if (made.kind === "bad") throw new Error("the votes do not verify");
  return made.certificate;
}

/** A block above the executed height that names its root, finalized. */
function naming({ ledger, chainId }: TestChain, seats: readonly number[] = [0, 1, 2, 3]) {
  const config = ledger.epochConfig;
  const block = sealBlock(
    {
      chainId,
      epoch: config.epoch,
      view: view(900),
      height: height(ledger.executed.height + 1),
      parentView: view(899),
      parent: chainId,
      time: 1_800_000_000_000,
      proposer: seatIndex(1),
      closing: false,
      rootHeight: ledger.executed.height,
      root: ledger.executed.root,
    },
    { batches: [], governance: [], coverage: [] },
    undefined,
  );
  return { header: block.header, finalization: finalize(config, block.header, block, seats) };
}

const anchorOf = ({ genesis, chainId }: TestChain) =>
  genesisAnchor(genesis, chainId, {
    verifyCertificate: (certificate, config) => verifyCertificate(memberKeys(config), certificate) !== undefined,
    provesPossession: verifyPossession,
  });

type Message = ReturnType<typeof message>;

const sourcesOf = (messages: readonly Message[], { messages: outcomes }: ExecutedBlock): readonly ReceiptSource[] =>
  messages.map((each, i) => {
    const outcome = outcomes[i];
    if (!outcome) throw new Error("a message without outcome");
    return receiptSource(each, outcome.messageHash, outcome.codes);
  });

interface Paid {
  readonly chain: TestChain;
  readonly messages: readonly Message[];
  readonly executed: ExecutedBlock;
}

/** Three messages in one block; the second has a payment that is rejected. */
function paid(changes: Parameters<typeof message>[3] = {}): Paid {
  const chain = chainOf();
  const many = Array.from({ length: 70 }, (_, i): PaymentFields => ({ id: 100 + i, amount: i === 40 ? 0 : 1 + i }));
  const messages = [
    message(chain, "a", [{ id: 1 }, { id: 2 }], changes),
    message(chain, "b", many, changes),
    message(chain, "c", [{ id: 3 }], changes),
  ];
  const executed = chain.execute([batchOf(...messages)]);
  return { chain, messages, executed };
}

function proofOf(
  { chain, messages, executed }: Paid,
  position: number,
  more: { readonly seats?: readonly number[]; readonly handovers?: readonly Handover[] } = {},
): Uint8Array | undefined {
  const state = chain.ledger.stateProof(executed.height, chain.ledger.executed.height);
  if (!state) throw new Error("no path to the newest root");
  const time = chain.blocks[executed.height - 1]?.header.time ?? 0;
  const { handovers = [] } = more;
  const source = { height: executed.height, time, position, messages: sourcesOf(messages, executed), governance: [] };
  return buildProof({ ...source, state, handovers, ...naming(chain, more.seats) });
}

function provenOf(...args: Parameters<typeof proofOf>): Uint8Array {
  const bytes = proofOf(...args);
  if (!bytes) throw new Error("no proof");
  return bytes;
}

describe("a settled payment's proof", () => {
  test("is verified offline from genesis, for every payment of the block", () => {
    const block = paid();
    const anchor = anchorOf(block.chain);
    for (const [position, amount] of [
      [0, 100],
      [1, 100],
      [2, 1],
      [41, 40],
      [43, 42],
      [71, 70],
      [72, 100],
    ] as const) {
      const verdict = verifyProof(provenOf(block, position), anchor);
      expect(verdict).toMatchObject({ kind: "settled", institution: 0, height: 1, payment: { amount } });
      expect(verdict.kind === "settled" && verdict.time).toBe(block.chain.blocks[0]?.header.time);
    }
  });

  test("is not made for a rejected payment, nor for a position without one", () => {
    const block = paid();
    expect(proofOf(block, 42)).toBeUndefined();
    expect(proofOf(block, 73)).toBeUndefined();
  });

  test("does not verify when a rejected payment is put in a settled one's place", () => {
    const block = paid();
    const decoded = decodeProof(provenOf(block, 41));
    if (decoded.kind === "refused") throw new Error(decoded.error.reason);
    const [, second] = block.messages;
    const record = second?.records.slice(64 * 40, 64 * 41) ?? new Uint8Array(64);
    const forged = encodeProof({ ...decoded.value, record, position: 42 });
    expect(verifyProof(forged, anchorOf(block.chain))).toMatchObject({ kind: "refused" });
  });

  test("fails when any byte is changed, cut or added", { timeout: 60_000 }, () => {
    const block = paid();
    const bytes = provenOf(block, 41);
    const anchor = anchorOf(block.chain);
    const keys = memberKeys(anchor.config);
    const quick = { ...anchor, verifyCertificate: (c: Certificate) => verifyCertificate(keys, c) !== undefined };
    expect(verifyProof(bytes, quick).kind).toBe("settled");
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      expect(verifyProof(flipped, quick).kind, `byte ${at}`).toBe("refused");
    }
    for (let length = 0; length < bytes.length; length += 37)
      expect(verifyProof(bytes.subarray(0, length), quick).kind).toBe("refused");
    expect(verifyProof(Uint8Array.of(...bytes, 0), quick).kind).toBe("refused");
  });

  test("of another chain, or under too few signatures or regions, is refused with the reason", () => {
    const block = paid();
    const other = anchorOf(testChain({ members: genesisMembers, chainName: "other" }));
    expect(verifyProof(provenOf(block, 0), other)).toEqual({ kind: "refused", reason: "it is of another chain" });
    expect(verifyProof(provenOf(block, 0, { seats: [0, 1, 3] }), anchorOf(block.chain))).toEqual({
      kind: "refused",
      reason: "no signature from ap-south, which settlement requires",
    });
  });

  test("of a residency zone needs more than 2/3 of the zone's power", () => {
    const block = paid({ zone: 1 });
    expect(verifyProof(provenOf(block, 0), anchorOf(block.chain)).kind).toBe("settled");
    const { config } = anchorOf(block.chain);
    const state = { coverage: { modeSeq: 1, degraded: ["eu-north"] }, zones: ["EU"] };
    const seats = [0, 1, 2].map(seatIndex);
    expect([covers(config, state, 0, seats), covers(config, state, 1, seats)]).toEqual([true, false]);
  });

  test("serves older payments too: any later root leads to them", () => {
    const block = paid();
    for (let i = 0; i < 20; i++) block.chain.execute([]);
    expect(verifyProof(provenOf(block, 72), anchorOf(block.chain)).kind).toBe("settled");
  });
});

describe("trust passes to later sets", () => {
  const governor = { key: 0, sign: () => new Uint8Array(64) };

  /** Replaces a member by a fresh one and closes the epoch. */
  function replaceMember(chain: TestChain, index: number, name: string): void {
    const { members } = chain.ledger.epochConfig;
    const region = members[index]?.region ?? "";
    const next = members.map((each, i) =>
      i === index ? member(name, region) : { ...each, zones: [...each.zones], proofOfPossession: "00".repeat(96) },
    );
    const { sequence } = chain.ledger.state.governance;
    const transaction = buildTransaction(chain.chainId, sequence, { kind: "set-members", members: next }, [governor]);
    const { governance } = chain.execute([], { governance: [transaction] }, { closing: true });
    expect(governance).toMatchObject([{ granted: true, reason: "" }]);
  }

  test("a payment of a later epoch is proven from genesis while more than F of its members still sign", () => {
    const block = paid();
    replaceMember(block.chain, 0, "new-0");
    replaceMember(block.chain, 1, "new-1");
    expect(block.chain.ledger.epochConfig.epoch).toBe(epoch(2));
    const bytes = provenOf(block, 41);
    expect(verifyProof(bytes, anchorOf(block.chain))).toMatchObject({ kind: "settled" });
    const { provesPossession: _, ...alone } = anchorOf(block.chain);
    expect(verifyProof(bytes, alone)).toMatchObject({ reason: "it is of epoch 2, the trust anchor of epoch 0 alone" });
  });

  test("when too few are left a handover in between leads there; without it the proof is refused", () => {
    const block = paid();
    replaceMember(block.chain, 0, "new-0");
    replaceMember(block.chain, 1, "new-1");
    const then = block.chain.ledger.stateProof(1, block.chain.ledger.executed.height);
    if (!then) throw new Error("no state");
    const handover: Handover = { set: then.set, setPath: then.setPath, ...naming(block.chain) };
    replaceMember(block.chain, 2, "new-2");
    const anchor = anchorOf(block.chain);
    expect(verifyProof(provenOf(block, 41), anchor)).toMatchObject({
      reason: "1 power of the set trusted before signed for epoch 3",
    });
    const whole = provenOf(block, 41, { handovers: [handover] });
    expect(verifyProof(whole, anchor)).toMatchObject({ kind: "settled" });
    for (let at = 0; at < whole.length; at += 41) {
      const flipped = whole.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 16;
      expect(verifyProof(flipped, anchor).kind, `byte ${at}`).toBe("refused");
    }
  });

  test("from many epochs ago the way is found by looking at few of them", () => {
    const block = paid();
    const { chain } = block;
    const kept: Handover[] = [];
    for (let i = 0; i < 40; i++) {
      replaceMember(chain, i % 4, `member-${i}`);
      const state = chain.ledger.stateProof(1, chain.ledger.executed.height);
      if (!state) throw new Error("no state");
      kept.push({ set: state.set, setPath: state.setPath, ...naming(chain) });
    }
    const last = kept.pop();
    let looked = 0;
    const known = kept.map((each) => () => {
      looked += 1;
      return each;
    });
    const way = last && bridge(anchorOf(chain).config, known, last);
    // Two members of four are replaced in two epochs.
    expect(way?.map(({ header }) => header.epoch)).toEqual(Array.from({ length: 19 }, (_, i) => 2 * i + 2));
    expect(looked).toBeLessThan(20 * Math.log2(40) + 20);
    expect(verifyProof(provenOf(block, 41, { handovers: way ?? [] }), anchorOf(chain))).toMatchObject({
      kind: "settled",
    });
  });

  test("of the handovers kept the fewest are taken that lead from the reader's set; none when they do not", () => {
    const block = paid();
    const { chain } = block;
    const kept: Handover[] = [];
    const handover = (): Handover => {
      const state = chain.ledger.stateProof(1, chain.ledger.executed.height);
      if (!state) throw new Error("no state");
      const { set, setPath } = state;
      return { set, setPath, ...naming(chain) };
    };
    for (let i = 0; i < 4; i++) {
      replaceMember(chain, i, `next-${i}`);
      kept.push(handover());
    }
    const last = handover();
    const epochsOf = (way: readonly Handover[] | undefined) => way?.map(({ header }) => header.epoch);
    const genesis = { ...anchorOf(chain).config };
    const known = kept.map((each) => () => each);
    expect(epochsOf(bridge(genesis, known, last))).toEqual([2]);
    expect(epochsOf(bridge(setOf(kept[1]!)!, known, last))).toEqual([]);
    expect(bridge(genesis, known.slice(2), last)).toBeUndefined();
    for (const each of kept) expect(decodeHandover(encodeHandover(each))).toEqual(each);
    expect(decodeHandover(encodeHandover(last).subarray(1))).toBeUndefined();
    const handovers = bridge(genesis, known, last) ?? [];
    expect(verifyProof(provenOf(block, 41, { handovers }), anchorOf(chain))).toMatchObject({ kind: "settled" });
  });

  test("a key without a proof of possession cancels nobody out of an aggregate", () => {
    const block = paid();
    replaceMember(block.chain, 0, "new-0");
    const bytes = provenOf(block, 41);
    const anchor = { ...anchorOf(block.chain), provesPossession: () => false };
    expect(verifyProof(bytes, anchor)).toMatchObject({ reason: "the proof of possession of new-0 is not its key's" });
  });
});

test("a set that was not asked for is checked like everything else", () => {
  const block = paid();
  const decoded = decodeProof(provenOf(block, 0));
  const state = block.chain.ledger.stateProof(1, 1);
  if (decoded.kind === "refused" || !state) throw new Error("no proof");
  const { set, setPath } = state;
  const anchor = anchorOf(block.chain);
  expect(verifyProof(encodeProof({ ...decoded.value, set, setPath }), anchor).kind).toBe("settled");
  const strange = set.slice();
  strange[10] = (strange[10] ?? 0) ^ 1;
  expect(verifyProof(encodeProof({ ...decoded.value, set: strange, setPath }), anchor)).toMatchObject({
    reason: "the validator set is not under the header's root",
  });
  expect(hexToBytes(decoded.value.header.root)).toHaveLength(32);
});
