/** What is at a destination, and what of it may go. */
import { z } from "zod";
import { openManifest } from "./check.ts";
import {
  chunkKey,
  chunksOf,
  decodeManifest,
  everyChunk,
  everyManifest,
  largestManifest,
  type Manifest,
  manifestsOf,
  verificationKey,
} from "./manifest.ts";
import type { Rehearsal } from "./rehearse.ts";
import type { Failure } from "./result.ts";
import type { ObjectStore } from "./store.ts";

const verificationShape = z.strictObject({
  /** ms since the Unix epoch. */
  verifiedAt: z.int().min(0),
  replayedTo: z.int().min(1),
  stateRoot: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Verification = z.infer<typeof verificationShape>;

/** Keeps beside the checkpoint that it was restored. Written once: the first stays. */
export async function recordVerification(
  store: ObjectStore,
  { chainId }: Pick<Manifest, "chainId">,
  digest: string,
  { replayedTo, stateRoot }: Rehearsal,
  now: number,
): Promise<Verification> {
  const key = verificationKey(chainId, digest);
  const known = await verificationOf(store, chainId, digest);
  if (known) return known;
  const verification = { verifiedAt: now, replayedTo, stateRoot };
  await store.put(key, new TextEncoder().encode(JSON.stringify(verification)));
  return verification;
}

async function verificationOf(store: ObjectStore, chainId: string, digest: string): Promise<Verification | undefined> {
  const bytes = await store.get(verificationKey(chainId, digest), 4_096);
  if (!bytes) return undefined;
  try {
    return verificationShape.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    // Damaged: it counts as not verified.
    return undefined;
  }
}

export type Listed =
  | {
      readonly kind: "checkpoint";
      readonly key: string;
      readonly digest: string;
      readonly manifest: Manifest;
      readonly verification: Verification | undefined;
    }
  | { readonly kind: "unreadable"; readonly key: string; readonly failure: Failure };

/** Every checkpoint of the chain, ascending by height. */
export async function* listCheckpoints(store: ObjectStore, chainId: string): AsyncGenerator<Listed> {
  for await (const { key } of store.list(manifestsOf(chainId))) {
    const opened = await openManifest(store, key, { chainId });
    if (opened.kind === "failed") yield { kind: "unreadable", key, failure: opened };
    else {
      const { manifest, digest } = opened;
      const verification = await verificationOf(store, chainId, digest);
      yield { kind: "checkpoint", key, digest, manifest, verification };
    }
  }
}

export interface PruneOptions {
  readonly chainId: string;
  /** Newest checkpoints that stay. */
  readonly keep: number;
  /** Keys of manifests that go, whatever their age: their objects were deleted. */
  readonly drop: readonly string[];
  /** ms since the Unix epoch. */
  readonly now: number;
}

export interface Pruned {
  readonly kind: "pruned";
  readonly manifests: number;
  readonly chunks: number;
  /** Objects that the store does not let go yet. */
  readonly held: number;
  /** Checkpoints that stay. */
  readonly kept: number;
}

/** A chunk that no manifest names may be of one that is being written. */
const chunkGraceMs = 24 * 3_600_000;

/**
 * Removes checkpoints beyond the newest `keep`, and chunks that none names any more. The last verified one always
 * stays, and so does everything when a manifest cannot be read: nobody knows what it names.
 */
export async function prune(store: ObjectStore, options: PruneOptions): Promise<Pruned | Failure> {
  const listed: Listed[] = [];
  for await (const each of listCheckpoints(store, options.chainId)) listed.push(each);
  const readable = listed.filter((each) => each.kind === "checkpoint");
  const lastVerified = readable.findLast(({ verification }) => verification !== undefined)?.key;
  const old = readable.slice(0, Math.max(0, readable.length - options.keep)).map(({ key }) => key);
  const going = new Set([...old, ...options.drop]);
  const pruned = { manifests: 0, chunks: 0, held: 0 };
  for (const { key, digest } of readable) {
    if (!going.has(key) || key === lastVerified) continue;
    if ((await store.remove(key)).kind === "held") {
      pruned.held += 1;
      continue;
    }
    pruned.manifests += 1;
    await store.remove(verificationKey(options.chainId, digest));
  }
  // Of every chain: they share chunks.
  const named = new Set<string>();
  for await (const { key } of store.list(everyManifest)) {
    const bytes = await store.get(key, largestManifest);
    const read = bytes && decodeManifest(bytes);
    if (!read) continue;
    if (read.kind === "failed") return read;
    for (const { digest } of chunksOf(read.manifest)) named.add(chunkKey(digest));
  }
  for await (const { key, modified } of store.list(everyChunk)) {
    if (named.has(key) || modified > options.now - chunkGraceMs) continue;
    if ((await store.remove(key)).kind === "held") pruned.held += 1;
    else pruned.chunks += 1;
  }
  return { kind: "pruned", ...pruned, kept: readable.length - pruned.manifests };
}
