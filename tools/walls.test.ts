/** The walls of docs/architecture.md, read from the imports themselves. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const rooms = ["validator", "checkpoint", "gateway", "operator", "cli", "console", "bench", "e2e", "tools"];

interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
  /** What it imports: paths from the root for own files, package names as they are. */
  readonly imports: readonly string[];
}

function sources(): readonly Source[] {
  return rooms
    .filter((room) => existsSync(join(root, room)))
    .flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !path.includes("node_modules"))
        .map((path) => read(join(room, path))),
    );
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm),
  ];
  const imports = specifiers
    .map((match) => match[1] ?? match[2] ?? match[3] ?? "")
    .map((name) => (name.startsWith(".") ? normalize(join(dirname(path), name)) : name));
  return { path, text, imports };
}

const all = sources();
const shipped = all.filter(
  ({ path }) => !path.endsWith(".test.ts") && !path.endsWith(".bench.ts") && !path.includes("/testing/"),
);
const inside = (...folders: string[]) =>
  shipped.filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)));
const outside = (...folders: string[]) =>
  shipped.filter(({ path }) => !folders.some((folder) => path.startsWith(folder)));

/** Files whose imports or text break a rule, as `path: what`. */
function breaches(files: readonly Source[], breaks: (source: Source) => readonly string[]): readonly string[] {
  return files.flatMap((source) => breaks(source).map((what) => `${source.path}: ${what}`));
}

const pure = ["validator/consensus", "validator/ledger"];
/** Reading a clock, drawing chance, waiting. */
const impure =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bprocess\./g;
const words = ({ text }: Source) => [...text.matchAll(impure)].map((match) => match[0]);
const pureLibraries = ["@noble/hashes/sha2.js", "@noble/hashes/utils.js", "@chainsafe/hashtree", "zod"];

describe("cores are pure", () => {
  test("they import no Node module and only libraries without I/O", () => {
    const foreign = breaches(inside(...pure), ({ imports }) =>
      imports.filter((name) => !name.startsWith("validator/") && !pureLibraries.includes(name)),
    );
    expect(foreign).toEqual([]);
  });

  test("they import each other, the codecs, and types of crypto alone", () => {
    const allowed = [...pure, "validator/codec"];
    const rooms = breaches(inside(...pure), ({ imports }) =>
      imports.filter((name) => name.startsWith("validator/") && !allowed.some((folder) => name.startsWith(folder))),
    );
    expect(rooms).toEqual([]);
  });

  test("they read no clock and draw no random number: time comes with the input, chance from the beacon", () => {
    expect(breaches(inside(...pure), words)).toEqual([]);
  });
});

