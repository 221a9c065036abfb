/**
 * The binary of the control plane, built from pinned Go modules: about 5 minutes on two cores the first time, a second
 * with Go's caches warm, nothing when it is there already.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const source = join(import.meta.dirname, "binary");
/** Kept between runs, outside version control. */
export const cacheDirectory = join(import.meta.dirname, "../../.cache/control-plane");

/** What the server and `kubectl version` say: without it the server takes itself for one without a version. */
const version = "1.35.4";

export interface Binary {
  /** Runs as `hyper NAME [flags]`. */
  readonly path: string;
  readonly kubectl: string;
}

/** Builds unless the same sources have been built. Throws when Go is missing or does not build it. */
export async function buildBinary(progress: (line: string) => void): Promise<Binary> {
  const directory = join(cacheDirectory, digest());
  const binary = { path: join(directory, "hyper"), kubectl: join(directory, "kubectl") };
  if (existsSync(binary.path) && existsSync(binary.kubectl)) return binary;

  progress("building the control plane (some minutes the first time)");
  const half = join(cacheDirectory, `building-${process.pid}`);
  mkdirSync(half, { recursive: true });
  try {
    const started = performance.now();
    const go = spawn("go", ["build", "-trimpath", "-ldflags", flags(), "-o", join(half, "hyper"), "."], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const [code] = await once(go, "close");
    if (code !== 0) throw new Error(`go build ended with ${code}`);
    symlinkSync("hyper", join(half, "kubectl"));
    // Old builds are 100 MB each.
    for (const old of readdirSync(cacheDirectory))
      if (/^[0-9a-f]{16}$/.test(old)) rmSync(join(cacheDirectory, old), { recursive: true });
    renameSync(half, directory);
    progress(`built in ${((performance.now() - started) / 1_000).toFixed(0)} s`);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
  return binary;
}

function digest(): string {
  const hash = createHash("sha256").update(flags());
  for (const name of ["main.go", "go.mod", "go.sum"]) hash.update(readFileSync(join(source, name)));
  return hash.digest("hex").slice(0, 16);
}

function flags(): string {
  const [major, minor] = version.split(".");
  const stamps = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) => [
    `-X ${path}.gitVersion=v${version}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
    `-X ${path}.gitTreeState=clean`,
    `-X ${path}.buildDate=2026-01-01T00:00:00Z`,
  ]);
  return ["-s -w", ...stamps].join(" ");
}
