/** Builds CometBFT from its published source with the Go toolchain of this machine. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";

export const version = "v1.0.1";
const source = `github.com/cometbft/cometbft@${version}`;
/** Of the module's archive, as the Go checksum database has it: the build is of these bytes or none. */
const sum = "h1:JNVgbpL76sA4kXmBnyZ7iPjFAxi6HVp2l+rdT2RXVUs=";

const downloadSchema = z.object({ Dir: z.string(), Sum: z.string() });

/** Path of the binary; built when it is not there, about a minute. Throws with a sentence when it cannot be. */
export function buildCometBft(directory: string, progress: (line: string) => void): string {
  const binary = join(resolve(directory), `cometbft-${version}`);
  if (existsSync(binary)) return binary;
  mkdirSync(directory, { recursive: true });
  progress(`building ${source}`);
  const download = downloadSchema.parse(JSON.parse(go(["mod", "download", "-json", source], directory)));
  if (download.Sum !== sum) throw new Error(`${source} has checksum ${download.Sum}, not ${sum}.`);
  go(["build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/cometbft"], download.Dir);
  return binary;
}

function go(args: readonly string[], cwd: string): string {
  const { error, status, stdout, stderr } = spawnSync("go", args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, GOWORK: "off", GOFLAGS: "-buildvcs=false" },
  });
  if (error) throw new Error("The peer is written in Go: install Go 1.23 or newer, so that `go` is on the PATH.");
  if (status !== 0) throw new Error(`go ${args.join(" ")} failed:\n${stderr}`);
  return stdout;
}
