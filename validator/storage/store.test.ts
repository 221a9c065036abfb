import { expect, test } from "vitest";
import type { Digest } from "../consensus/types.ts";
import { epoch, height, view, zeroDigest } from "../consensus/types.ts";
import type { SimDisk } from "../simulator/ports/sim-disk.ts";
import { createSimDisk } from "../simulator/ports/sim-disk.ts";
import { openStore } from "./store.ts";
import { bytesFrom, digestOf, opened, seeded, testBlock, testCertificate } from "./testing.ts";
import type { Entry, Store } from "./types.ts";
import { StorageFaultError } from "./types.ts";

const small = (seed: number) => ({
  segmentBytes: 4096,
  leastFree: 0,
  batchGrace: 2,
  keysInMemory: 64,
  random: bytesFrom(seeded(seed)),
});

function ballot(at: number): Entry {
  return { kind: "ballot", ballot: { kind: "notarize", epoch: epoch(0), view: view(at), block: digestOf(`b${at}`) } };
}

function batch(name: string, length: number): Extract<Entry, { kind: "batch" }> {
  const bytes = bytesFrom(seeded(length + name.length))(length);
  return { kind: "batch", digest: digestOf(name), bytes };
}

async function reopen(disk: SimDisk, seed: number): Promise<Store> {
  return opened(await openStore(disk, "/v", small(seed)));
}

test("what was persisted is there after a power cut", async () => {
  const disk = createSimDisk(seeded(1));
  const store = await reopen(disk, 1);
  const carried = batch("one", 700);
  const block = testBlock(1, [carried.digest]);
  const next = testBlock(2);
  await store.persist([carried, { kind: "private", message: digestOf("m"), content: Buffer.from("a name") }]);
  store.keep({ kind: "certificate", certificate: testCertificate("notarize", 1, block.hash) });
  await store.persist([
    { kind: "block", block },
    ballot(1),
    { kind: "proposal", proposal: { block, finalization: undefined } },
  ]);
  const finalization = testCertificate("finalize", 1, block.hash);
  await store.persist([
    { kind: "final", height: height(1), hash: block.hash, finalization },
    { kind: "block", block: next },
    ballot(2),
    { kind: "outcome", height: height(1), bytes: Uint8Array.of(1, 2) },
    { kind: "settled", height: height(1), finalization },
  ]);
  disk.crash(seeded(2));

  const again = await reopen(disk, 2);
  expect(again.recovered).toMatchObject({
    ballots: [{ view: 1 }, { view: 2 }],
    proposals: [{ block }],
    certificates: [{ kind: "notarize", view: 1 }],
    blocks: [next],
    finalized: { block, finalization },
    settled: { height: 1, finalization },
    batches: [],
    checkpoint: undefined,
  });
  expect(await again.batch(carried.digest)).toEqual(Buffer.from(carried.bytes));
  expect(Buffer.from((await again.privatePayload(digestOf("m")))!).toString()).toBe("a name");
  expect(await again.finalBlock(height(1))).toEqual({ block, finalization });
  expect(await again.outcome(height(1))).toEqual(Buffer.of(1, 2));
  expect(again.lowestHeight).toBe(1);
});

test("concurrent persists share a sync", async () => {
  const disk = createSimDisk(seeded(3));
  const store = await reopen(disk, 3);
  await store.persist([ballot(1)]);
  const before = disk.operations;
  await Promise.all([ballot(2), ballot(3), ballot(4)].map((entry) => store.persist([entry])));
  expect(disk.operations - before).toBe(2);
});

test("private payloads are sealed at rest", async () => {
  const disk = createSimDisk(seeded(4));
  const store = await reopen(disk, 4);
  await store.persist([{ kind: "private", message: digestOf("m"), content: Buffer.from("Erika Mustermann") }]);
  for (const [path, size] of disk.files()) {
    const file = await disk.open(path, { create: false });
    expect(Buffer.from(await file.read(0, size)).includes("Mustermann")).toBe(false);
  }
});

test.each(["no-space", "input-output"] as const)(
  "%s rejects by name, and the store goes on once the disk does",
  async (kind) => {
    const disk = createSimDisk(seeded(5));
    const store = await reopen(disk, 5);
    await store.persist([ballot(1)]);
    disk.failing = kind;
    const failed = await store.persist([batch("lost", 900)]).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StorageFaultError);
    expect(failed).toMatchObject({ fault: { kind } });
    store.keep(ballot(2));
    expect(store.hasBatch(digestOf("lost"))).toBe(false);
    expect(await store.probe()).toBe(false);
    disk.failing = undefined;
    expect(await store.probe()).toBe(true);
    await store.persist([ballot(3)]);
    disk.crash(seeded(6));
    expect((await reopen(disk, 6)).recovered.ballots.map((b) => b.view)).toEqual([1, 2, 3]);
  },
);

