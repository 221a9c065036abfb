import { expect, test } from "vitest";
import { createSimDisk } from "../simulator/ports/sim-disk.ts";
import type { DurableExecutedKeys } from "./executed-keys.ts";
import { openExecutedKeys } from "./executed-keys.ts";
import { bytesFrom, seeded } from "./testing.ts";

const options = { random: bytesFrom(seeded(1)), keysInMemory: 64, runKeys: 1024 };

function keyOf(n: number): Uint8Array {
  const key = new Uint8Array(24);
  new DataView(key.buffer).setUint32(5, n);
  return key;
}

function add(keys: DurableExecutedKeys, n: number, at: number): boolean {
  return keys.add(1, n % 7, keyOf(n), 3, at, n % 1000);
}

function find(keys: DurableExecutedKeys, n: number) {
  return keys.find(1, n % 7, keyOf(n), 3);
}

test("every key is executed once, whatever flushes, merges, forgetting and restarts do in between", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const draw = seeded(seed);
    const disk = createSimDisk(draw);
    let keys = await openExecutedKeys(disk, "/k", options);
    let model = new Map<number, number>();
    let saved: { readonly manifest: Uint8Array; readonly model: Map<number, number>; readonly at: number } | undefined;
    let forgotten = 0;
    let at = 1;
    for (let block = 0; block < 120; block++, at++) {
      for (let i = Math.floor(draw() * 150); i > 0; i--) {
        const n = Math.floor(draw() * 20_000);
        const known = model.get(n);
        if (known !== undefined && known <= forgotten) continue;
        expect(add(keys, n, at), `seed ${seed}, key ${n}`).toBe(known === undefined);
        if (known === undefined) model.set(n, at);
      }
      if (keys.needsFlush) await keys.flush();
      if (block % 17 === 16) {
        // As the driver does: the checkpoint is of a height that execution may have left behind.
        const height = at - Math.floor(draw() * 2);
        const manifest = await keys.checkpoint(height);
        if (saved) await keys.release(saved.at);
        saved = { manifest, model: new Map([...model].filter(([, h]) => h <= height)), at: height };
      }
      if (block % 29 === 28) {
        forgotten = at - 40;
        keys.forget(forgotten);
      }
      if (block % 43 === 42 && saved) {
        disk.crash(draw);
        keys = await openExecutedKeys(disk, "/k", options);
        await keys.restore(saved.manifest);
        await keys.sweep();
        model = new Map(saved.model);
        at = saved.at;
      }
    }
    for (const [n, height] of model) {
      const found = find(keys, n);
      if (height > forgotten) expect(found).toEqual({ height, position: n % 1000 });
    }
    for (let n = 20_000; n < 21_000; n++) expect(find(keys, n)).toBeUndefined();
  }
});

test("files that nobody needs are removed, and forgetting bounds the disk", async () => {
  const disk = createSimDisk(seeded(3));
  const keys = await openExecutedKeys(disk, "/k", options);
  let most = 0;
  for (let at = 1; at <= 400; at++) {
    for (let i = 0; i < 64; i++) expect(add(keys, at * 64 + i, at)).toBe(true);
    await keys.flush();
    if (at % 20 === 0) {
      await keys.checkpoint(at);
      await keys.release(at - 20);
      keys.forget(at - 50);
    }
    most = Math.max(most, disk.used);
  }
  expect(keys.size).toBeLessThan(64 * 120);
  expect(most).toBeLessThan(64 * 200 * 56);
});

test("a checkpoint's keys travel to a peer in parts, without those of later blocks", async () => {
  const here = await openExecutedKeys(createSimDisk(seeded(4)), "/k", options);
  for (let n = 0; n < 5_000; n++) {
    add(here, n, 1 + Math.floor(n / 1000));
    if (here.needsFlush) await here.flush();
  }
  await here.checkpoint(3);
  const exported = here.export(3)!;
  const there = await openExecutedKeys(createSimDisk(seeded(5)), "/k", options);
  for (let part = 0; part < exported.parts; part++) expect(await there.import(await exported.part(part), 3)).toBe("ok");
  for (let n = 0; n < 5_000; n++) expect(find(there, n) !== undefined).toBe(n < 3_000);
  expect(await there.import(new Uint8Array(27), 3)).toBe("malformed");
  expect(await there.import(new Uint8Array(28).fill(9), 3)).toBe("malformed");
  expect(here.export(2)).toBeUndefined();
});

test("a damaged page is named by the lookup that meets it", async () => {
  const disk = createSimDisk(seeded(6));
  const keys = await openExecutedKeys(disk, "/k", options);
  for (let n = 0; n < 64; n++) add(keys, n, 1);
  await keys.flush();
  const [path] = disk.files().keys();
  disk.flip(path!, 100, 4);
  expect(() => find(keys, 1)).toThrow(
    expect.objectContaining({ fault: { kind: "corrupt", path, offset: 0, message: expect.any(String) } }),
  );
});

test("a full disk keeps the keys in memory until it has room", async () => {
  const disk = createSimDisk(seeded(7));
  const keys = await openExecutedKeys(disk, "/k", options);
  for (let n = 0; n < 100; n++) add(keys, n, 1);
  disk.failing = "no-space";
  await expect(keys.flush()).rejects.toMatchObject({ fault: { kind: "no-space" } });
  for (let n = 100; n < 150; n++) expect(add(keys, n, 2)).toBe(true);
  for (let n = 0; n < 150; n++) expect(add(keys, n, 3)).toBe(false);
  disk.failing = undefined;
  await keys.flush();
  await keys.checkpoint(2);
  for (let n = 0; n < 150; n++) expect(find(keys, n)?.height).toBe(n < 100 ? 1 : 2);
});
