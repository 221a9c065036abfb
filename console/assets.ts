/** The page's files, ready to be served: bundled once, at start, from the sources beside this one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

export interface Asset {
  readonly type: string;
  readonly content: Uint8Array;
}

const page = join(import.meta.dirname, "page");

/** Assets by path. Everything comes from this package and its dependencies: the page loads nothing from elsewhere. */
export function buildAssets(): ReadonlyMap<string, Asset> {
  const plotStyle = fileURLToPath(import.meta.resolve("uplot/dist/uPlot.min.css"));
  const style = Buffer.concat([readFileSync(plotStyle), Buffer.from("\n"), readFileSync(join(page, "style.css"))]);
  return new Map<string, Asset>([
    ["/", { type: "text/html; charset=utf-8", content: readFileSync(join(page, "index.html")) }],
    ["/style.css", { type: "text/css; charset=utf-8", content: style }],
    ["/main.js", { type: "text/javascript; charset=utf-8", content: bundle() }],
    ["/icon.svg", { type: "image/svg+xml", content: readFileSync(join(page, "icon.svg")) }],
  ]);
}

function bundle(): Uint8Array {
  const { outputFiles } = buildSync({
    entryPoints: [join(page, "main.ts")],
    bundle: true,
    format: "esm",
    target: "es2023",
    minify: true,
    write: false,
    logLevel: "silent",
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error("the page's bundle is empty");
  return output.contents;
}
