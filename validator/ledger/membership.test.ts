import { describe, expect, test } from "vitest";
import type { Certificate, CoverageChange } from "../consensus/types.ts";
import { epoch, view, zeroDigest } from "../consensus/types.ts";
import type { GenesisDocument } from "./genesis.ts";
import {
  type ActionDocument,
  buildSeatTransaction,
  buildTransaction,
  closesEpoch,
  delegateKey,
  ownerKey,
  parseTransaction,
} from "./governance.ts";
import { movedPower } from "./membership.ts";
import { type TestChain, testChain } from "./testing/chain.ts";

const governor = { key: 0, sign: () => new Uint8Array(64) };
type Members = Extract<ActionDocument, { kind: "set-members" }>["members"];

const hex = (n: number, bytes: number) => n.toString(16).padStart(2 * bytes, "0");
const fresh = (n: number, region = "eu-west"): Members[number] => ({
  id: `new-${n}`,
  power: 1,
  region,
  zones: [],
  blsKey: hex(500 + n, 48),
  peerKey: hex(500 + n, 32),
  proofOfPossession: hex(500 + n, 96),
});

const membersOf = ({ ledger }: TestChain): Members =>
  ledger.state.set.members.map((member, i) => ({
    ...member,
    zones: [...member.zones],
    proofOfPossession: ledger.state.set.possession[i] ?? "",
  }));

/** Executes the actions in one closing block; the reasons of its receipts, "" when granted. */
function ask(chain: TestChain, ...actions: readonly ActionDocument[]): readonly string[] {
  const { sequence } = chain.ledger.state.governance;
  const governance = actions.map((action, i) => buildTransaction(chain.chainId, sequence + i, action, [governor]));
  const closing = governance.some((transaction) => transaction.closesEpoch);
  return chain.execute([], { governance }, { closing }).governance.map(({ reason }) => reason);
}

const addLearner = (seat: { readonly epoch: number; readonly seat: string }, n: number) =>
  ({ kind: "add-learner", ...seat, learner: `next-${n}`, peerKey: hex(n, 32) }) as const;

const rotate = (chain: TestChain, n: number, more: { readonly epoch?: number; readonly key?: number } = {}) => {
  const seat = chain.ledger.state.set.members[n];
  if (!seat) throw new Error("no seat");
  const key = more.key ?? 700 + n;
  const names = { epoch: more.epoch ?? chain.ledger.state.set.epoch, seat: seat.id, currentKey: seat.blsKey };
  const keys = { blsKey: hex(key, 48), peerKey: hex(key, 32), proofOfPossession: hex(key, 96) };
  return { kind: "rotate-seat", ...names, ...keys } as const;
};

describe("the power that moves", () => {
  test("is the larger of what came and what went; a key is a hand", () => {
    const of = (...members: readonly (readonly [string, number])[]) =>
      members.map(([blsKey, power]) => ({ ...fresh(1), blsKey, power })) as never;
    expect(movedPower(of(["a", 3], ["b", 3]), of(["a", 3], ["b", 3]))).toBe(0);
    expect(movedPower(of(["a", 3], ["b", 3]), of(["a", 5], ["b", 3]))).toBe(2);
    expect(movedPower(of(["a", 3], ["b", 3]), of(["a", 3]))).toBe(3);
    expect(movedPower(of(["a", 3], ["b", 3]), of(["a", 2], ["c", 4]))).toBe(4);
  });

  test("is counted over all changes of a block: two that are allowed alone are not together", () => {
    const chain = testChain();
    const [first, second] = membersOf(chain);
    if (!first || !second) throw new Error("no members");
    const one = membersOf(chain).with(0, fresh(1, first.region));
    const two = one.with(1, fresh(2, second.region));
    const refused = "the change would move 2 power, above F = 1";
    expect(ask(chain, { kind: "set-members", members: one }, { kind: "set-members", members: two })).toEqual([
      "",
      refused,
    ]);
    expect(ask(chain, { kind: "set-members", members: two })).toEqual([""]);
    const third = testChain();
    expect(ask(third, rotate(third, 0), rotate(third, 1))).toEqual(["", refused]);
    expect(third.ledger.epochConfig.members.map(({ blsKey }) => blsKey)).toContain(hex(700, 48));
  });
});

