import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesToHex } from "@noble/hashes/utils.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { messageKey } from "../validator/codec/payment-message.ts";
import { digest } from "../validator/consensus/types.ts";
import { blsSigner } from "../validator/crypto/bls.ts";
import { ed25519Signer } from "../validator/crypto/ed25519.ts";
import { sha256 } from "../validator/crypto/hash.ts";
import { type Chain, ledgerFromCheckpoint } from "../validator/driver/ledger-port.ts";
import { createStateIntake, type StateIntakeResult } from "../validator/driver/restored-state.ts";
import { messageKeyKind } from "../validator/ledger/execute.ts";
import { parseGenesis, type Recovery } from "../validator/ledger/genesis.ts";
import type { Store } from "../validator/storage/types.ts";
import { parseRecovery, signRecovery } from "./recovery.ts";
import { inVolume } from "./rehearse.ts";
import type { SourceHead } from "./source.ts";
import { type Recorded, recordCheckpoint } from "./testing/recorded.ts";

let recorded: Recorded;
let head: SourceHead;
let root: string;
let folders = 0;
const folder = () => join(root, String(folders++));
const seeded = (name: string) => sha256(new TextEncoder().encode(name));
/** Of the recorded swarm's governance set, and of nobody. */
const governor = bytesToHex(seeded("governance"));
const stranger = bytesToHex(seeded("stranger"));

beforeAll(async () => {
  recorded = await recordCheckpoint();
  const [first] = recorded.parts;
  if (first?.kind !== "head") throw new Error("no head");
  head = first;
  root = await mkdtemp(join(tmpdir(), "restored-"));
}, 60_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const restorable = () => ({ chainId: recorded.chainId, height: head.height, stateRoot: head.block.header.root });
const recoveryBy = (seed: string, of: object = {}): Recovery =>
  signRecovery({ ...restorable(), ...of }, { settledHeight: head.height + 10, chainName: "after" }, [{ key: 0, seed }]);

/** A chain of four new members that goes on from the recorded one. */
function chainOf(restored: Recovery, first = 0): Chain {
  const members = [0, 1, 2, 3].map((i) => {
    const bls = blsSigner(seeded(i === first - 1 ? "bls 0" : `new bls ${i}`));
    const peer = ed25519Signer(seeded(`new peer ${i}`));
    return {
      id: `seat-${i}`,
      power: 1,
      region: "eu-west",
      blsKey: bytesToHex(bls.publicKey),
      peerKey: bytesToHex(peer.publicKey),
      proofOfPossession: bytesToHex(bls.provePossession(peer.publicKey)),
    };
  });
  const governance = { threshold: 1, keys: [stranger] };
  const parsed = parseGenesis({ chainName: "after", time: 1_767_225_600_000, members, governance, restored });
  if (parsed.kind === "refused") throw new Error(parsed.reasons.join("; "));
  return { genesis: parsed.genesis, chainId: parsed.chainId };
}

async function give(chain: Chain, volume: Store): Promise<StateIntakeResult> {
  const intake = createStateIntake(chain, chain.genesis.restored!, volume);
  let index = 0;
  for (const part of recorded.parts) {
    if (part.kind !== "state" && part.kind !== "keys") continue;
    const result = await intake.take({ index: index++, kind: part.kind, content: part.content });
    if (result.kind !== "more") return result;
  }
  return intake.take({ index, kind: "end", content: new Uint8Array(0) });
}

describe("a restored chain's first state", () => {
  test("has the money, the history and the executed payments of the old chain, and a new set and name", async () => {
    const chain = chainOf(recoveryBy(governor));
    const directory = folder();
    const result = await inVolume(directory, (volume) => give(chain, volume));
    expect(result).toEqual({ kind: "restored", height: head.height, root: head.block.header.root });
    // As a validator opens it at its start.
    await inVolume(directory, async (volume) => {
      const parts = volume.recovered.checkpoint?.parts ?? [];
      const ledger = ledgerFromCheckpoint(chain, volume.keys, parts)!;
      expect(ledger.executed.height).toBe(head.height);
      expect(ledger.history.count).toBe(head.height);
      expect(ledger.state).toMatchObject({ chainId: chain.chainId, set: { epoch: 0 }, governance: { sequence: 1 } });
      expect(ledger.epochConfig.members.map(({ id }) => id)).toEqual(["seat-0", "seat-1", "seat-2", "seat-3"]);
      expect(ledger.epochConfig.anchor).toMatchObject({ height: head.height, rootHeight: head.height });
      expect(volume.keys.find(1 | messageKeyKind, 0, messageKey("m0"), 0)).toBeDefined();
      expect(ledger.state.settledPayments).toBeGreaterThan(0);
    });
  });

  test("is refused without the governance set's signature, for another root, and with a key used before", async () => {
    const by = async (chain: Chain) => inVolume(folder(), (volume) => give(chain, volume));
    expect(await by(chainOf(recoveryBy(stranger)))).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("0 good signatures"),
    });
    expect(await by(chainOf(recoveryBy(governor, { stateRoot: "ab".repeat(32) })))).toMatchObject({ kind: "refused" });
    expect(await by(chainOf(recoveryBy(governor, { height: head.height + 1 })))).toMatchObject({ kind: "refused" });
    expect(await by(chainOf(recoveryBy(governor, { chainId: digest("cd".repeat(32)) })))).toMatchObject({
      kind: "refused",
    });
    expect(await by(chainOf(recoveryBy(governor), 1))).toMatchObject({ kind: "refused" });
  });

  test("parts in another order are refused, and part 0 begins anew", async () => {
    const chain = chainOf(recoveryBy(governor));
    await inVolume(folder(), async (volume) => {
      const intake = createStateIntake(chain, chain.genesis.restored!, volume);
      const state = recorded.parts.find(({ kind }) => kind === "state") as { content: Uint8Array };
      expect(await intake.take({ index: 0, kind: "state", content: state.content })).toEqual({ kind: "more" });
      expect(await intake.take({ index: 2, kind: "state", content: state.content })).toMatchObject({ kind: "refused" });
      expect(await intake.take({ index: 0, kind: "end", content: new Uint8Array(0) })).toMatchObject({
        kind: "refused",
      });
    });
  });

  test("a genesis document names the chain it restores, and has no money of its own", () => {
    const recovery = recoveryBy(governor);
    const { genesis } = chainOf(recovery);
    const other = { ...recovery, statement: { ...recovery.statement, chainName: "another" } };
    expect(parseGenesis({ ...genesis, restored: other })).toMatchObject({ kind: "refused" });
    const institutions = [{ bic: "QSWADEFFXXX", key: "ab".repeat(32) }];
    expect(parseGenesis({ ...genesis, institutions })).toMatchObject({ kind: "refused" });
  });
});

describe("the statement", () => {
  test("signatures of the same statement are put together, those of another are not", () => {
    const one = recoveryBy(governor);
    const { settledHeight, chainName } = one.statement;
    const both = signRecovery(restorable(), { settledHeight, chainName }, [{ key: 1, seed: stranger }], one);
    expect(both.signatures.map(({ key }) => key)).toEqual([0, 1]);
    const other = signRecovery(
      restorable(),
      { settledHeight: settledHeight + 1, chainName },
      [{ key: 1, seed: stranger }],
      one,
    );
    expect(other.signatures.map(({ key }) => key)).toEqual([1]);
    expect(parseRecovery(JSON.stringify(both))).toEqual(both);
  });
});
