import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDirectoryStore } from "./directory-store.ts";
import { listCheckpoints, prune, recordVerification } from "./keep.ts";
import { chunkKey, chunksOf, encodeManifest, type Manifest, manifestKey, sha256Hex } from "./manifest.ts";
import type { ObjectStore } from "./store.ts";

const day = 86_400_000;
const chainId = "ab".repeat(32);
let root: string;
let folders = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "keep-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const chunk = (text: string) => ({ digest: sha256Hex(bytes(text)), size: bytes(text).length });

/** Not a checkpoint that anybody would believe: pruning reads names alone. */
function manifestAt(height: number, contents: readonly string[]): Omit<Manifest, "format" | "version"> {
  return {
    chainId,
    height,
    epoch: 0,
    stateRoot: sha256Hex(bytes(`root ${height}`)),
    time: height,
    header: "00".repeat(392),
    certificate: "00",
    body: chunk("body"),
    genesis: chunk("genesis"),
    handovers: [],
    state: contents.map(chunk),
    keys: [],
    replay: {
      to: height + 1,
      blocks: [{ header: "00".repeat(392), body: chunk("body"), batches: [] }],
      certificate: "00",
    },
  };
}

async function destination() {
  const folder = join(root, String(folders++));
  const store = openDirectoryStore(folder);
  return {
    store,
    /** Two days old. */
    async add(height: number, contents: readonly string[], verified: boolean): Promise<string> {
      const manifest = manifestAt(height, contents);
      for (const text of ["body", "genesis", ...contents]) {
        await store.put(chunkKey(chunk(text).digest), bytes(text));
        const old = (Date.now() - 2 * day) / 1_000;
        await utimes(join(folder, chunkKey(chunk(text).digest)), old, old);
      }
      const encoded = encodeManifest(manifest);
      const key = manifestKey(manifest);
      await store.put(key, encoded);
      const rehearsal = { kind: "rehearsed", replayedTo: height + 1, stateRoot: "cd".repeat(32), payments: 0 } as const;
      if (verified) await recordVerification(store, manifest, sha256Hex(encoded), rehearsal, 1);
      return key;
    },
  };
}

const keys = async (store: ObjectStore, prefix: string) =>
  (await Array.fromAsync(store.list(prefix))).map(({ key }) => key);
const options = (keep: number, drop: readonly string[] = []) => ({ chainId, keep, drop, now: Date.now() });

test("the newest stay, the last verified one too, and every chunk that a manifest names", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          verified: fc.boolean(),
          contents: fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
        }),
        {
          minLength: 1,
          maxLength: 5,
        },
      ),
      fc.integer({ min: 1, max: 4 }),
      async (made, keep) => {
        const { store, add } = await destination();
        const all: string[] = [];
        for (const [i, { contents, verified }] of made.entries()) all.push(await add(8 * (i + 1), contents, verified));
        const last = made.findLastIndex(({ verified }) => verified);
        const wanted = all.filter((_, i) => i >= made.length - keep || i === last);
        const pruned = await prune(store, options(keep));
        expect(pruned).toMatchObject({ kind: "pruned", manifests: all.length - wanted.length, kept: wanted.length });
        expect(await keys(store, "manifests/")).toEqual(wanted);
        const named = new Set<string>();
        for await (const each of listCheckpoints(store, chainId))
          if (each.kind === "checkpoint") for (const { digest } of chunksOf(each.manifest)) named.add(chunkKey(digest));
        expect(await keys(store, "chunks/")).toEqual([...named].sort());
      },
    ),
    { numRuns: 20 },
  );
});

test("one that is dropped by name goes, unless it is the last verified one", async () => {
  const { store, add } = await destination();
  const [first, second] = [await add(8, ["a"], true), await add(16, ["b"], false)];
  expect(await prune(store, options(10, [first, second]))).toMatchObject({ manifests: 1 });
  expect(await keys(store, "manifests/")).toEqual([first]);
});

test("a chunk of today's stays, whoever names it: it may be one that is being written", async () => {
  const { store, add } = await destination();
  await add(8, ["a"], true);
  await store.put(chunkKey(chunk("new").digest), bytes("new"));
  expect(await prune(store, options(1))).toMatchObject({ chunks: 0 });
  expect(await store.get(chunkKey(chunk("new").digest), 10)).toEqual(bytes("new"));
});

test("with a manifest that cannot be read no chunk goes: nobody knows what it names", async () => {
  const { store, add } = await destination();
  await add(8, ["a"], true);
  const gone = await add(16, ["b"], false);
  await store.put(gone, bytes("{}"));
  expect(await prune(store, options(1))).toMatchObject({ kind: "failed", reason: "Corrupted" });
  expect(await keys(store, "chunks/")).toHaveLength(4);
});

test("what the store holds is counted, and stays", async () => {
  const { store, add } = await destination();
  await add(8, ["a"], false);
  await add(16, ["b"], true);
  const holding: ObjectStore = { ...store, remove: async () => ({ kind: "held", until: Date.now() + day }) };
  expect(await prune(holding, options(1))).toMatchObject({ manifests: 0, chunks: 0, held: 1, kept: 2 });
  expect(await keys(store, "manifests/")).toHaveLength(2);
});
