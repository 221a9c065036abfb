import { hexToBytes } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";
import { memberKeys, verifyCertificate, verifyPossession } from "../crypto/bls.ts";
import { sha256 } from "../crypto/hash.ts";
import {
  genesisSet,
  provenCoverage,
  provenGovernance,
  provesOutcome,
  type ReportCrypto,
  type TrustedSet,
  trustNext,
} from "../ledger/proof-report.ts";
import type { ChainReport } from "./services.ts";
import { settle } from "./testing/settling.ts";
import { createSwarm } from "./testing/swarm.ts";

const crypto: ReportCrypto = {
  verifyCertificate: (certificate, config) => verifyCertificate(memberKeys(config), certificate) !== undefined,
  provesPossession: verifyPossession,
};

function follow(trusted: TrustedSet, report: ChainReport): TrustedSet {
  return report.handovers.reduce((known, bytes) => {
    const result = trustNext(known, bytes, crypto);
    if (result.kind !== "trusted") throw new Error(result.kind === "refused" ? result.reason : "passed");
    return result.next;
  }, trusted);
}

test("a report leads from genesis to the set, the governance set and the outcomes under its newest final header", async () => {
  const swarm = createSwarm({ seed: 41 });
  await swarm.startAll();
  const { genesis, chainId } = swarm.chain;
  const first = genesisSet(genesis, chainId, crypto);
  await settle(swarm, 0, "a");
  const report = (from: number, hashes: readonly Uint8Array[] = []) =>
    swarm.driver(1).services.chainReport(from, hashes);
  await swarm.until(() => swarm.driver(1).services.status().finalizedHeight >= 2, 20_000);
  const before = await report(0);
  expect(before).toMatchObject({ handovers: [], final: { header: { epoch: 0 } } });
  expect(crypto.verifyCertificate(before.final!.finalization, first.config)).toBe(true);

  const granted = swarm.governance(0, { kind: "set-parameters", parameters: { idleInterval: 400 } });
  const learners = [{ id: "seat-0", peerKey: "ab".repeat(32) }];
  const refused = swarm.governance(1, { kind: "set-learners", learners });
  const hashes = [granted, refused].map(({ bytes }) => sha256(bytes));
  for (const [i, { bytes }] of [granted, refused].entries()) {
    await swarm.driver(0).services.submitGovernance(bytes);
    await swarm.until(() => swarm.driver(1).services.status().epoch === i + 1, 20_000);
  }
  await settle(swarm, 0, "b");
  await swarm.until(() => swarm.driver(1).services.status().settledPayments === 20, 20_000);

  const after = await report(0, [...hashes, new Uint8Array(32)]);
  const { header, finalization } = after.final!;
  expect(header.epoch).toBe(2);
  const second = follow(first, after);
  expect(second.config.epoch).toBe(2);
  expect(second.set).toMatchObject({ parameters: { idleInterval: 400 }, learners: [] });
  expect(crypto.verifyCertificate(finalization, second.config)).toBe(true);
  const outcomes = after.outcomes.map(({ hash, granted: said, reason }) => ({ hash: Buffer.from(hash), said, reason }));
  expect(outcomes).toEqual([
    { hash: hashes[0], said: true, reason: "" },
    { hash: hashes[1], said: false, reason: "two of the swarm share a name or a key" },
  ]);
  for (const { hash, granted: said, receipt } of after.outcomes) {
    expect(provesOutcome(header, { hash, granted: said }, receipt)).toBe(true);
    expect(provesOutcome(header, { hash, granted: !said }, receipt)).toBe(false);
    expect(provesOutcome(header, { hash: new Uint8Array(32), granted: said }, receipt)).toBe(false);
    for (let at = 0; at < receipt.length; at += 7)
      expect(provesOutcome(header, { hash, granted: said }, receipt.with(at, receipt[at]! ^ 1))).toBe(false);
  }
  expect(provenGovernance(header, after.components!)).toMatchObject({ sequence: 1, threshold: 1 });
  expect(provenCoverage(header, after.components!)).toMatchObject({ degraded: [] });
  expect(provenGovernance(header, { ...after.components!, governance: hexToBytes("7b7d") })).toBeUndefined();
  // Who has the set is given none.
  expect((await report(2)).handovers).toEqual([]);
});

test("a member that fell silent is heard no more after eight views, through an epoch's end too", async () => {
  const swarm = createSwarm({ seed: 42, parameters: { epochBlocks: 6, idleInterval: 50 } });
  await swarm.startAll();
  const heard = () => swarm.driver(0).services.status().heard;
  await swarm.until(() => heard().length === 4, 20_000);
  swarm.crash(3);
  const { epoch } = swarm.driver(0).services.status();
  await swarm.until(() => swarm.driver(0).services.status().epoch > epoch, 20_000);
  // The next epoch begins with what was heard in the last, so nobody who votes goes unheard for a moment.
  expect(heard().slice(0, 3)).toEqual(["seat-0", "seat-1", "seat-2"]);
  await swarm.until(() => !heard().includes("seat-3"), 20_000);
  expect(heard()).toEqual(["seat-0", "seat-1", "seat-2"]);
});