describe("a set", () => {
  test("keeps every required region's power, known zones, and a quorum without any one member", () => {
    const chain = testChain();
    const members = membersOf(chain);
    const [first] = members;
    if (!first) throw new Error("no members");
    expect(ask(chain, { kind: "set-members", members: members.slice(1) })).toEqual([
      // Three members stand no fault: F = 0.
      "the change would move 1 power, above F = 0",
    ]);
    expect(ask(chain, { kind: "set-members", members: members.with(0, fresh(1, "us-east")) })).toEqual([
      "region eu-west would hold 0 power, settlement requires 1",
    ]);
    expect(ask(chain, { kind: "set-members", members: [...members, { ...fresh(1), zones: ["US"] }] })).toEqual([
      "the chain has no zone US",
    ]);
    expect(ask(chain, { kind: "set-members", members: members.with(0, { ...first, power: 2 }) })).toEqual([
      "a member would hold more than F power: nobody could be replaced any more",
    ]);
    expect(ask(chain, { kind: "set-members", members: members.with(0, { ...first, peerKey: hex(5, 32) }) })).toEqual([
      `${first.id}: a key pair changes as a whole`,
    ]);
    expect(ask(chain, { kind: "set-members", members: [...members, { ...fresh(1), id: first.id }] })).toEqual([
      "two members share a name or a key",
    ]);
  });

  test("admits only keys whose possession is proven", () => {
    const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => false };
    const chain = testChain({}, { crypto });
    const members = [...membersOf(chain), fresh(1)];
    expect(ask(chain, { kind: "set-members", members })).toEqual(["new-1: the proof of possession is not the key's"]);
    expect(ask(chain, rotate(chain, 0))).toEqual(["the proof of possession is not the key's"]);
  });
});

describe("a rotation", () => {
  test("names seat, key and epoch; an old one is refused", () => {
    const chain = testChain();
    const stale = rotate(chain, 0);
    expect(ask(chain, { ...stale, seat: "nobody" })).toEqual(["no seat nobody"]);
    const again = { ...stale, epoch: 1 };
    expect(ask(chain, again)).toEqual([""]);
    expect(ask(chain, again)).toEqual(["it is for epoch 1, the chain is in 2"]);
    expect(ask(chain, { ...again, epoch: 3 })).toEqual([`${stale.seat} has another key now`]);
  });

  test("may go back to the recorded predecessor, and to no other key that was used", () => {
    const chain = testChain();
    const first = chain.ledger.state.set.members[0];
    const other = chain.ledger.state.set.members[1];
    if (!first || !other) throw new Error("no members");
    expect(ask(chain, rotate(chain, 0))).toEqual([""]);
    const keys = (of: typeof first) => ({ blsKey: of.blsKey, peerKey: of.peerKey });
    expect(ask(chain, { ...rotate(chain, 0), ...keys(other) })).toEqual(["a key is never used again"]);
    expect(ask(chain, { ...rotate(chain, 0), ...keys(first) })).toEqual([""]);
    expect(chain.ledger.state.set.members[0]?.blsKey).toBe(first.blsKey);
    // Its predecessor is now the key it came back from.
    expect(ask(chain, rotate(chain, 0))).toEqual([""]);
  });
});