test("after a failed sync the group goes to a new segment, since its pages cannot be trusted", async () => {
  const disk = createSimDisk(seeded(7));
  const store = await reopen(disk, 7);
  await store.persist([ballot(1)]);
  disk.failNextSync();
  await store.persist([ballot(2)]);
  await store.persist([ballot(3)]);
  expect([...disk.files().keys()].filter((name) => name.endsWith(".log"))).toHaveLength(2);
  disk.crash(seeded(8));
  expect((await reopen(disk, 8)).recovered.ballots.map((b) => b.view)).toEqual([1, 2, 3]);
});

test("a removed or older log is named", async () => {
  const disk = createSimDisk(seeded(9));
  const store = await reopen(disk, 9);
  await store.persist([ballot(1)]);
  const old = disk.copy();
  await store.persist([batch("big", 4000)]);
  await store.persist([ballot(2)]);
  expect(store.checkVolume()).toBeUndefined();

  const gone = disk.copy();
  for (const name of [...gone.files().keys()]) if (name.startsWith("/v/log/")) await gone.remove(name);
  expect(await openStore(gone, "/v", small(1))).toMatchObject({ kind: "fault", fault: { kind: "missing" } });

  const cut = disk.copy();
  await cut.remove("/v/log/0000000003.log");
  expect(await openStore(cut, "/v", small(1))).toMatchObject({
    kind: "fault",
    fault: { kind: "older-than-boot-marker" },
  });

  const middle = disk.copy();
  await middle.remove("/v/log/0000000002.log");
  expect(await openStore(middle, "/v", small(1))).toMatchObject({
    kind: "fault",
    fault: { kind: "missing", path: "/v/log/0000000002.log" },
  });

  // The log of an old copy of the volume under the marker of today.
  const marker = await disk.open("/v/boot", { create: false });
  const stale = await old.open("/v/boot", { create: false });
  await stale.truncate(0);
  await stale.append([await marker.read(0, 100)]);
  expect(await openStore(old, "/v", small(1))).toMatchObject({
    kind: "fault",
    fault: { kind: "older-than-boot-marker" },
  });

  await disk.remove("/v/log/0000000003.log");
  expect(store.checkVolume()).toMatchObject({ kind: "missing" });
  await expect(store.persist([ballot(9)])).rejects.toMatchObject({ fault: { kind: "missing" } });
});

/** Everything a reader can learn from a store, to compare. */
async function everything(store: Store, batches: readonly Digest[], heights: number): Promise<unknown> {
  const finals = [];
  for (let at = 1; at <= heights; at++)
    finals.push(await store.finalBlock(height(at)), await store.outcome(height(at)));
  const contents = [];
  for (const at of batches) contents.push(await store.batch(at));
  const keys = [];
  const key = new Uint8Array(16);
  for (let n = 0; n < 200; n++) {
    key[0] = n;
    keys.push(store.keys.find(1, 2, key, 0));
  }
  return { recovered: store.recovered, lowest: store.lowestHeight, finals, contents, keys };
}

test("a flipped byte anywhere is named, or changes nothing", async () => {
  const disk = createSimDisk(seeded(10));
  const store = await reopen(disk, 10);
  const batches: Digest[] = [];
  for (let at = 1; at <= 6; at++) {
    const carried = batch(`batch ${at}`, 100 * at * at);
    batches.push(carried.digest);
    const block = testBlock(at, [carried.digest]);
    await store.persist([carried, { kind: "block", block }, ballot(at)]);
    const finalization = testCertificate("finalize", at, block.hash);
    await store.persist([
      { kind: "final", height: height(at), hash: block.hash, finalization },
      { kind: "outcome", height: height(at), bytes: new Uint8Array(600) },
    ]);
    const key = new Uint8Array(16);
    for (let n = 0; n < 30; n++) {
      key[0] = at * 30 + n;
      store.keys.add(1, 2, key, 0, at, n);
    }
    if (at === 4)
      await store.saveCheckpoint({
        height: height(4),
        root: zeroDigest,
        proof: { block, finalization },
        parts: [Uint8Array.of(1), new Uint8Array(900)],
      });
  }
  const clean = disk.copy();
  const expected = await everything(opened(await openStore(clean, "/v", small(11))), batches, 6);
  let faults = 0;
  let tries = 0;
  const draw = seeded(12);
  for (const [path, size] of disk.files()) {
    for (let offset = 0; offset < size; offset += size > 600 ? 1 + Math.floor(draw() * 24) : 1) {
      const damaged = disk.copy();
      damaged.flip(path, offset, tries % 2 === 0 ? 1 << Math.floor(draw() * 8) : 1 + Math.floor(draw() * 255));
      tries++;
      const opening = await openStore(damaged, "/v", small(13));
      if (opening.kind === "fault") {
        faults++;
        expect(opening.fault.kind, `${path} at ${offset}`).toBe("corrupt");
        continue;
      }
      const found = await everything(opening.store, batches, 6);
      expect(found, `${path} at ${offset}`).toEqual(expected);
    }
  }
  expect(tries).toBeGreaterThan(700);
  expect(faults / tries).toBeGreaterThan(0.5);
});

