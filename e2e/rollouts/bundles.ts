/**
 * Releases of the validator as a world without containers runs them: one file of JavaScript in the bundle store, named by
 * its content. The release of these sources, the same under another version, and releases with one fault each.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { digestOfBundle } from "../../operator/embedded/kubelet/images.ts";
import { kubeletLayout } from "../../operator/embedded/kubelet/layout.ts";
import { type Edit, patch } from "../../validator/simulator/mutants/patch.ts";

const root = join(import.meta.dirname, "../..");
const entry = "validator/main.ts";

/** A release: the sources with some places changed. */
export interface Release {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export interface Bundle {
  /** For `spec.image`. */
  readonly image: string;
  /** The file that Node runs. */
  readonly program: string;
  readonly milliseconds: number;
}

const ledger = "validator/ledger/transfers.ts";
const driver = "validator/driver/driver.ts";
const status = "validator/driver/status.ts";

const judging = "  if (debtor >= count) return unknownDebtor;\n";
const executing = "  async function executed(block: Block, result: ExecutedBlock): Promise<void> {\n";
const receiving = "handle: (from, bytes) => routing.receive(from, bytes),";
const startingMain = "if (import.meta.main) main();";
const started = "  return driver.services;\n";
const turning = "    const members = membershipOf(next.config, ownKey, options.peerName);\n";

/** Blocks that a release follows after its start before it stalls. */
const followed = 200;
const stalls: Edit = {
  file: driver,
  search: receiving,
  replace: `handle: async (from, bytes) => {
      const self = globalThis as { stallAt?: number };
      self.stallAt ??= ledger.executed.height + ${followed};
      if (ledger.executed.height < self.stallAt) await routing.receive(from, bytes);
    },`,
};
const exits = "process.exit(70)";

/** The release of these sources. */
export const release: Release = { name: "release", edits: [] };

/** The same rules under another version. */
export const nextRelease: Release = {
  name: "next",
  edits: [{ file: "package.json", search: '"version": "0.1.0"', replace: '"version": "0.2.0"' }],
};

/** One fault each. */
export const faulty = {
  /** Rejects one payment in 10,000, by its UETR, that every other release settles. */
  wrongRoot: {
    name: "wrong-root",
    edits: [
      {
        file: ledger,
        search: judging,
        replace: `${judging}  if ((record[at] as number) % 10_000 === 0) return zeroAmount;\n`,
      },
    ],
  },
  crashesAtStart: {
    name: "crashes-at-start",
    edits: [{ file: entry, search: startingMain, replace: `if (import.meta.main) ${exits};` }],
  },
  /** Ends as soon as it is a member, and whenever it starts as one. */
  crashesAtPromotion: {
    name: "crashes-at-promotion",
    edits: [
      { file: driver, search: turning, replace: `${turning}    if (members.self !== undefined) ${exits};\n` },
      {
        file: entry,
        search: started,
        replace: `  if (driver.services.status().role === "validator") ${exits};\n${started}`,
      },
    ],
  },
  /** Hears nothing more some blocks after its start. */
  stalls: { name: "stalls", edits: [stalls] },
  /** Keeps 4 MiB with every block. */
  leaks: {
    name: "leaks",
    edits: [
      {
        file: driver,
        search: executing,
        replace: `${executing}    ((globalThis as { kept?: Buffer[] }).kept ??= []).push(Buffer.alloc(4 << 20, 1));\n`,
      },
    ],
  },
  /** Stalls, and says that it is ready. */
  pretends: {
    name: "pretends",
    edits: [stalls, { file: status, search: "const reason = notReady();", replace: 'const reason = "";' }],
  },
  /** Members end at this height, all at once, and whenever they start above it. */
  diesAt: (height: number): Release => ({
    name: `dies-at-${height}`,
    edits: [
      {
        file: driver,
        search: executing,
        replace: `${executing}    if (membership.self !== undefined && result.height >= ${height}) ${exits};\n`,
      },
    ],
  }),
} as const;

/** Builds a release into the store of the world that lives in this directory. Throws when an edit fits the sources no more. */
export async function buildBundle({ name, edits }: Release, world: string): Promise<Bundle> {
  const began = performance.now();
  const patched = patch(edits, (file) => readFileSync(join(root, file), "utf8"));
  if (patched.kind === "stale") throw new Error(`the release ${name} must be written anew: ${patched.reason}`);
  const { bundles } = kubeletLayout(world);
  const making = join(bundles, `making-${name}`);
  mkdirSync(making, { recursive: true });
  const { outputFiles } = await build({
    entryPoints: [join(root, entry)],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    write: false,
    logLevel: "silent",
    plugins: [withFiles(patched.files), nativeFromHere],
    // Dependencies of the older module format ask for their own by `require`.
    banner: {
      js: 'import { createRequire as require_ } from "node:module"; const require = require_(import.meta.url);',
    },
  });
  writeFileSync(join(making, "validator.mjs"), outputFiles[0]?.contents ?? "");
  const digest = digestOfBundle(making);
  const directory = join(bundles, `sha256-${digest}`);
  rmSync(directory, { recursive: true, force: true });
  renameSync(making, directory);
  const milliseconds = Math.round(performance.now() - began);
  return { image: `sha256:${digest}`, program: join(directory, "validator.mjs"), milliseconds };
}

/** These texts in the place of the files', by their paths from the repository's root. */
function withFiles(files: ReadonlyMap<string, string>): Plugin {
  return {
    name: "patched",
    setup({ onLoad }) {
      onLoad({ filter: /\.(ts|json)$/ }, ({ path }) => {
        const contents = files.get(relative(root, path));
        return contents === undefined ? undefined : { contents, loader: path.endsWith(".json") ? "json" : "ts" };
      });
    },
  };
}

/** Machine code cannot be put into a bundle: it is loaded from where it is installed. */
const nativeFromHere: Plugin = {
  name: "native",
  setup({ onResolve }) {
    const { resolve } = createRequire(join(root, "package.json"));
    onResolve({ filter: /^@chainsafe\/(blst|hashtree)$/ }, ({ path }) => {
      return { path: pathToFileURL(resolve(path)).href, external: true };
    });
  },
};