describe("in a seat's name", () => {
  const ownerOf = (n: number) => hex(0xa0 + n, 32);
  const operator = hex(0xb0, 32);
  /** A signature is its key, repeated: good when it is the one asked about. */
  const crypto = {
    verifyEd25519: (key: Uint8Array, _: Uint8Array, signature: Uint8Array) => key.at(-1) === signature[0],
    verifyBls: () => true,
    provesPossession: () => true,
  };
  const signed = (key: number, by: string) => ({ key, sign: () => Buffer.alloc(64, Buffer.from(by, "hex").at(-1)) });
  const owned = () => {
    const members = membersOf(testChain());
    return testChain(
      { members: members.map((member, n) => (n < 3 ? { ...member, owner: ownerOf(n), delegate: operator } : member)) },
      { crypto },
    );
  };
  function act(chain: TestChain, action: ActionDocument, key: number, by: string): string | undefined {
    const governance = [buildSeatTransaction(chain.chainId, action, signed(key, by))];
    return chain.execute([], { governance }, { closing: true }).governance[0]?.reason;
  }
  const named = ({ ledger }: TestChain, n: number) => ({
    epoch: ledger.state.set.epoch,
    seat: ledger.state.set.members[n]?.id ?? "",
  });

  test("its owner and the owner's delegate rotate it, nobody else does, and nothing beyond F at once", () => {
    const chain = owned();
    const [first] = membersOf(chain);
    expect(act(chain, rotate(chain, 0), ownerKey, ownerOf(0))).toBe("");
    expect(act(chain, rotate(chain, 1), delegateKey, operator)).toBe("");
    const refused = `not a good signature for ${first?.id}`;
    expect(act(chain, rotate(chain, 0, { key: 800 }), ownerKey, ownerOf(1))).toBe(refused);
    expect(act(chain, rotate(chain, 0, { key: 800 }), delegateKey, ownerOf(0))).toBe(refused);
    const { seat } = named(chain, 3);
    expect(act(chain, rotate(chain, 3), ownerKey, ownerOf(0))).toBe(`it needs one signature of ${seat}'s owner`);
    const two = [0, 1].map((n) =>
      buildSeatTransaction(chain.chainId, rotate(chain, n, { key: 810 + n }), signed(ownerKey, ownerOf(n))),
    );
    const reasons = chain.execute([], { governance: two }, { closing: true }).governance.map(({ reason }) => reason);
    expect(reasons).toEqual(["", "the change would move 2 power, above F = 1"]);
  });

  test("the owner names the delegate, and takes the name away", () => {
    const chain = owned();
    const delegate = (by: string, key: number, more: { delegate?: string }) =>
      act(chain, { kind: "delegate-seat", ...named(chain, 0), ...more }, key, by);
    const { seat } = named(chain, 0);
    expect(delegate(operator, delegateKey, { delegate: ownerOf(2) })).toBe(`not a good signature for ${seat}`);
    expect(delegate(ownerOf(0), ownerKey, {})).toBe("");
    expect(act(chain, rotate(chain, 0), delegateKey, operator)).toBe(`not a good signature for ${seat}`);
    expect(delegate(ownerOf(0), ownerKey, { delegate: operator })).toBe("");
    expect(act(chain, rotate(chain, 0), delegateKey, operator)).toBe("");
    const old = { kind: "delegate-seat", epoch: 0, seat } as const;
    expect(act(chain, old, ownerKey, ownerOf(0))).toContain("it is for epoch 0");
  });

  test("two processes at most follow for it, and one that takes the seat follows no more", () => {
    const chain = owned();
    const add = (n: number) => act(chain, addLearner(named(chain, 0), n), delegateKey, operator);
    const { seat } = named(chain, 0);
    expect([add(700), add(701), add(702)]).toEqual(["", "", `${seat} has 2 learners`]);
    expect(add(701)).toBe(`${seat} has 2 learners`);
    expect(act(chain, rotate(chain, 0), delegateKey, operator)).toBe("");
    expect(chain.ledger.state.set.learners.map(({ id }) => id)).toEqual(["next-701"]);
    const remove = { kind: "remove-learner", learner: "next-701" } as const;
    expect(act(chain, { ...remove, ...named(chain, 1) }, delegateKey, operator)).toContain("has no learner next-701");
    expect(act(chain, { ...remove, ...named(chain, 0) }, delegateKey, operator)).toBe("");
    const other = addLearner(named(chain, 0), 702);
    expect(act(chain, { ...other, learner: seat }, delegateKey, operator)).toBe(
      "two of the swarm share a name or a key",
    );
  });

  test("nothing else is asked for", () => {
    const chain = owned();
    const [first] = chain.ledger.state.institutions;
    const reason = act(chain, { kind: "suspend-institution", bic: first?.bic ?? "" }, ownerKey, ownerOf(0));
    expect(reason).toBe("suspend-institution is the governance set's to ask for");
    expect(chain.ledger.state.governance.sequence).toBe(0);
  });

  test("the governance set may replace an owner, and a seat that is replaced takes its owner along", () => {
    const chain = owned();
    const members = membersOf(chain).map((member, n) => (n === 0 ? { ...member, owner: ownerOf(5) } : member));
    const { sequence } = chain.ledger.state.governance;
    const transaction = buildTransaction(chain.chainId, sequence, { kind: "set-members", members }, [
      signed(0, chain.ledger.state.governance.keys[0] ?? ""),
    ]);
    chain.execute([], { governance: [transaction] }, { closing: true });
    const { owners, members: seats } = chain.ledger.state.set;
    expect(seats.map(({ id }) => owners[id]?.owner)).toEqual([ownerOf(5), ownerOf(1), ownerOf(2), undefined]);
  });
});

