import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blsSigner } from "../validator/crypto/bls.ts";
import { parseGenesis } from "../validator/ledger/genesis.ts";
import { parseValidatorSwarm } from "./api/validator-swarm.ts";
import { type GenesisOrder, genesisDocument, minorUnits } from "./genesis-document.ts";
import type { MemberChange } from "./plan/transactions.ts";

const parsed = parseValidatorSwarm(readFileSync(join(import.meta.dirname, "../manifests/quickstart.yaml"), "utf8"));
if (parsed.kind === "invalid") throw new Error("the quickstart is not valid");
const { spec } = parsed.swarm;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ed25519 = (seed: number) => seed.toString(16).padStart(2, "0").repeat(32);

function member(region: string, zones: readonly string[], seed: number): MemberChange {
  const signer = blsSigner(new Uint8Array(32).fill(seed));
  const peerKey = new Uint8Array(32).fill(seed);
  return {
    id: `quickstart-${region}-0`,
    power: 12,
    region,
    zones,
    keys: { blsKey: hex(signer.publicKey), peerKey: hex(peerKey) },
    proofOfPossession: hex(signer.provePossession(peerKey)),
  };
}

const members = spec.regions.map(({ name, zones }, i) => member(name, zones, i + 1));
const order: GenesisOrder = {
  name: "quickstart",
  spec,
  members,
  managed: new Set(members.map(({ id }) => id)),
  operatorKey: ed25519(0xaa),
  institutionKeys: new Map(spec.genesis.institutions.map(({ bic }, i) => [bic, ed25519(i + 1)])),
  time: 1_700_000_000_000,
};

function genesisOf(given: GenesisOrder) {
  const made = genesisDocument(given);
  if (made.kind === "invalid") throw new Error(made.reason);
  const read = parseGenesis(JSON.parse(Buffer.from(made.bytes).toString("utf8")));
  if (read.kind !== "ok") throw new Error(read.reasons.join());
  expect(read.chainId).toBe(made.chainId);
  return read.genesis;
}

test("says what the spec says, with the keys that the volumes made", () => {
  const genesis = genesisOf(order);
  expect(genesis.members.map(({ id, power, zones }) => [id, power, zones])).toEqual([
    ["quickstart-eu-west-0", 12, ["EU"]],
    ["quickstart-us-east-0", 12, []],
    ["quickstart-ap-south-0", 12, []],
    ["quickstart-eu-north-0", 12, ["EU"]],
  ]);
  const [account] = genesis.accounts;
  expect(account).toMatchObject({ institution: "QSWADEFFXXX", currency: "EUR", openingBalance: 25_000_000_000 });
  expect(genesis.parameters.checkpointInterval).toBe(200);
  expect(genesis.institutions.map(({ key }) => key)).toEqual([1, 2, 3, 4].map(ed25519));
});

test("without governance keys the operator governs alone; with an owner of its seats it is their delegate", () => {
  const alone = genesisOf(order);
  expect(alone.governance).toMatchObject({ threshold: 1, keys: [order.operatorKey] });
  expect(alone.members.every(({ owner, delegate }) => owner === undefined && delegate === undefined)).toBe(true);

  const governance = { threshold: 2, keys: [ed25519(0xb1), ed25519(0xb2)] };
  const owned = { ...spec, genesis: { ...spec.genesis, governance }, authority: { seatOwner: ed25519(0xcc) } };
  const genesis = genesisOf({ ...order, spec: owned, managed: new Set([members[0]!.id]) });
  expect(genesis.governance).toMatchObject(governance);
  expect(genesis.members.map(({ owner, delegate }) => [owner, delegate])).toEqual([
    [ed25519(0xcc), order.operatorKey],
    ...members.slice(1).map(() => [undefined, undefined]),
  ]);
});

test("refuses a validator that does not prove that it holds its key", () => {
  const [first, second] = members;
  const stolen = { ...first!, proofOfPossession: second!.proofOfPossession };
  expect(genesisDocument({ ...order, members: [stolen, ...members.slice(1)] })).toEqual({
    kind: "invalid",
    reason: "quickstart-eu-west-0 does not prove that it holds its key.",
  });
});

test.each([
  ["250000000.00", 2, "25000000000"],
  ["12.5", 2, "1250"],
  ["0", 2, "0"],
  ["0.05", 2, "5"],
  ["7", 0, "7"],
  ["7.000", 0, "7"],
  ["1.234", 3, "1234"],
  ["1.234", 2, undefined],
])("%s with %i decimals is %s minor units", (amount, digits, minor) => {
  expect(minorUnits(amount, digits)).toBe(minor);
});
