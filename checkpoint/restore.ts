/** Gives the members of a restored chain the state they begin with, once the checkpoint was checked as a whole. */
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { believe, type Opened, openManifest, readChunk } from "./check.ts";
import type { CheckpointConfig } from "./config.ts";
import type { RunOutcome } from "./outcome.ts";
import { type Failure, failed } from "./result.ts";
import type { Restorable } from "./source.ts";
import type { ObjectStore } from "./store.ts";
import { type RunOptions, withVolume } from "./take.ts";

/** Between two looks at validators that are not there yet, ms. */
const retryMs = 500;

export interface RestoreOptions extends RunOptions {
  readonly members: readonly Restorable[];
}

/** Until every member has it. `restore` of the configuration says which state that is. */
export async function restore(options: RestoreOptions): Promise<RunOutcome> {
  const { config, store, members, signal, now } = options;
  const opened = await openFor(store, config);
  if (opened.kind === "failed") return { failure: whyOf(opened) };
  const believed = await withVolume(config, "restore", (volume) => believe(store, opened, volume));
  if (believed.kind === "failed") return { failure: whyOf(believed) };

  const waiting = new Set(members);
  let last = failed("NoSource", "no validator waits for a state");
  while (waiting.size > 0 && !signal.aborted) {
    for (const member of [...waiting]) {
      const given = await give(store, opened, member, signal);
      if (given.kind === "given") waiting.delete(member);
      else last = given;
      if (last.reason === "Forged") return { failure: whyOf(last) };
    }
    if (waiting.size > 0) await pause(retryMs, undefined, { signal }).catch(() => {});
  }
  if (waiting.size > 0) return { failure: whyOf(last) };
  const { manifest, digest } = opened;
  const { chainId, height, epoch, stateRoot } = manifest;
  const sizes = { chunks: manifest.state.length + manifest.keys.length, bytes: bytesOf(opened) };
  const described = { chainId, height, epoch, stateRoot, manifest: config.manifest ?? "", manifestDigest: digest };
  return { written: { ...described, ...sizes, completedAt: now() } };
}

/** The manifest that the configuration names, and no other state than it asks for. */
async function openFor(store: ObjectStore, { chainId, manifest, manifestDigest, restore: wanted }: CheckpointConfig) {
  if (manifest === undefined || !wanted) return failed("NotFound", "the configuration does not say what to restore");
  const opened = await openManifest(store, manifest, { chainId, height: wanted.height, digest: manifestDigest });
  if (opened.kind === "failed") return opened;
  const { height, stateRoot } = opened.manifest;
  if (height !== wanted.height || stateRoot !== wanted.stateRoot)
    return failed(
      "Forged",
      `the checkpoint is of height ${height} and root ${stateRoot}, not what the statement names`,
    );
  return opened;
}

type Given = { readonly kind: "given" } | Failure;

async function give(store: ObjectStore, { manifest }: Opened, member: Restorable, signal: AbortSignal): Promise<Given> {
  try {
    const standing = await member.standing(signal);
    if (standing === "runs") return { kind: "given" };
    if (standing === "waits-for-genesis") return failed("NoSource", `${member.name} has no genesis document yet`);
    let index = 0;
    for (const kind of ["state", "keys"] as const)
      for (const chunk of manifest[kind]) {
        const read = await readChunk(store, chunk);
        if (read.kind === "failed") return read;
        await member.provide(index++, { case: kind, value: read.bytes }, signal);
      }
    await member.provide(index, { case: "end", value: true }, signal);
    return { kind: "given" };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    const reason = code === Code.FailedPrecondition ? "Forged" : "NoSource";
    if (!(error instanceof ConnectError)) throw error;
    return failed(reason, `${member.name}: ${rawMessage}`);
  }
}

const bytesOf = ({ manifest: { state, keys } }: Opened) => [...state, ...keys].reduce((sum, { size }) => sum + size, 0);
const whyOf = ({ reason, message }: Failure) => ({ reason, message });
