import { spawn } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { epoch, view, zeroDigest } from "../consensus/types.ts";
import { openIdentity } from "./identity.ts";
import { createNodeDisk } from "./node-disk.ts";
import { openStore } from "./store.ts";
import { digestOf, opened } from "./testing.ts";
import { watchVolume } from "./volume-watch.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "store-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const ballot = (n: number) =>
  ({ kind: "ballot", ballot: { kind: "nullify", epoch: epoch(0), view: view(n), block: zeroDigest } }) as const;

/** Persists ballots 1, 2, 3, … with batches between, and says each one's number once it is durable. */
const worker = `
  import { createNodeDisk } from ${JSON.stringify(new URL("./node-disk.ts", import.meta.url).href)};
  import { openStore } from ${JSON.stringify(new URL("./store.ts", import.meta.url).href)};
  const directory = process.argv[1];
  const from = Number(process.argv[2]);
  const opening = await openStore(createNodeDisk(directory), directory, { segmentBytes: 1 << 20 });
  if (opening.kind !== "ok") throw new Error(JSON.stringify(opening.fault));
  const bytes = new Uint8Array(65536).fill(3);
  for (let n = from; ; n++) {
    const digest = n.toString(16).padStart(64, "0");
    await opening.store.persist([
      { kind: "ballot", ballot: { kind: "nullify", epoch: 0, view: n, block: digest } },
      { kind: "batch", digest, bytes },
    ]);
    process.stdout.write(n + "\\n");
  }
`;

test("kill -9 in the middle of writing loses nothing that was durable", async () => {
  let promised = 0;
  for (let life = 0; life < 3; life++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", worker, folder, String(promised + 1)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const enough = promised + 25;
    let seen = "";
    for await (const chunk of child.stdout) {
      seen += String(chunk);
      promised = Number(
        seen
          .trimEnd()
          .split("\n")
          .slice(seen.endsWith("\n") ? -1 : -2)[0],
      );
      if (promised >= enough) child.kill("SIGKILL");
    }
    const store = opened(await openStore(createNodeDisk(folder), folder));
    const views = store.recovered.ballots.map((b) => b.view as number);
    // The last may have become durable without being said.
    expect(views.slice(0, promised)).toEqual(Array.from({ length: promised }, (_, i) => i + 1));
    expect(views.length).toBeLessThanOrEqual(promised + 1);
    for (const b of store.recovered.ballots) expect((await store.batch(b.block))?.length).toBe(65_536);
    promised = views.length;
    await store.close();
  }
});

test("secrets are files that only their owner reads", async () => {
  const disk = createNodeDisk(folder);
  await openIdentity(disk, folder);
  await opened(await openStore(disk, folder)).close();
  for (const name of ["identity/bls.key", "identity/peer.key", "vault.key"]) {
    expect(statSync(path.join(folder, name)).mode & 0o777, name).toBe(0o600);
  }
});

test("a log moved away under the process is noticed by the next commit and by the watch", async () => {
  const store = opened(await openStore(createNodeDisk(folder), folder));
  await store.persist([ballot(1)]);
  let look: () => void = () => {};
  const faults: string[] = [];
  const clock = {
    after: (_: number, call: () => void) => {
      look = call;
      return () => {};
    },
  };
  watchVolume(store, clock, 1_000, (fault) => faults.push(fault.kind));
  look();
  expect(faults).toEqual([]);
  renameSync(path.join(folder, "log"), path.join(folder, "elsewhere"));
  await expect(store.persist([ballot(2)])).rejects.toMatchObject({ fault: { kind: "missing" } });
  look();
  expect(faults).toEqual(["missing"]);
  await store.close();
});

test("a big batch of many pieces is written whole", async () => {
  const disk = createNodeDisk(folder);
  const store = opened(await openStore(disk, folder));
  const batches = Array.from({ length: 700 }, (_, i) => ({
    kind: "batch" as const,
    digest: digestOf(`${i}`),
    bytes: new Uint8Array(1 + i * 3).fill(i),
  }));
  await Promise.all(batches.map((entry) => store.persist([entry])));
  for (const { digest, bytes } of batches) expect(Buffer.from((await store.batch(digest))!).equals(bytes)).toBe(true);
  await store.close();
  const again = opened(await openStore(disk, folder));
  expect(again.recovered.batches).toEqual(batches.map(({ digest }) => digest));
  await again.close();
});
