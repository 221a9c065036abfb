import { expect, test } from "vitest";
import { createSimDisk } from "../simulator/ports/sim-disk.ts";
import { openIdentity } from "./identity.ts";
import { openStore } from "./store.ts";
import { bytesFrom, opened, seeded } from "./testing.ts";

const random = bytesFrom(seeded(1));
const options = { segmentBytes: 4096, leastFree: 0, random };

test("keys are made once and stay the same", async () => {
  const disk = createSimDisk(seeded(1));
  const first = await openIdentity(disk, "/v", random);
  expect(first).toMatchObject({ kind: "ok", identity: { made: true } });
  // Nothing was signed yet: a cut between the keys and the log is no loss.
  disk.crash(seeded(2));
  const second = await openIdentity(disk, "/v", random);
  opened(await openStore(disk, "/v", options));
  disk.crash(seeded(3));
  const third = await openIdentity(disk, "/v", random);
  if (first.kind !== "ok" || second.kind !== "ok" || third.kind !== "ok") throw new Error("the identity did not open");
  expect([...second.identity.blsSecret]).toEqual([...first.identity.blsSecret]);
  expect([...third.identity.peerSecret]).toEqual([...first.identity.peerSecret]);
  expect([...third.identity.peerSecret]).not.toEqual([...third.identity.blsSecret]);
  expect(third.identity.made).toBe(false);
});

test("keys whose log is gone are retired, and a log whose keys are gone is no identity at all", async () => {
  const disk = createSimDisk(seeded(4));
  await openIdentity(disk, "/v", random);
  await opened(await openStore(disk, "/v", options)).close();
  const withoutLog = disk.copy();
  for (const name of withoutLog.files().keys()) if (name.startsWith("/v/log/")) await withoutLog.remove(name);
  await withoutLog.remove("/v/boot");
  expect(await openIdentity(withoutLog, "/v", random)).toMatchObject({
    kind: "retired",
    fault: { kind: "missing" },
    identity: { made: false },
  });

  await disk.remove("/v/identity/bls.key");
  expect(await openIdentity(disk, "/v", random)).toMatchObject({
    kind: "fault",
    fault: { kind: "missing", path: "/v/identity/bls.key" },
  });
});

test("a damaged key is named, never replaced", async () => {
  const disk = createSimDisk(seeded(5));
  await openIdentity(disk, "/v", random);
  disk.flip("/v/identity/peer.key", 3, 1);
  expect(await openIdentity(disk, "/v", random)).toMatchObject({ kind: "fault", fault: { kind: "corrupt" } });
});
