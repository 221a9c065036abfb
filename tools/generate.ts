/**
 * `npm run generate`: everything in the tree that is made from code. `--check` changes nothing and fails when a file
 * is stale; `npm test` runs it so.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { documents } from "./documents.ts";

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");
const stale: string[] = [];

function put(path: string, content: string): void {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, "utf8") === content) return;
  stale.push(path);
  if (!check) writeFileSync(file, content);
}

/** protobuf-es output for the wire, made in a scratch folder and compared like every other file. */
function generateWire(): void {
  const out = mkdtempSync(join(tmpdir(), "wire-"));
  const bin = join(root, "node_modules", ".bin");
  const { status } = spawnSync(join(bin, "buf"), ["generate", "--output", out], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
  });
  if (status !== 0) throw new Error("buf generate failed");
  const made = readdirSync(join(out, "proto"), { recursive: true, encoding: "utf8" }).filter((name) =>
    /_pb\.(js|d\.ts)$/.test(name),
  );
  for (const name of made) put(join("proto", name), readFileSync(join(out, "proto", name), "utf8"));
  rmSync(out, { recursive: true });
}

for (const { path, content } of documents()) put(path, content);
generateWire();

if (check && stale.length > 0) {
  console.error(`stale, run \`npm run generate\`: ${stale.join(", ")}`);
  process.exitCode = 1;
} else {
  console.log(stale.length > 0 ? `written: ${stale.join(", ")}` : "everything generated is up to date");
}
