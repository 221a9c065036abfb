import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { blsSigner } from "../../validator/crypto/bls.ts";
import { parseGenesis } from "../../validator/ledger/genesis.ts";
import { parseValidatorSwarm, type ValidatorSwarm } from "../api/validator-swarm.ts";
import { assembleGenesis, checkGenesis, institutionKeyFile, minorUnits } from "./genesis.ts";
import { planSeats } from "./seats.ts";
import type { Identity } from "./validator-link.ts";
import { createLayout, type SwarmLayout, swarmLayout } from "./volumes.ts";

const manifest = readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8");
const parsed = parseValidatorSwarm(manifest);
if (parsed.kind === "invalid") throw new Error("the quickstart is not valid");
const swarm: ValidatorSwarm = parsed.swarm;
const seats = planSeats(swarm);

function identity(seed: number): Identity {
  const signer = blsSigner(new Uint8Array(32).fill(seed));
  const peerKey = new Uint8Array(32).fill(seed);
  return { blsKey: signer.publicKey, peerKey, proofOfPossession: signer.provePossession(peerKey) };
}

let directory: string;
let layout: SwarmLayout;
let identities: Map<string, Identity>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "genesis-"));
  layout = swarmLayout("quickstart", directory);
  createLayout(layout);
  identities = new Map(seats.map(({ name }, i) => [name, identity(i + 1)]));
});
afterEach(() => rmSync(directory, { recursive: true }));

function assembled(): Uint8Array {
  const result = assembleGenesis(swarm, seats, identities, layout);
  if (result.kind === "invalid") throw new Error(result.reason);
  return result.bytes;
}

test("seats share their region's weight and are named after swarm, region and generation", () => {
  expect(seats.map(({ name, identity: id, power }) => [name, id, power])).toEqual([
    ["quickstart-eu-west-0", "quickstart-eu-west-0-g1", 1],
    ["quickstart-us-east-0", "quickstart-us-east-0-g1", 1],
    ["quickstart-ap-south-0", "quickstart-ap-south-0-g1", 1],
    ["quickstart-eu-north-0", "quickstart-eu-north-0-g1", 1],
  ]);
  const regions = swarm.spec.regions.map((region) => ({ ...region, weight: 12 }));
  const more = planSeats({ ...swarm, spec: { ...swarm.spec, regions, replicas: 9 } });
  expect(more.map(({ power }) => power)).toEqual([4, 4, 4, 6, 6, 6, 6, 6, 6]);
});

describe("genesis", () => {
  test("says what the manifest says, with the keys that the validators reported", () => {
    const result = parseGenesis(JSON.parse(Buffer.from(assembled()).toString()));
    if (result.kind !== "ok") throw new Error(result.reasons.join());
    const { genesis, chainId } = result;
    expect(genesis.members.map(({ id, zones }) => [id, zones])).toEqual([
      ["quickstart-eu-west-0", ["EU"]],
      ["quickstart-us-east-0", []],
      ["quickstart-ap-south-0", []],
      ["quickstart-eu-north-0", ["EU"]],
    ]);
    expect(genesis.accounts[0]).toMatchObject({
      institution: "QSWADEFFXXX",
      currency: "EUR",
      openingBalance: 25_000_000_000,
    });
    expect(genesis.parameters.checkpointInterval).toBe(200);
    expect(checkGenesis(Buffer.from(JSON.stringify(genesis)), seats, identities)).toEqual({ kind: "ok", chainId });
  });

  test("takes development keys that only their owner can read, and keeps them", () => {
    const first = parseGenesis(JSON.parse(Buffer.from(assembled()).toString()));
    const again = parseGenesis(JSON.parse(Buffer.from(assembled()).toString()));
    const file = institutionKeyFile(layout, { bic: "QSWADEFFXXX" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    if (first.kind !== "ok" || again.kind !== "ok") throw new Error("refused");
    expect(first.genesis.institutions).toEqual(again.genesis.institutions);
    expect(first.genesis.institutions[0]?.key).not.toBe(readFileSync(file, "utf8").trim());
  });

  test("refuses a validator that does not prove that it holds its key", () => {
    const stolen = { ...identity(1), proofOfPossession: identity(2).proofOfPossession };
    identities.set("quickstart-eu-west-0", stolen);
    expect(assembleGenesis(swarm, seats, identities, layout)).toEqual({
      kind: "invalid",
      reason: "quickstart-eu-west-0-g1 does not prove that it holds its key.",
    });
  });

  test("refuses to go on when a volume was lost, or the manifest has other seats than the chain", () => {
    const document = assembled();
    const fewer = seats.slice(1);
    expect(checkGenesis(document, fewer, identities)).toEqual({
      kind: "invalid",
      reason: "The chain has 4 seats, the manifest asks for 3: seats change through governance.",
    });
    identities.set("quickstart-us-east-0", identity(77));
    expect(checkGenesis(document, seats, identities)).toEqual({
      kind: "invalid",
      reason: "quickstart-us-east-0-g1 has another key than the chain knows: its volume was lost.",
    });
    expect(checkGenesis(Buffer.from("{"), seats, identities).kind).toBe("invalid");
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