describe("what governance may not do", () => {
  test("bring more money into a currency than its sum can hold exactly", () => {
    const chain = testChain();
    const most = Number.MAX_SAFE_INTEGER - 400_000_000;
    const fund = (institution: string, amount: number) =>
      ({ kind: "fund", institution, currency: "EUR", amount }) as const;
    expect(ask(chain, fund("QSWADEFFXXX", most))).toEqual([""]);
    expect(ask(chain, fund("QSWBUS33XXX", 1))).toEqual(["the money in this currency would not fit"]);
    expect(ask(chain, { kind: "withdraw", institution: "QSWADEFFXXX", currency: "EUR", amount: most })).toEqual([""]);
    expect(ask(chain, fund("QSWBUS33XXX", 1))).toEqual([""]);
    const account = { institution: "QSWADEFFXXX", currency: "CHF", openingBalance: Number.MAX_SAFE_INTEGER };
    expect(ask(chain, { kind: "open-account", account })).toEqual([""]);
    expect(ask(chain, { kind: "open-account", account: { ...account, institution: "QSWBUS33XXX" } })).toEqual([
      "the money in this currency would not fit",
    ]);
  });

  test("withdraw below the debit cap, or set a cap above what is owed", () => {
    const chain = testChain();
    const at = { institution: "QSWADEFFXXX", currency: "USD" };
    expect(ask(chain, { kind: "withdraw", ...at, amount: 100_050_001 })).toEqual([
      "the balance would fall below its debit cap",
    ]);
    expect(ask(chain, { kind: "withdraw", ...at, amount: 100_050_000 })).toEqual([""]);
    expect(ask(chain, { kind: "relimit", ...at, debitCap: 49_999 })).toEqual([
      "the balance is already below the new debit cap",
    ]);
    expect(ask(chain, { kind: "relimit", ...at, debitCap: 50_000, perPaymentLimit: 1 })).toEqual([""]);
    expect(chain.ledger.accounts.fields(1)).toMatchObject({ balance: -50_000, perPaymentLimit: 1 });
  });

  test("close an epoch from a block that does not say so", () => {
    const chain = testChain();
    const transaction = buildTransaction(chain.chainId, 0, { kind: "set-parameters", parameters: {} }, [governor]);
    expect(chain.execute([], { governance: [transaction] }).governance[0]?.reason).toBe(
      "only a block that closes its epoch may carry it",
    );
    expect(ask(chain, { kind: "set-parameters", parameters: { epochBlocks: 1 } })[0]).toMatch(
      /^parameters: epochBlocks/,
    );
    expect(ask(chain, { kind: "set-parameters", parameters: { epochBlocks: 50 } })).toEqual([""]);
    expect(chain.ledger.epochConfig.parameters.epochBlocks).toBe(50);
  });
});

