/** The journal: what was acknowledged is there after any crash, what was not may be cut, anything else is damage. */
import { appendFile, mkdtemp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Journal, JournalError, openJournal } from "./journal.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "journal-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function texts(journal: Journal, from = journal.start): Promise<string[]> {
  return (await journal.read(from, 1 << 20))?.map(({ text }) => text) ?? [];
}

const file = async (): Promise<string> => join(folder, (await readdir(folder)).sort().at(-1)!);

test("lines come back in order, from any line on, after a restart", async () => {
  const first = await openJournal(folder);
  expect(await first.append(['"a"', '"b"'])).toBe(0);
  const third = await first.append(['"ü"']);
  await first.close();
  const journal = await openJournal(folder);
  expect(await texts(journal)).toEqual(['"a"', '"b"', '"ü"']);
  expect(await texts(journal, third)).toEqual(['"ü"']);
  expect(await texts(journal, journal.end)).toEqual([]);
  expect(await journal.read(third + 1, 100)).toBeUndefined();
  expect(await journal.read(journal.end + 1, 100)).toBeUndefined();
  await journal.close();
});

test("concurrent appends keep their order and learn their own positions", async () => {
  const journal = await openJournal(folder);
  const positions = await Promise.all(Array.from({ length: 50 }, (_, at) => journal.append([JSON.stringify(at)])));
  for (const [at, position] of positions.entries()) expect((await texts(journal, position))[0]).toBe(String(at));
  await journal.close();
});

test("a torn tail of any length is cut off, nothing before it is lost", async () => {
  const whole = await openJournal(folder);
  await whole.append(['"kept"']);
  const kept = whole.end;
  await whole.append(['"torn"']);
  await whole.close();
  const { size } = await stat(await file());
  for (let length = size - 1; length > kept; length--) {
    await truncate(await file(), length);
    const journal = await openJournal(folder);
    expect(await texts(journal)).toEqual(['"kept"']);
    expect(journal.end).toBe(kept);
    await journal.close();
  }
  const again = await openJournal(folder);
  await again.append(['"new"']);
  expect(await texts(again)).toEqual(['"kept"', '"new"']);
  await again.close();
});

test("garbage behind the last line is cut, a flipped byte between sound lines is named", async () => {
  const journal = await openJournal(folder);
  await journal.append(['"one"', '"two"', '"three"']);
  await journal.close();
  await appendFile(await file(), Buffer.alloc(64));
  const cut = await openJournal(folder);
  expect(await texts(cut)).toEqual(['"one"', '"two"', '"three"']);
  await cut.close();
  const handle = await open(await file(), "r+");
  await handle.write(Buffer.from("X"), 0, 1, 20);
  await handle.close();
  await expect(openJournal(folder)).rejects.toThrow(JournalError);
});

test("segments roll, are read across, and are dropped below a position", async () => {
  const journal = await openJournal(folder, 100);
  const positions: number[] = [];
  for (let at = 0; at < 30; at++) positions.push(await journal.append([JSON.stringify(`line ${at}`)]));
  expect((await readdir(folder)).length).toBeGreaterThan(3);
  expect(await texts(journal)).toHaveLength(30);
  await journal.dropBefore(positions[20]!);
  expect(journal.start).toBeGreaterThan(0);
  expect(journal.start).toBeLessThanOrEqual(positions[20]!);
  expect(await journal.read(0, 100)).toBeUndefined();
  expect((await texts(journal, positions[20]))[0]).toBe('"line 20"');
  await journal.close();
  const again = await openJournal(folder, 100);
  expect((await texts(again, positions[20])).length).toBe(10);
  await again.close();
});

test("who waits for more is woken by an append or by its signal", async () => {
  const journal = await openJournal(folder);
  const stop = new AbortController();
  const woken = journal.grown(journal.end, stop.signal);
  await journal.append(['"x"']);
  await woken;
  const aborted = journal.grown(journal.end, stop.signal);
  stop.abort();
  await aborted;
  await journal.close();
});
