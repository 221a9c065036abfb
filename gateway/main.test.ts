/** The process: it says why it cannot start, and it stops when asked. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSwarm } from "./testing/swarm.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gateway-main-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const program = join(import.meta.dirname, "main.ts");

test("a wrong configuration ends it with code 78 and a sentence", async () => {
  await writeFile(join(folder, "config.json"), "{}");
  const child = spawn(process.execPath, [program, "--config", join(folder, "config.json")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  const [code] = await once(child, "close");
  expect(code).toBe(78);
  expect(lines.join()).toContain("validators");
});

test("it becomes ready, and SIGTERM ends it with code 0", async () => {
  const swarm = await startSwarm();
  await writeFile(join(folder, "seed"), "0b".repeat(32));
  const config = {
    listen: { port: 0 },
    validators: swarm.validators,
    institutions: [{ bic: "QSWADEFFXXX", keyFile: join(folder, "seed") }],
    dataDir: join(folder, "data"),
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const child = spawn(process.execPath, [program, "--config", join(folder, "config.json")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout);
  for await (const line of lines) {
    if (!line.includes("directory agreed")) continue;
    expect(line).not.toContain("0b0b");
    child.kill("SIGTERM");
    break;
  }
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
  await swarm.close();
});