describe("a governance transaction's bytes", () => {
  const transaction = (action: ActionDocument) => buildTransaction(testChain().chainId, 0, action, [governor]);

  test("have one spelling: no byte order mark, no broken UTF-8, no spaces, no other order", () => {
    const { bytes } = transaction({ kind: "suspend-institution", bic: "QSWADEFFXXX" });
    expect(parseTransaction(bytes).kind).toBe("ok");
    const bodyAt = 4 + 4 + 32 + 8 + 4;
    const respell = (spell: (body: Uint8Array) => Uint8Array) => {
      const body = spell(bytes.subarray(bodyAt, bytes.length - 68));
      const out = Buffer.concat([bytes.subarray(0, bodyAt), body, bytes.subarray(bytes.length - 68)]);
      out.writeUInt32LE(body.length, bodyAt - 4);
      return parseTransaction(new Uint8Array(out)).kind;
    };
    expect(respell((body) => body)).toBe("ok");
    expect(respell((body) => Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), body]))).toBe("refused");
    expect(respell((body) => Buffer.concat([body, Buffer.from(" ")]))).toBe("refused");
    expect(respell(() => Buffer.from('{"kind":"suspend-institution","bic":"QSWADEFFXXX"}'))).toBe("refused");
    expect(respell(() => Buffer.from('{"bic":"QSWADEFFXXX","kind":"suspend-institution","x":1}'))).toBe("refused");
    expect(respell((body) => body.map((byte, i) => (i === 9 ? 0xff : byte)))).toBe("refused");
  });

  test("need k distinct keys of the set, for this chain, at the sequence the chain is at", () => {
    const known = new Map([
      [hex(1, 32), 1],
      [hex(2, 32), 2],
    ]);
    const verify = (key: Uint8Array, _: Uint8Array, signature: Uint8Array) =>
      known.get(Buffer.from(key).toString("hex")) === signature[0];
    const keys = [hex(1, 32), hex(2, 32), hex(3, 32)];
    const governance = { threshold: 2, keys };
    const chain = testChain({ governance }, { verify });
    const suspend = { kind: "suspend-institution", bic: "QSWADEFFXXX" } as const;
    const sign = (key: number, mark: number) => ({ key, sign: () => new Uint8Array(64).fill(mark) });
    const asked = (chainId: TestChain["chainId"], ...signers: Parameters<typeof buildTransaction>[3]) =>
      chain.execute([], { governance: [buildTransaction(chainId, 0, suspend, signers)] }).governance[0]?.granted;
    expect(asked(chain.chainId, sign(0, 1))).toBe(false);
    expect(asked(chain.chainId, sign(0, 1), sign(1, 1))).toBe(false);
    expect(asked(chain.chainId, sign(0, 1), sign(0, 1))).toBe(false);
    expect(asked(chain.chainId, sign(0, 1), sign(7, 2))).toBe(false);
    expect(asked(zeroDigest, sign(0, 1), sign(1, 2))).toBe(false);
    expect(asked(chain.chainId, sign(0, 1), sign(1, 2))).toBe(true);
    expect(asked(chain.chainId, sign(0, 1), sign(1, 2))).toBe(false);
  });

  test("say by their kind whether they close the epoch", () => {
    const closing = ["set-members", "rotate-seat", "set-parameters", "set-governance"] as const;
    const staying = ["fund", "withdraw", "relimit", "open-account", "add-institution", "suspend-institution"] as const;
    expect(closing.map((kind) => closesEpoch({ kind }))).toEqual(closing.map(() => true));
    expect(staying.map((kind) => closesEpoch({ kind }))).toEqual(staying.map(() => false));
  });
});

