/** One run for one SwarmCheckpoint: written, restored, and what is too old removed. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { StorageFaultError } from "../validator/storage/types.ts";
import { openManifest } from "./check.ts";
import type { CheckpointConfig } from "./config.ts";
import { prune, recordVerification } from "./keep.ts";
import type { RunOutcome } from "./outcome.ts";
import { inVolume, rehearse } from "./rehearse.ts";
import { type Failure, failed } from "./result.ts";
import type { Source } from "./source.ts";
import type { ObjectStore } from "./store.ts";
import { type Progress, type Written, writeCheckpoint } from "./write.ts";

export interface RunOptions {
  readonly config: CheckpointConfig;
  readonly store: ObjectStore;
  readonly sources: readonly Source[];
  /** ms since the Unix epoch. */
  readonly now: () => number;
  readonly onProgress: (progress: Progress) => void;
  /** Hears why something is tried again. */
  readonly onProblem: (failure: Failure) => void;
  readonly signal: AbortSignal;
}

/** Between two rounds of asking every validator, ms. */
const retryMs = 1_000;

/** Everything the configuration asks for. What was done before something failed stands in the outcome. */
export async function take(options: RunOptions): Promise<RunOutcome> {
  const { config, now } = options;
  const result = await writeFromAny(options);
  if (result.kind === "failed") return { failure: whyOf(result) };
  const { manifest, key, digest, chunks, bytes } = result;
  const { chainId, height, epoch, stateRoot } = manifest;
  const described = { chainId, height, epoch, stateRoot, manifest: key, manifestDigest: digest, chunks, bytes };
  const written = { ...described, completedAt: now() };
  if (!config.verify) return { written, ...(await pruned(options)) };
  const verified = await verify(options, key, digest);
  if (verified.failure) return { written, ...verified };
  return { written, ...verified, ...(await pruned(options)) };
}

/** Every validator is asked in turn, until one gives a checkpoint that is good: another may be honest, or further. */
async function writeFromAny(options: RunOptions): Promise<Written | Failure> {
  const { config, sources, signal } = options;
  let last: Failure = failed("NoSource", "no validator is configured");
  while (sources.length > 0 && !signal.aborted) {
    for (const source of sources) {
      const attempt = await withVolume(config, "write", (volume) =>
        writeCheckpoint({ ...options, ...config, source, volume }),
      );
      if (attempt.kind === "written") return attempt;
      if (attempt.message !== last.message) options.onProblem(attempt);
      last = attempt;
      if (signal.aborted) break;
    }
    await pause(retryMs, undefined, { signal }).catch(() => {});
  }
  return last;
}

async function pruned({ config, store, now }: RunOptions): Promise<Pick<RunOutcome, "pruned" | "failure">> {
  if (config.retention === 0 && config.drop.length === 0) return {};
  const done = await prune(store, pruneOptions(config, now()));
  if (done.kind === "failed") return { failure: whyOf(done) };
  const { kind: _, ...counts } = done;
  return { pruned: counts };
}

/** Restores the manifest's checkpoint and records that it could be. */
export async function verify(
  { config, store, now, onProgress }: RunOptions,
  key: string,
  digest: string | undefined,
): Promise<Pick<RunOutcome, "verification" | "failure">> {
  const opened = await openManifest(store, key, { chainId: config.chainId, height: config.notBelow, digest });
  if (opened.kind === "failed") return { failure: whyOf(opened) };
  const rehearsed = await rehearse({ store, opened, scratch: join(config.scratch, "restore"), onProgress });
  if (rehearsed.kind === "failed") return { failure: whyOf(rehearsed) };
  return { verification: await recordVerification(store, opened.manifest, opened.digest, rehearsed, now()) };
}

export const pruneOptions = ({ chainId, retention, drop }: CheckpointConfig, now: number) => ({
  chainId,
  keep: retention === 0 ? Number.POSITIVE_INFINITY : retention,
  drop,
  now,
});

const whyOf = ({ reason, message }: Failure) => ({ reason, message });

/** Works on an empty scratch volume of this name; nothing is left of it. Full or failing, it is what the outcome says. */
export async function withVolume<T>(
  { scratch }: Pick<CheckpointConfig, "scratch">,
  name: string,
  work: Parameters<typeof inVolume<T>>[1],
): Promise<T | Failure> {
  const folder = join(scratch, name);
  await rm(folder, { recursive: true, force: true });
  try {
    return await inVolume(folder, work);
  } catch (error) {
    if (!(error instanceof StorageFaultError)) throw error;
    return failed("ScratchFailed", `the scratch volume: ${error.message}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
