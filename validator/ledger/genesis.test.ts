import { describe, expect, test } from "vitest";
import { canonicalJson, type GenesisDocument, parseCanonicalJson, parseGenesis } from "./genesis.ts";
import { checkCounts, checkInvariants } from "./invariants.ts";
import { receiptCode, receiptOf, receiptTable } from "./receipts.ts";
import { testChain, testGenesis } from "./testing/chain.ts";

const [one, two] = ["QSWADEFFXXX", "QSWBUS33XXX"] as const;
const document = (): GenesisDocument => JSON.parse(canonicalJson(testGenesis().genesis));

/** What is wrong with the test's document after a change. */
function faults(change: (document: GenesisDocument) => unknown): readonly string[] {
  const made = document();
  const parsed = parseGenesis(change(made) ?? made);
  return parsed.kind === "refused" ? parsed.reasons : [];
}

describe("a genesis document", () => {
  test("is taken as it is, fills in defaults, and names the chain by its content alone", () => {
    const parsed = parseGenesis(document());
    expect(parsed).toMatchObject({ kind: "ok", rotatable: true, chainId: testGenesis().chainId });
    const renamed = parseGenesis({ ...document(), chainName: "other" });
    expect(renamed.kind === "ok" && parsed.kind === "ok" && renamed.chainId !== parsed.chainId).toBe(true);
    const spelled = JSON.parse(JSON.stringify(document()));
    spelled.accounts[0].openingBalance = "100000000";
    expect(parseGenesis(spelled)).toMatchObject({ chainId: testGenesis().chainId });
  });

  test.each([
    ["genesis.members.1.id: is used twice", (d: GenesisDocument) => ({ ...d, members: [d.members[0], d.members[0]] })],
    ["genesis.zones.0: ", (d: GenesisDocument) => ({ ...d, zones: ["no spaces"] })],
    ["genesis.members.0.zones: names EU", (d: GenesisDocument) => ({ ...d, zones: [] })],
    ["genesis.members.0.power: ", (d: GenesisDocument) => ({ ...d, members: [{ ...d.members[0], power: 0 }] })],
    ["genesis.members.0.blsKey: ", (d: GenesisDocument) => ({ ...d, members: [{ ...d.members[0], blsKey: "AA" }] })],
    ["genesis.requiredRegions.mars: holds 0", (d: GenesisDocument) => ({ ...d, requiredRegions: { mars: 1 } })],
    ["genesis.requiredRegions.eu-west: holds 1", (d: GenesisDocument) => ({ ...d, requiredRegions: { "eu-west": 2 } })],
    ["genesis.parameters.epochBlocks: ", (d: GenesisDocument) => ({ ...d, parameters: { epochBlocks: 0 } })],
    ["genesis.parameters: ", (d: GenesisDocument) => ({ ...d, parameters: { nonsense: 1 } })],
    [
      "genesis.governance.threshold: ",
      (d: GenesisDocument) => ({ ...d, governance: { ...d.governance, threshold: 2 } }),
    ],
    [
      "genesis.governance.keys.1: is used twice",
      ({ governance, ...d }: GenesisDocument) => ({
        ...d,
        governance: { ...governance, keys: [...governance.keys, ...governance.keys] },
      }),
    ],
    ["genesis.expiryWindow: ", (d: GenesisDocument) => ({ ...d, expiryWindow: 1 })],
    ["genesis.accounts.0.institution: ", (d: GenesisDocument) => ({ ...d, institutions: [] })],
    ["genesis.accounts.1: ", (d: GenesisDocument) => ({ ...d, accounts: [d.accounts?.[0], d.accounts?.[0]] })],
    [
      "genesis.accounts.0.currency: ",
      (d: GenesisDocument) => ({ ...d, accounts: [{ institution: one, currency: "XXX" }] }),
    ],
    [
      "genesis.accounts.0.debitCap: ",
      (d: GenesisDocument) => ({
        ...d,
        accounts: [{ institution: one, currency: "EUR", debitCap: "9007199254740992" }],
      }),
    ],
    [
      "genesis.accounts.1.openingBalance: brings the money in EUR above",
      (d: GenesisDocument) => ({
        ...d,
        accounts: [one, two].map((institution) => ({ institution, currency: "EUR", openingBalance: 2 ** 52 + 1 })),
      }),
    ],
    ["genesis.: ", (d: GenesisDocument) => ({ ...d, surprise: 1 })],
    ["genesis.: ", () => "no document"],
  ])("%s is named", (reason, change) => {
    const found = faults(change as (document: GenesisDocument) => unknown);
    expect(found.some((fault) => fault.startsWith(reason))).toBe(true);
  });

  test("with a member above F is not rotatable, and says so", () => {
    const { members } = document();
    const parsed = parseGenesis({ ...document(), members: members.map((m, i) => ({ ...m, power: i === 0 ? 9 : 1 })) });
    expect(parsed).toMatchObject({ kind: "ok", rotatable: false });
  });
});

