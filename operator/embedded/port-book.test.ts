import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeTaken, openPortBook } from "./port-book.ts";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ports-"));
  file = join(directory, "deep", "ports.json");
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("a port book", () => {
  test("gives each use a port of its own, the same at every start", async () => {
    const book = openPortBook({ file, base: 7400, fixed: { gateway: 7400, page: 7401 } });
    expect(["gateway", "a p2p", "a rpc", "a p2p"].map(book.port)).toEqual([7400, 7402, 7403, 7402]);
    await Promise.resolve();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = openPortBook({ file, base: 7400, fixed: { gateway: 7400, page: 7401 } });
    expect(["b p2p", "a rpc", "a p2p"].map(again.port)).toEqual([7404, 7403, 7402]);
  });

  test("begins anew from another base, and when its file is damaged", async () => {
    openPortBook({ file, base: 7400 }).port("a");
    await Promise.resolve();
    expect(openPortBook({ file, base: 9000 }).port("a")).toBe(9000);
    await Promise.resolve();
    writeFileSync(file, '{"base":9000,"ports":{"b":9');
    expect(openPortBook({ file, base: 9000 }).port("c")).toBe(9000);
  });

  test("moves a use whose port was promised to another", async () => {
    openPortBook({ file, base: 7400 }).port("a");
    await Promise.resolve();
    const book = openPortBook({ file, base: 7400, fixed: { gateway: 7400 } });
    expect(book.port("a")).toBe(7401);
    expect(book.port("gateway")).toBe(7400);
  });

  test("never gives one port to two uses", () => {
    const use = fc.integer({ min: 0, max: 12 }).map(String);
    const step = fc.record({ use, release: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const book = openPortBook({ file: join(directory, "random.json"), base: 32_750, fixed: { x: 32_751 } });
        for (const { use: name, release } of steps) {
          if (release) book.release(name);
          else book.port(name);
          const given = [...book.uses().values()];
          expect(new Set(given).size).toBe(given.length);
        }
      }),
    );
  });

  test("says when there are none left", () => {
    const book = openPortBook({ file, base: 32_766 });
    expect([book.port("a"), book.port("b")]).toEqual([32_766, 32_767]);
    expect(() => book.port("c")).toThrow("all ports from 32766 to 32767 are given out");
    book.release("a");
    expect(book.port("c")).toBe(32_766);
  });

  test("names in one sentence what others have taken", async () => {
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const address = stranger.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const book = openPortBook({ file, base: 7400, fixed: { "the gateway": port } });
    const taken = await book.taken(["the gateway", "nobody"]);
    expect(describeTaken(taken, 7400)).toBe(
      `Port taken by another program: ${port} for the gateway. Stop it, or choose others with --port-base N (now 7400).`,
    );
    stranger.close();
    await once(stranger, "close");
    expect(await book.taken(["the gateway"])).toEqual([]);
    expect(describeTaken([], 7400)).toBe("");
  });
});