test("random work, cut at any operation: all that persist promised is there, in order, and nothing else", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const draw = seeded(seed);
    const disk = createSimDisk(draw);
    const promised: number[] = [];
    const attempted = new Set<number>();
    const stored = new Map<Digest, Uint8Array>();
    let at = 0;
    for (let life = 0; life < 3; life++) {
      // Sometimes within the opening itself.
      disk.stopAt = disk.operations + 1 + Math.floor(draw() * (draw() < 0.3 ? 8 : 60));
      const opening = await openStore(disk, "/v", small(seed * 7 + life));
      if (opening.kind === "ok") {
        const views = opening.store.recovered.ballots.map((b) => b.view as number);
        expect(
          views.filter((n) => promised.includes(n)),
          `seed ${seed}`,
        ).toEqual(promised);
        expect(
          views.every((n) => attempted.has(n)),
          `seed ${seed}`,
        ).toBe(true);
        for (const [digest, bytes] of stored)
          expect(Buffer.from((await opening.store.batch(digest).catch(() => bytes))!).equals(bytes)).toBe(true);
        const calls: Promise<unknown>[] = [];
        for (let i = 0; i < 12; i++) {
          const n = ++at;
          attempted.add(n);
          const carried = batch(`s${seed}n${n}`, Math.floor(draw() * 1500));
          const done = opening.store.persist(draw() < 0.5 ? [ballot(n), carried] : [ballot(n)]).then(
            () => {
              promised.push(n);
              if (opening.store.hasBatch(carried.digest)) stored.set(carried.digest, carried.bytes);
            },
            () => {},
          );
          calls.push(done);
          if (draw() < 0.5) await done;
        }
        await Promise.all(calls);
      } else {
        // Only the power cut itself stops an opening.
        expect(disk.operations, `seed ${seed}: ${JSON.stringify(opening.fault)}`).toBeGreaterThanOrEqual(disk.stopAt);
      }
      disk.crash(draw);
    }
    const views = (await reopen(disk, seed)).recovered.ballots.map((b) => b.view as number);
    expect(
      views.filter((n) => promised.includes(n)),
      `seed ${seed}`,
    ).toEqual(promised);
    expect(
      views.every((n) => attempted.has(n)),
      `seed ${seed}`,
    ).toBe(true);
  }
});

test("pruning bounds the disk, keeps what is needed, and survives a restart", async () => {
  const disk = createSimDisk(seeded(20));
  let store = await reopen(disk, 20);
  const early = batch("waits for long", 300);
  await store.persist([
    early,
    { kind: "settled", height: height(0), finalization: testCertificate("finalize", 1, zeroDigest) },
  ]);
  const key = new Uint8Array(16);
  let highest = 0;
  for (let at = 1; at <= 200; at++) {
    const carried = batch(`batch ${at}`, 500);
    const block = testBlock(at, [carried.digest]);
    await store.persist([
      carried,
      { kind: "block", block },
      ballot(at),
      { kind: "private", message: digestOf(`p${at}`), content: carried.bytes },
    ]);
    await store.persist([
      {
        kind: "final",
        height: height(at),
        hash: block.hash,
        finalization: testCertificate("finalize", at, block.hash),
      },
    ]);
    new DataView(key.buffer).setUint32(0, at);
    store.keys.add(1, 1, key, 0, at, 0);
    if (at % 10 === 0) {
      await store.saveCheckpoint({
        height: height(at),
        root: zeroDigest,
        proof: undefined,
        parts: [new Uint8Array(100)],
      });
      store.keys.forget(at - 50);
      await store.keys.flush();
      await store.prune(height(at - 10));
      highest = Math.max(highest, disk.used);
    }
    if (at % 60 === 0) {
      disk.crash(seeded(at));
      store = await reopen(disk, at);
    }
  }
  expect(highest).toBeLessThan(120_000);
  expect(store.hasBatch(early.digest)).toBe(false);
  expect(store.lowestHeight).toBeLessThanOrEqual(190);
  expect(store.lowestHeight).toBeGreaterThan(150);
  disk.crash(seeded(21));
  const again = await reopen(disk, 21);
  expect(again.lowestHeight).toBe(store.lowestHeight);
  expect(again.recovered.settled?.height).toBe(0);
  for (let at = 190; at <= 200; at++) {
    expect((await again.finalBlock(height(at)))?.block.header.height).toBe(at);
    expect(again.hasBatch(digestOf(`batch ${at}`))).toBe(true);
    expect(await again.privatePayload(digestOf(`p${at}`))).toBeDefined();
  }
});
