import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rotateWhenLarge } from "../log-rotation.ts";
import { readLog } from "./logs.ts";

let directory: string;
let file: string;
const stop = new AbortController();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "logs-"));
  file = join(directory, "pod.log");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function read(tailLines?: number): Promise<string> {
  const pieces: Buffer[] = [];
  const options = { signal: stop.signal, ...(tailLines === undefined ? {} : { tailLines }) };
  for await (const piece of readLog(file, options)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("a log that is not there is empty", async () => {
  expect(await read()).toBe("");
  expect(await read(3)).toBe("");
});

test("the last lines are counted over the older file too, and over pieces", async () => {
  const older = Array.from({ length: 3_000 }, (_, at) => `older ${at} ${"x".repeat(40)}`);
  writeFileSync(`${file}.1`, `${older.join("\n")}\n`);
  writeFileSync(file, "one\ntwo\nthr");
  expect(await read(0)).toBe("");
  expect(await read(1)).toBe("thr");
  expect(await read(2)).toBe("two\nthr");
  expect(await read(3)).toBe("one\ntwo\nthr");
  expect(await read(4)).toBe(`${older.at(-1)}\none\ntwo\nthr`);
  expect(await read(2_503)).toBe(`${older.slice(500).join("\n")}\none\ntwo\nthr`);
  expect(await read(99_999)).toBe(await read());
  expect((await read()).split("\n")).toHaveLength(3_003);
});

test("following goes on through a rotation until it is stopped", async () => {
  writeFileSync(file, "one\n");
  const own = new AbortController();
  const items = readLog(file, { follow: true, tailLines: 1, signal: own.signal });
  const next = async () => (await items.next()).value?.toString();
  expect(await next()).toBe("one\n");
  const two = next();
  appendFileSync(file, "two\n");
  expect(await two).toBe("two\n");
  const three = next();
  await rotateWhenLarge(file, 1);
  appendFileSync(file, "3\n");
  expect(await three).toBe("3\n");
  const end = next();
  own.abort();
  expect(await end).toBeUndefined();
});
