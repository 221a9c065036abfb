import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openManifest } from "./check.ts";
import { openDirectoryStore } from "./directory-store.ts";
import { chunkKey } from "./manifest.ts";
import { inVolume, rehearse } from "./rehearse.ts";
import type { SourcePart } from "./source.ts";
import { type Recorded, recordCheckpoint, recordedSource } from "./testing/recorded.ts";
import { type Written, writeCheckpoint } from "./write.ts";

let recorded: Recorded;
let root: string;
let folders = 0;
const folder = () => join(root, String(folders++));

beforeAll(async () => {
  recorded = await recordCheckpoint();
  root = await mkdtemp(join(tmpdir(), "checkpoint-"));
}, 60_000);
afterAll(() => rm(root, { recursive: true, force: true }));

async function write(parts: readonly SourcePart[], directory = folder(), chainId = recorded.chainId, notBelow = 0) {
  const store = openDirectoryStore(directory);
  const result = await inVolume(folder(), (volume) =>
    writeCheckpoint({
      store,
      source: recordedSource(parts),
      chainId,
      height: 0,
      notBelow,
      replay: 1,
      volume,
      onProgress: () => {},
      signal: new AbortController().signal,
    }),
  );
  return { result, store, directory };
}

async function written(): Promise<{ readonly result: Written; readonly directory: string }> {
  const { result, directory } = await write(recorded.parts);
  if (result.kind === "failed") throw new Error(`${result.reason}: ${result.message}`);
  return { result, directory };
}

async function verify(directory: string, key: string) {
  const store = openDirectoryStore(directory);
  const opened = await openManifest(store, key, { chainId: recorded.chainId });
  if (opened.kind === "failed") return opened;
  return rehearse({ store, opened, scratch: folder(), onProgress: () => {} });
}

describe("writing", () => {
  test("what a validator gives is written, read back, restored and replayed to a certified root", async () => {
    const { result, directory } = await written();
    expect(result.manifest).toMatchObject({ chainId: recorded.chainId, epoch: 1 });
    expect(result.manifest.handovers).toHaveLength(1);
    const rehearsed = await verify(directory, result.key);
    expect(rehearsed).toMatchObject({ kind: "rehearsed", replayedTo: result.manifest.replay.to });
    expect(result.manifest.replay.to).toBeGreaterThanOrEqual(result.manifest.height + 4);
  });

  test("again, nothing is written twice", async () => {
    const { result, directory } = await written();
    const again = await write(recorded.parts, directory);
    expect(again.result).toMatchObject({
      kind: "written",
      key: result.key,
      digest: result.digest,
      reused: result.chunks,
    });
  });

  test("broken off at any part, there is no manifest, and the next attempt goes on", async () => {
    const { result: whole } = await written();
    for (const at of [1, 2, Math.floor(recorded.parts.length / 2), recorded.parts.length - 1]) {
      const broken = { kind: "failed", reason: "NoSource", message: "gone" } as const;
      const { result, directory } = await write([...recorded.parts.slice(0, at), broken]);
      expect(result).toEqual(broken);
      expect(await readdir(directory).catch(() => [])).not.toContain("manifests");
      const next = await write(recorded.parts, directory);
      expect(next.result).toMatchObject({ kind: "written", digest: whole.digest });
    }
  });

  test("another chain, and one older than what is known, are refused", async () => {
    expect((await write(recorded.parts, folder(), "ab".repeat(32))).result).toMatchObject({ reason: "AnotherChain" });
    expect((await write(recorded.parts, folder(), recorded.chainId, 1_000_000)).result).toMatchObject({
      reason: "Stale",
    });
  });

  test("a validator that changes a byte of what it gives out writes no manifest", async () => {
    const at = recorded.parts.findIndex(({ kind }) => kind === "state");
    const changed = recorded.parts.map((part, i) => (i === at && part.kind === "state" ? flipped(part) : part));
    expect((await write(changed)).result).toMatchObject({ kind: "failed", reason: "Forged" });
  });
});

const flipped = (part: Extract<SourcePart, { kind: "batch" | "state" | "keys" }>): SourcePart => {
  const content = part.content.slice();
  content[content.length >> 1]! ^= 1;
  return { ...part, content };
};

describe("reading", () => {
  test("a flipped byte anywhere is refused: in the manifest and in every chunk", async () => {
    const { result, directory } = await written();
    const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(7),
        async (file, where, bit) => {
          const path = files[file]!;
          const bytes = await readFile(path);
          const changed = Buffer.from(bytes);
          changed[Math.floor(where * bytes.length)]! ^= 1 << bit;
          await writeFile(path, changed);
          const outcome = await verify(directory, result.key);
          await writeFile(path, bytes);
          expect(outcome.kind).toBe("failed");
        },
      ),
      { numRuns: 30 },
    );
    expect(await verify(directory, result.key)).toMatchObject({ kind: "rehearsed" });
  }, 60_000);

  test("a chunk that ends too soon, or is gone, is truncated", async () => {
    const { result, directory } = await written();
    const path = join(directory, chunkKey(result.manifest.state[0]!.digest));
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    expect(await verify(directory, result.key)).toMatchObject({ reason: "Truncated" });
    await rm(path);
    expect(await verify(directory, result.key)).toMatchObject({ reason: "Truncated" });
  });
});
