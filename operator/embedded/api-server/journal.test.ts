/** What a crash may leave of the journal, and what must never be taken for it. */
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openJournal } from "./journal.ts";

const root = mkdtempSync(join(tmpdir(), "journal-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;
const fresh = () => {
  const directory = join(root, String(directories++));
  mkdirSync(directory);
  return directory;
};
const fileOf = (directory: string) => join(directory, "journal.ndjson");

/** A journal whose state is the list of everything appended, as one record when it is written anew. */
async function open(directory: string, compactBytes?: number) {
  const state: string[] = [];
  const failures: string[] = [];
  const opened = await openJournal({
    directory,
    onRecord: (record) => {
      const { all, one } = JSON.parse(record) as { all?: string[]; one?: string };
      if (all) state.splice(0, state.length, ...all);
      // What was appended while the file was written anew may be in it twice.
      else if (one !== undefined && !state.includes(one)) state.push(one);
      return undefined;
    },
    snapshot: () => [JSON.stringify({ all: [...state] })],
    onFailure: (message) => void failures.push(message),
    ...(compactBytes === undefined ? {} : { compactBytes }),
  });
  const append = (one: string) => {
    state.push(one);
    return opened.kind === "open" ? opened.journal.append(JSON.stringify({ one })) : undefined;
  };
  return { opened, state, failures, append };
}

async function written(words: readonly string[]): Promise<{ readonly bytes: Buffer; readonly head: number }> {
  const directory = fresh();
  const { opened, append } = await open(directory);
  if (opened.kind === "failed") throw new Error(opened.message);
  const head = readFileSync(fileOf(directory)).length;
  for (const word of words) expect(await append(word)).toEqual({ kind: "durable" });
  await opened.journal.close();
  return { bytes: readFileSync(fileOf(directory)), head };
}

async function reopened(bytes: Buffer) {
  const directory = fresh();
  writeFileSync(fileOf(directory), bytes);
  const found = await open(directory);
  if (found.opened.kind === "open") await found.opened.journal.close();
  rmSync(directory, { recursive: true });
  return found;
}

const words = ["one", "two", "dreißig", "four\nlines", "", "six"];

describe("a crash", () => {
  test("at any byte leaves what was written before, in order, and says how much was torn off", async () => {
    const { bytes, head } = await written(words);
    for (let length = head; length <= bytes.length; length++) {
      const { opened, state } = await reopened(bytes.subarray(0, length));
      const lines = bytes.subarray(head, length).toString("latin1").split("\n").length - 1;
      expect(state).toEqual(words.slice(0, lines));
      expect(opened).toMatchObject({
        kind: "open",
        tornBytes: length - (bytes.subarray(0, length).lastIndexOf(0x0a) + 1),
      });
    }
  });

  test("leaves zeros at the end where data never arrived", async () => {
    const { bytes } = await written(words);
    const { opened, state } = await reopened(Buffer.concat([bytes, Buffer.alloc(4_096)]));
    expect(state).toEqual(words);
    expect(opened).toMatchObject({ kind: "open", tornBytes: 4_096 });
  });

  test("during the rewriting leaves the old file in force", async () => {
    const { bytes } = await written(words);
    const directory = fresh();
    writeFileSync(fileOf(directory), bytes);
    writeFileSync(`${fileOf(directory)}.new`, bytes.subarray(0, 20));
    const { opened, state } = await open(directory);
    expect(state).toEqual(words);
    if (opened.kind === "open") await opened.journal.close();
  });
});

test("a changed byte anywhere in a finished record stops the start, and names the place", async () => {
  const { bytes } = await written(words);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: bytes.length - 2 }), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const damaged = Buffer.from(bytes);
      damaged[at] = damaged[at]! ^ change;
      const { opened } = await reopened(damaged);
      expect(opened).toMatchObject({ kind: "failed", message: expect.stringMatching(/: line \d+, byte \d+: /) });
    }),
    { numRuns: 200 },
  );
});

test("what is appended while the file is written anew is not lost", async () => {
  const directory = fresh();
  const { opened, append, state } = await open(directory, 256);
  if (opened.kind === "failed") throw new Error(opened.message);
  const all = Array.from({ length: 400 }, (_, i) => `${i} ${"x".repeat(i % 40)}`);
  for (let at = 0; at < all.length; at += 4) await Promise.all(all.slice(at, at + 4).map(append));
  await opened.journal.close();
  expect(state).toEqual(all);
  const again = await open(directory, 256);
  expect(again.state).toEqual(all);
  if (again.opened.kind === "open") await again.opened.journal.close();
});

test("records of one turn are synced together, and nothing is durable after a failure", async () => {
  const directory = fresh();
  const { opened, append } = await open(directory);
  if (opened.kind === "failed") throw new Error(opened.message);
  const [a, b] = [append("a"), append("b")];
  expect(a).toBe(b);
  await a;
  await opened.journal.close();
  expect(await append("c")).toMatchObject({ kind: "failed" });
});

test("a file of another program is not written over", async () => {
  const directory = fresh();
  const path = fileOf(directory);
  writeFileSync(path, "hello\n");
  appendFileSync(path, "world\n");
  copyFileSync(path, `${path}.before`);
  expect((await open(directory)).opened.kind).toBe("failed");
  expect(readFileSync(path)).toEqual(readFileSync(`${path}.before`));
});
