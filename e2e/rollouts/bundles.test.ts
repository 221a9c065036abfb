import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { createImageStore } from "../../operator/embedded/kubelet/images.ts";
import { kubeletLayout } from "../../operator/embedded/kubelet/layout.ts";
import { buildBundle, faulty, nextRelease, type Release, release } from "./bundles.ts";

const world = mkdtempSync(join(tmpdir(), "bundles-"));
afterAll(() => rmSync(world, { recursive: true }));
const run = (program: string) => promisify(execFile)(process.execPath, [program, "--help"]);

const { diesAt, ...faults } = faulty;
const releases: readonly Release[] = [release, nextRelease, ...Object.values(faults), diesAt(900)];

test("every release is built from these sources, and each is another image that the kubelet finds", async () => {
  const { bundles } = kubeletLayout(world);
  const images = new Set<string>();
  for (const each of releases) {
    const { image, program } = await buildBundle(each, world);
    images.add(image);
    const store = createImageStore({ bundles, programs: {} });
    expect(store.find(image, "validator")).toEqual({ kind: "found", program, id: image });
    if (each === faulty.crashesAtStart) await expect(run(program)).rejects.toMatchObject({ code: 70 });
    else expect((await run(program)).stdout).toContain("--config");
  }
  expect(images.size).toBe(releases.length);
  // The same sources give the same image.
  expect(images).toContain((await buildBundle(release, world)).image);
}, 60_000);