test("canonical JSON has one spelling", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  expect(parseCanonicalJson(bytes('{"a":1,"b":[true,null,"é"]}'))).toEqual({ a: 1, b: [true, null, "é"] });
  for (const text of [
    '{"b":1,"a":1}',
    '{"a": 1}',
    '{"a":1.0}',
    '{"a":1e2}',
    '"\\u0041"',
    '{"a":1,"a":1}',
    " 1",
    "",
    "{",
  ])
    expect(parseCanonicalJson(bytes(text)), text).toBeUndefined();
  expect(parseCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22))).toBeUndefined();
  expect(parseCanonicalJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBeUndefined();
});

describe("the invariants can fire", () => {
  test("on money made or lost, in a known currency or a strange one, and on a balance below its cap", () => {
    const { ledger } = testChain();
    const { state, accounts } = ledger;
    const check = () => checkInvariants(state, accounts);
    const { balance, currency } = accounts.columns;
    const was = balance[0] ?? 0;
    expect(check).not.toThrow();
    balance[0] = was + 1;
    expect(check).toThrow("EUR: accounts hold 400000001, issued were 400000000");
    balance[0] = -1;
    expect(check).toThrow("account 0 holds -1, below its cap of 0");
    balance[0] = 0.5;
    expect(check).toThrow("account 0 holds 0.5");
    balance[0] = was;
    currency[0] = 999;
    expect(check).toThrow("EUR");
  });

  test("on receipts lost or made", () => {
    const codes = new Uint8Array(3);
    const source = { codes } as Parameters<typeof checkCounts>[1][number];
    const outcome = { payments: 3 } as Parameters<typeof checkCounts>[2][number];
    expect(() => checkCounts([{ payments: 3 }], [source], [outcome])).not.toThrow();
    expect(() => checkCounts([{ payments: 6 }], [source], [outcome])).not.toThrow();
    expect(() => checkCounts([{ payments: 2 }], [source], [outcome])).toThrow("3 receipts");
    expect(() => checkCounts([{ payments: 9 }], [source, source], [outcome])).toThrow("6 receipts, 3 reported");
  });
});

test("the receipt table: codes count up, names are unique, every rejection has an ISO external code", () => {
  expect(receiptTable.map(({ code }) => code)).toEqual(receiptTable.map((_, i) => i));
  expect(new Set(receiptTable.map(({ name }) => name)).size).toBe(receiptTable.length);
  expect(receiptTable.filter(({ code, reason }) => (code === 0) !== (reason === ""))).toEqual([]);
  for (const { code, reason, name } of receiptTable) {
    expect(reason).toMatch(/^$|^[A-Z0-9]{4}$/);
    expect(receiptCode(name)).toBe(code);
    expect(receiptOf(code)?.name).toBe(name);
  }
  expect(receiptOf(200)).toBeUndefined();
});
