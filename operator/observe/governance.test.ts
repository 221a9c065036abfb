import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import type { SeatIndex } from "../../validator/consensus/types.ts";
import { epoch, zeroDigest } from "../../validator/consensus/types.ts";
import { ed25519Signer, verifyEd25519 } from "../../validator/crypto/ed25519.ts";
import type { Genesis, GenesisDocument } from "../../validator/ledger/genesis.ts";
import { parseGenesis } from "../../validator/ledger/genesis.ts";
import { parseTransaction, unauthorized } from "../../validator/ledger/governance.ts";
import { genesisSet } from "../../validator/ledger/proof-report.ts";
import type { Transaction, TransactionBody } from "../plan/transactions.ts";
import { createGovernor, type Signed, signTransaction, type Unsigned } from "./governance.ts";
import type { Followed, Knowledge } from "./reports/knowledge.ts";

const signerOf = (fill: number) => ed25519Signer(new Uint8Array(32).fill(fill));
const keyOf = (fill: number) => bytesToHex(signerOf(fill).publicKey);
const hexOf = (byte: number, length: number) => byte.toString(16).padStart(2, "0").repeat(length);
const operator = 1;
const stranger = 9;

interface ChainOptions {
  readonly owners?: readonly Partial<Pick<GenesisDocument["members"][number], "owner" | "delegate">>[];
  readonly learners?: GenesisDocument["learners"];
  readonly governance?: GenesisDocument["governance"];
  readonly sequence?: number;
}

/** What is proven of a chain of four seats in epoch 0. */
function chain(options: ChainOptions = {}): Knowledge & { readonly genesis: Genesis } {
  const parsed = parseGenesis({
    chainName: "test",
    time: 1,
    members: [0, 1, 2, 3].map((i) => ({
      id: `seat-${i}`,
      power: 1,
      region: `region-${i}`,
      blsKey: hexOf(i + 1, 48),
      peerKey: hexOf(i + 1, 32),
      proofOfPossession: hexOf(i + 1, 96),
      ...options.owners?.[i],
    })),
    learners: options.learners ?? [],
    governance: options.governance ?? { threshold: 1, keys: [keyOf(8), keyOf(operator)] },
  });
  if (parsed.kind === "refused") throw new Error(parsed.reasons.join());
  const { genesis, chainId } = parsed;
  const never = { verifyCertificate: () => false, provesPossession: () => false };
  const newest = genesisSet(genesis, chainId, never);
  const { hash, height, time, root } = newest.config.anchor;
  const header = {
    ...{ chainId, epoch: newest.config.epoch, height, time, root, rootHeight: height, parent: hash },
    ...{ view: 1, parentView: 0, proposer: 0 as SeatIndex, closing: false, bodyHash: zeroDigest, reveal: undefined },
  } as NonNullable<ReturnType<Knowledge["governance"]>>["header"];
  return {
    genesis,
    chainId,
    newest,
    setOf: (at) => (at === 0 ? newest : undefined),
    governance: () => ({ governance: { ...genesis.governance, sequence: options.sequence ?? 5 }, header }),
    coverage: () => ({ modeSeq: 0, degraded: [] }),
    outcomes: () => [],
    examine: () => ({ kind: "nothing" }),
    checked: () => 0,
  };
}

const wish = (body: TransactionBody, at = 0): Transaction => ({ id: `${at} ${body.kind}`, epoch: at, body });
const admit = (seat: string): TransactionBody => ({
  kind: "admit-learner",
  seat,
  learner: `${seat}-g2`,
  peerKey: hexOf(77, 32),
});
const keys = { blsKey: hexOf(55, 48), peerKey: hexOf(55, 32), proofOfPossession: hexOf(55, 96) };
const rotate: TransactionBody = { kind: "rotate-seat", seat: "seat-1", currentKey: hexOf(2, 48), keys };

function sign(known: Knowledge, transaction: Transaction, who = operator, back = 0): Signed | Unsigned {
  const { sign: signBytes } = signerOf(who);
  return signTransaction(transaction, known, keyOf(who), (bytes) => signBytes(bytes), back);
}

/** The transaction as the chain reads it, with what it thinks of its signatures. */
function read(known: Knowledge & { readonly genesis: Genesis }, signed: Signed | Unsigned) {
  if (signed.kind !== "signed") throw new Error(`${signed.kind}: ${signed.message}`);
  const parsed = parseTransaction(signed.bytes);
  if (parsed.kind === "refused") throw new Error(parsed.error.reason);
  const { authority, sequence, action } = parsed.value;
  const signers = { governance: { ...known.genesis.governance, sequence }, owners: known.newest.set.owners };
  return { authority, sequence, action, refusal: unauthorized(signers, known.chainId, parsed.value, verifyEd25519) };
}