describe("coverage", () => {
  const change = (kind: CoverageChange["kind"], region: string, modeSeq: number): CoverageChange => {
    const certificate: Certificate = {
      kind: kind === "degrade-region" ? "suspect" : "sight",
      epoch: epoch(0),
      view: view(modeSeq),
      block: zeroDigest,
      signers: [],
      signature: new Uint8Array(96),
    };
    return { kind, region, certificate };
  };

  test("changes only in the mode that its certificate names, and counts each change", () => {
    const chain = testChain();
    const mode = (...coverage: readonly CoverageChange[]) => chain.execute([], { coverage }).coverage;
    const start = chain.ledger.executed.root;
    expect(mode(change("degrade-region", "eu-west", 1))).toEqual({ modeSeq: 0, degraded: [] });
    expect(mode(change("restore-region", "eu-west", 0))).toEqual({ modeSeq: 0, degraded: [] });
    expect(mode(change("degrade-region", "mars", 0))).toEqual({ modeSeq: 0, degraded: [] });
    expect(mode(change("degrade-region", "us-east", 0), change("degrade-region", "eu-west", 1))).toEqual({
      modeSeq: 2,
      degraded: ["eu-west", "us-east"],
    });
    expect(mode(change("degrade-region", "us-east", 2)).modeSeq).toBe(2);
    expect(mode(change("restore-region", "eu-west", 2))).toEqual({ modeSeq: 3, degraded: ["us-east"] });
    expect(chain.ledger.executed.root).not.toBe(start);
  });

  test("a region that is required no longer leaves the degraded ones, in a new mode", () => {
    const chain = testChain();
    chain.execute([], { coverage: [change("degrade-region", "us-east", 0)] });
    const requiredRegions = { "eu-west": 1, "ap-south": 1, "eu-north": 1 };
    expect(ask(chain, { kind: "set-members", members: membersOf(chain), requiredRegions })).toEqual([""]);
    expect(chain.ledger.executed.coverage).toEqual({ modeSeq: 2, degraded: [] });
  });
});

test("the beacon of an epoch is made from the reveals of the epoch two before; too few hash it forward", () => {
  const members: Partial<GenesisDocument> = { parameters: { minReveals: 2 } };
  const run = (first: readonly number[]) => {
    const chain = testChain(members);
    for (const byte of first) chain.execute([], {}, { reveal: new Uint8Array(96).fill(byte) });
    const beacons = [chain.ledger.epochConfig.beacon];
    for (let i = 0; i < 3; i++) {
      chain.execute([], {}, { closing: true });
      beacons.push(chain.ledger.epochConfig.beacon);
    }
    return beacons;
  };
  const [none, one, two, other] = [run([]), run([1]), run([1, 2]), run([1, 3])];
  expect(one).toEqual(none);
  expect(two.slice(0, 2)).toEqual(none.slice(0, 2));
  expect(new Set([none[2], two[2], other[2]]).size).toBe(3);
  expect(new Set(two).size).toBe(4);
});

describe("learners", () => {
  const learner = (n: number) => ({ id: `learner-${n}`, peerKey: hex(900 + n, 32) });

  test("are named by governance from the next epoch on, each once, beside the members", () => {
    const chain = testChain({ learners: [learner(1)] });
    expect(chain.ledger.state.set.learners).toEqual([learner(1)]);
    expect(closesEpoch({ kind: "set-learners" })).toBe(true);
    expect(ask(chain, { kind: "set-learners", learners: [learner(2), learner(3)] })).toEqual([""]);
    expect(chain.ledger.state.set.learners).toEqual([learner(2), learner(3)]);
    const twice = [learner(2), { ...learner(4), peerKey: learner(2).peerKey }];
    const member = chain.ledger.state.set.members[0]?.peerKey ?? "";
    for (const learners of [twice, [{ ...learner(5), peerKey: member }]])
      expect(ask(chain, { kind: "set-learners", learners })).toEqual(["two of the swarm share a name or a key"]);
  });

  test("are learners no more once their key is a member's", () => {
    const chain = testChain({ learners: [{ id: "next", peerKey: hex(700, 32) }, learner(1)] });
    expect(ask(chain, rotate(chain, 0))).toEqual([""]);
    expect(chain.ledger.state.set.learners).toEqual([learner(1)]);
  });
});
