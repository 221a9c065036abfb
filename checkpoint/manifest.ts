/**
 * The manifest of a checkpoint: what it is of, the certificate that says so, and the digests of its chunks
 * (docs/formats.md). It is written last: a checkpoint without one does not exist.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson, parseCanonicalJson } from "../validator/ledger/genesis.ts";
import { type Failure, failed } from "./result.ts";

const format = "validator-swarm-checkpoint";
/** Raised with every change that an older reader would misread. */
const version = 1;
/** A state of a million accounts and a billion executed keys has some 60,000 chunks. */
export const largestManifest = 32 << 20;
/** Bytes of a chunk: a part of the state or of the keys, a batch, a genesis document. */
export const largestChunk = 8 << 20;
/** Together: what a reader holds in memory of the ledger's state at once. */
const largestState = 1 << 30;

const hexOf = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const someHex = (most: number) =>
  z
    .string()
    .max(2 * most)
    .regex(/^([0-9a-f]{2})+$/);
const count = z.int().min(0);
const chunk = z.strictObject({ digest: hexOf(32), size: z.int().min(0).max(largestChunk) });
const chunks = (most: number) => z.array(chunk).max(most);

const shape = z.strictObject({
  format: z.literal(format),
  version: z.literal(version),
  chainId: hexOf(32),
  height: z.int().min(1),
  epoch: count,
  stateRoot: hexOf(32),
  /** Of the block whose header names the height with its root, ms since the Unix epoch. */
  time: count,
  /** That block's header, and the certificate that finalizes it. */
  header: hexOf(392),
  certificate: someHex(4_096),
  /** Its body. */
  body: chunk,
  /** Canonical JSON whose hash is the chain's id. */
  genesis: chunk,
  /** From genesis to the set of the header's epoch. */
  handovers: chunks(10_000),
  state: chunks(10_000),
  keys: chunks(200_000),
  /** Final blocks above, each with its batches up to `to`, where the last one's header names the root. */
  replay: z.strictObject({
    to: count,
    blocks: z
      .array(z.strictObject({ header: hexOf(392), body: chunk, batches: chunks(1_024) }))
      .min(1)
      .max(2_048),
    certificate: someHex(4_096),
  }),
});

/** What a manifest says. Nothing of it is believed before `check.ts` did. */
export type Manifest = z.infer<typeof shape>;
export type Chunk = z.infer<typeof chunk>;

export type ManifestRead = { readonly kind: "manifest"; readonly manifest: Manifest } | Failure;

/** A manifest as its fields are, without format and version. */
export function encodeManifest(fields: Omit<Manifest, "format" | "version">): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ format, version, ...fields }));
}

export function decodeManifest(bytes: Uint8Array): ManifestRead {
  if (bytes.length >= largestManifest) return failed("Corrupted", "the manifest is larger than any manifest");
  const value = parseCanonicalJson(bytes);
  if (value === undefined) return failed("Corrupted", "the manifest is not canonical JSON");
  const named = z.object({ format: z.literal(format), version: z.int() }).safeParse(value);
  if (!named.success) return failed("Corrupted", "the manifest does not say that it is one");
  if (named.data.version !== version)
    return failed("UnknownVersion", `the manifest is of version ${named.data.version}; this release reads ${version}`);
  const parsed = shape.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failed("Corrupted", `the manifest: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const stateBytes = parsed.data.state.reduce((sum, { size }) => sum + size, 0);
  if (stateBytes > largestState) return failed("Corrupted", "the manifest names more state than a ledger has");
  return { kind: "manifest", manifest: parsed.data };
}

export const sha256Hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const padded = (height: number) => String(height).padStart(16, "0");

/** Sorts by height: the newest of a chain is the last. */
export const manifestKey = ({ chainId, height, stateRoot }: Pick<Manifest, "chainId" | "height" | "stateRoot">) =>
  `manifests/${chainId}/${padded(height)}-${stateRoot.slice(0, 16)}.json`;
export const manifestsOf = (chainId: string) => `manifests/${chainId}/`;
export const everyManifest = "manifests/";
export const chunkKey = (digest: string) => `chunks/${digest.slice(0, 2)}/${digest}`;
export const everyChunk = "chunks/";
/** Says that the manifest of this digest was restored and replayed. */
export const verificationKey = (chainId: string, manifestDigest: string) =>
  `verified/${chainId}/${manifestDigest}.json`;

/** Every chunk, with repetitions. */
export function chunksOf({ body, genesis, handovers, state, keys, replay }: Manifest): readonly Chunk[] {
  const blocks = replay.blocks.flatMap((block) => [block.body, ...block.batches]);
  return [genesis, body, ...handovers, ...blocks, ...state, ...keys];
}