describe("in whose name", () => {
  const cases = [
    { name: "as the seat's delegate", owner: { owner: keyOf(3), delegate: keyOf(operator) }, authority: "seat" },
    { name: "as the seat's owner", owner: { owner: keyOf(operator) }, authority: "seat" },
    {
      name: "in the governance set's, when the seat is another's",
      owner: { owner: keyOf(3) },
      authority: "governance",
    },
    { name: "in the governance set's, when the seat is nobody's", owner: {}, authority: "governance" },
  ];
  test.each(cases)("$name", ({ owner, authority }) => {
    const known = chain({ owners: [{}, owner] });
    const found = read(known, sign(known, wish(rotate)));
    expect(found).toMatchObject({ authority, sequence: authority === "seat" ? 0 : 5, refusal: "" });
    expect(found.action).toMatchObject({ kind: "rotate-seat", epoch: 0, seat: "seat-1", blsKey: keys.blsKey });
  });

  test("in nobody's, when it holds no key that suffices", () => {
    expect(sign(chain(), wish(rotate), stranger)).toMatchObject({ kind: "no-authority" });
    const two = chain({ governance: { threshold: 2, keys: [keyOf(8), keyOf(operator)] } });
    expect(sign(two, wish(rotate))).toEqual({
      kind: "no-authority",
      message: '"0 rotate-seat" needs 2 keys of the governance set; the operator holds one.',
    });
    expect(sign({ ...chain(), governance: () => undefined }, wish(rotate))).toMatchObject({ kind: "unknown-chain" });
  });
});

describe("what is asked", () => {
  test("a learner of a seat on chain is the seat's; one of a seat to come is let in beside the others", () => {
    const learners = [{ id: "other", peerKey: hexOf(66, 32) }];
    const known = chain({ learners });
    expect(read(known, sign(known, wish(admit("seat-2")))).action).toMatchObject({
      kind: "add-learner",
      seat: "seat-2",
    });
    expect(read(known, sign(known, wish(admit("seat-4")))).action).toEqual({
      kind: "set-learners",
      learners: [...learners, { id: "seat-4-g2", peerKey: hexOf(77, 32) }],
    });
  });

  test("a learner is dismissed in the way it came, and only when it is there", () => {
    const learners = [
      { id: "free", peerKey: hexOf(66, 32) },
      { id: "seat-0-g2", peerKey: hexOf(67, 32), seat: "seat-0" },
    ];
    const known = chain({ learners });
    const dismiss = (learner: string) => sign(known, wish({ kind: "dismiss-learner", learner }));
    expect(read(known, dismiss("free")).action).toEqual({ kind: "set-learners", learners: [learners[1]] });
    expect(read(known, dismiss("seat-0-g2")).action).toMatchObject({ kind: "remove-learner", seat: "seat-0" });
    expect(dismiss("nobody")).toMatchObject({ kind: "not-possible" });
  });

  test("members that stay keep their proof of possession, and a newcomer brings its own", () => {
    const known = chain();
    const stays = known.newest.set.members.map(({ id, power, region, blsKey, peerKey }) => {
      return { id, power, region, zones: [], keys: { blsKey, peerKey }, proofOfPossession: undefined };
    });
    const comes = { id: "seat-4", power: 1, region: "region-0", zones: [], keys };
    const body = (proofOfPossession: string | undefined): TransactionBody => ({
      kind: "set-members",
      members: [...stays, { ...comes, proofOfPossession }],
      requiredRegions: { "region-0": 1 },
    });
    const { action } = read(known, sign(known, wish(body(keys.proofOfPossession))));
    if (action.kind !== "set-members") throw new Error(action.kind);
    expect(action.members.map((member) => member.proofOfPossession)).toEqual([1, 2, 3, 4, 55].map((i) => hexOf(i, 96)));
    expect(action.requiredRegions).toEqual({ "region-0": 1 });
    expect(sign(known, wish(body(undefined)))).toMatchObject({ kind: "not-possible" });
  });

  test("nothing in another epoch than the one it is for", () => {
    expect(sign(chain(), wish(rotate, 1))).toMatchObject({ kind: "other-epoch" });
    const later = {
      ...chain(),
      newest: { ...chain().newest, config: { ...chain().newest.config, epoch: epoch(1) } },
    };
    expect(sign(later, wish(rotate))).toMatchObject({ kind: "other-epoch" });
  });
});

describe("the governor", () => {
  const seed = new Uint8Array(32).fill(operator);

  function world(known: () => Knowledge | undefined) {
    const submitted: Uint8Array[] = [];
    let followed: readonly Followed[] = [];
    const governor = createGovernor(seed, {
      knowledge: known,
      refresh: async () => {},
      submitGovernance: async (bytes) => {
        submitted.push(bytes);
        return submitted.length > 1 ? { kind: "done" } : { kind: "failed", reason: "no validator answers" };
      },
      follow: (each) => {
        followed = each;
      },
    });
    return { governor, submitted, followed: () => followed };
  }

  test("asks again with the same bytes, which it follows from the first time on", async () => {
    const { governor, submitted, followed } = world(() => chain());
    expect(await governor.submit(wish(rotate))).toEqual({ kind: "not-taken", message: "no validator answers" });
    expect(await governor.submit(wish(rotate))).toMatchObject({ kind: "submitted" });
    expect(Buffer.from(submitted[0]!)).toEqual(Buffer.from(submitted[1]!));
    expect(followed()).toHaveLength(1);
    governor.follow(undefined);
    expect(followed()).toEqual([]);
  });

  test("a later operator follows what an earlier one handed in, granted meanwhile or not", async () => {
    const first = world(() => chain({ sequence: 5 }));
    await first.governor.submit(wish(rotate));
    for (const sequence of [5, 6]) {
      const { governor, followed } = world(() => chain({ sequence }));
      governor.follow(wish(rotate));
      const hashes = followed().map(({ hash }) => bytesToHex(hash));
      expect(hashes).toContain(bytesToHex(first.followed()[0]!.hash));
    }
  });

  test("before the chain is known it hands nothing in", async () => {
    const { governor, submitted } = world(() => undefined);
    expect(await governor.submit(wish(rotate))).toMatchObject({ kind: "unknown-chain" });
    expect(submitted).toEqual([]);
  });
});