describe("the planner is pure", () => {
  /** The shipped planner with the API's types it reads; not the search through its states. */
  const planner = inside("operator/plan").filter(({ path }) => !path.startsWith("operator/plan/exploration/"));

  test("it imports no Node module, no logger, no world: itself, the API's types, parameters and power", () => {
    const allowed =
      /^(operator\/plan\/(?!exploration\/)|operator\/api\/|operator\/analysis\/|validator\/consensus\/(types|parameters|power)\.ts$|@noble\/hashes\/|croner$)/;
    expect(planner.length).toBeGreaterThan(15);
    expect(breaches(planner, ({ imports }) => imports.filter((name) => !allowed.test(name)))).toEqual([]);
  });

  test("nor do the API's types it reads: of Node they use deep equality alone", () => {
    const types = inside("operator/api").filter(({ path }) => !path.startsWith("operator/api/crd/"));
    const allowed = /^(operator\/api\/|validator\/(consensus|codec)\/|zod$|yaml$|node:util$)/;
    expect(breaches(types, ({ imports }) => imports.filter((name) => !allowed.test(name)))).toEqual([]);
  });

  test("nor does the analysis it judges with", () => {
    const analysis = inside("operator/analysis");
    expect(analysis.length).toBeGreaterThan(3);
    expect(
      breaches(analysis, ({ imports }) => imports.filter((name) => !name.startsWith("operator/analysis/"))),
    ).toEqual([]);
    expect(breaches(analysis, words)).toEqual([]);
  });

  test("it reads no clock, draws no chance, prints nothing: time comes with the call", () => {
    const prints = ({ text }: Source) => [...text.matchAll(/\bconsole\.|\bfetch\(/g)].map((match) => match[0]);
    expect(breaches(planner, (source) => [...words(source), ...prints(source)])).toEqual([]);
  });
});

describe("one owner for each power", () => {
  test("only crypto/ turns something into Verified: no cast elsewhere", () => {
    expect(
      breaches(outside("validator/crypto"), ({ text }) => (/\bas\s+Verified</.test(text) ? ["as Verified<"] : [])),
    ).toEqual([]);
  });

  test("inside the validator only storage/ opens files, and main.ts reads its configuration", () => {
    const files = outside(
      "validator/storage",
      "validator/main.ts",
      "validator/config.ts",
      "validator/simulator",
    ).filter(({ path }) => path.startsWith("validator/"));
    expect(
      breaches(files, ({ imports }) => imports.filter((name) => name === "node:fs" || name === "node:fs/promises")),
    ).toEqual([]);
  });

  test("inside the validator only network/ and rpc/ open sockets", () => {
    const sockets = [
      "node:net",
      "node:tls",
      "node:http",
      "node:https",
      "node:http2",
      "node:dgram",
      "libp2p",
      "@libp2p/tcp",
    ];
    const files = outside("validator/network", "validator/rpc").filter(({ path }) => path.startsWith("validator/"));
    expect(breaches(files, ({ imports }) => imports.filter((name) => sockets.includes(name)))).toEqual([]);
  });

  test("the driver reads the clock through its port, so that the simulator can give it another", () => {
    const words =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\b|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/g;
    const files = inside("validator/driver").filter(({ path }) => path !== "validator/driver/system-clock.ts");
    expect(breaches(files, ({ text }) => [...text.matchAll(words)].map((match) => match[0]))).toEqual([]);
  });
});

describe("rooms", () => {
  test("programs outside reach a validator through proto/, the pure codecs, genesis and the proof verifier", () => {
    const allowed =
      /^validator\/(codec|ledger\/(genesis|proof|receipts|governance)|consensus\/(types|parameters|power)|crypto\/)/;
    // Both sets of mutants patch copies of the source with the same tool.
    const files = inside("gateway", "operator", "cli", "console").filter(
      ({ path }) => !path.startsWith("operator/plan/exploration/mutants/"),
    );
    expect(
      breaches(files, ({ imports }) => imports.filter((name) => name.startsWith("validator/") && !allowed.test(name))),
    ).toEqual([]);
  });

  test("folders depend on each other without cycles", () => {
    const folderOf = (path: string) =>
      path
        .split("/")
        .slice(0, path.startsWith("validator/") ? 2 : 1)
        .join("/");
    const edges = new Map<string, Set<string>>();
    for (const { path, imports } of shipped) {
      const from = folderOf(path);
      for (const name of imports.filter((other) => rooms.some((room) => other.startsWith(`${room}/`)))) {
        const to = folderOf(name);
        if (to !== from && !to.endsWith(".ts")) edges.set(from, (edges.get(from) ?? new Set()).add(to));
      }
    }
    expect(findCycle(edges)).toEqual([]);
  });

  test("every file is small enough to hold one idea", () => {
    const long = all
      .filter(({ text, path }) => text.split("\n").length > 450 && !path.includes("_pb"))
      .map(({ path }) => path);
    expect(long).toEqual([]);
  });
});

function findCycle(edges: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const done = new Set<string>();
  const visit = (folder: string, path: readonly string[]): readonly string[] => {
    if (path.includes(folder)) return [...path.slice(path.indexOf(folder)), folder];
    if (done.has(folder)) return [];
    for (const next of edges.get(folder) ?? []) {
      const cycle = visit(next, [...path, folder]);
      if (cycle.length > 0) return cycle;
    }
    done.add(folder);
    return [];
  };
  for (const folder of edges.keys()) {
    const cycle = visit(folder, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

test("the checks see a breach when there is one", () => {
  expect(
    findCycle(
      new Map([
        ["a", new Set(["b"])],
        ["b", new Set(["c"])],
        ["c", new Set(["a"])],
      ]),
    ),
  ).toEqual(["a", "b", "c", "a"]);
  expect(breaches([{ path: "x.ts", text: "", imports: ["node:fs"] }], ({ imports }) => imports)).toEqual([
    "x.ts: node:fs",
  ]);
});
