import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { createImageStore } from "../../operator/embedded/kubelet/images.ts";
import { kubeletLayout } from "../../operator/embedded/kubelet/layout.ts";
import { patch } from "../../validator/simulator/mutants/patch.ts";
import { buildBundle, faulty, nextRelease, type Release, release } from "./bundles.ts";

const world = mkdtempSync(join(tmpdir(), "bundles-"));
afterAll(() => rmSync(world, { recursive: true }));
const run = (program: string) => promisify(execFile)(process.execPath, [program, "--help"]);

const { diesAt, ...faults } = faulty;
const releases: readonly Release[] = [release, nextRelease, ...Object.values(faults), diesAt(900)];

test("every fault fits the sources of now", () => {
  const read = (file: string) => readFileSync(join(import.meta.dirname, "../..", file), "utf8");
  for (const { name, edits } of releases) expect(patch(edits, read), name).toMatchObject({ kind: "patched" });
});

test("a release is an image that the kubelet finds and Node runs; a changed one is another", async () => {
  const { bundles } = kubeletLayout(world);
  const good = await buildBundle(nextRelease, world);
  const store = createImageStore({ bundles, programs: {} });
  expect(store.find(good.image, "validator")).toEqual({ kind: "found", program: good.program, id: good.image });
  expect((await run(good.program)).stdout).toContain("--config");
  const bad = await buildBundle(faulty.crashesAtStart, world);
  await expect(run(bad.program)).rejects.toMatchObject({ code: 70 });
  // The same sources give the same image.
  expect((await buildBundle(nextRelease, world)).image).toBe(good.image);
});
