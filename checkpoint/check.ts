/**
 * A checkpoint at its destination, believed for its proofs alone: the chain's id names the genesis document, that names
 * the first validator set, handovers lead to the set whose certificate names the state root, and everything else is
 * under that root.
 */
import { decodeBlock } from "../validator/codec/block.ts";
import { decodeCertificate } from "../validator/codec/certificate.ts";
import type { Block } from "../validator/consensus/types.ts";
import { height as toHeight } from "../validator/consensus/types.ts";
import { memberKeys } from "../validator/crypto/bls.ts";
import { type CheckpointCheck, type CheckpointPart, checkCheckpoint } from "../validator/driver/checkpoint-check.ts";
import { encodeHandovers } from "../validator/driver/handover-transfer.ts";
import { type Chain, ledgerFromGenesis } from "../validator/driver/ledger-port.ts";
import { parseCanonicalJson, parseGenesis } from "../validator/ledger/genesis.ts";
import { createMemoryKeys } from "../validator/ledger/memory-keys.ts";
import type { Store } from "../validator/storage/types.ts";
import { type Chunk, chunkKey, decodeManifest, largestManifest, type Manifest, sha256Hex } from "./manifest.ts";
import { type Failure, failed } from "./result.ts";
import type { ObjectStore } from "./store.ts";
import { checkTail, type Tail } from "./tail.ts";

/** What is known from elsewhere. */
export interface Expected {
  /** Undefined: any chain, for who lists. */
  readonly chainId?: string | undefined;
  /** A checkpoint of a lower height is stale. */
  readonly height?: number | undefined;
  /** SHA-256 of the manifest, hexadecimal. */
  readonly digest?: string | undefined;
}

export interface Opened {
  readonly kind: "opened";
  readonly manifest: Manifest;
  /** Hexadecimal. */
  readonly digest: string;
}

/** Reads a manifest and compares it with what is known. Its chunks are not looked at. */
export async function openManifest(store: ObjectStore, key: string, expected: Expected): Promise<Opened | Failure> {
  const newest = await store.get(key, largestManifest);
  const bytes =
    expected.digest === undefined ? newest : await ofDigest(store, key, expected.digest, newest, largestManifest);
  if (!bytes) return failed("NotFound", `${store.name} has no ${key}`);
  const digest = sha256Hex(bytes);
  if (expected.digest !== undefined && expected.digest !== digest)
    return failed("Corrupted", `the manifest ${key} is not the one of digest ${expected.digest}`);
  const read = decodeManifest(bytes);
  if (read.kind === "failed") return read;
  const { manifest } = read;
  if (expected.chainId !== undefined && manifest.chainId !== expected.chainId)
    return failed("AnotherChain", `the checkpoint is of the chain ${manifest.chainId}, not of ${expected.chainId}`);
  if (expected.height !== undefined && manifest.height < expected.height)
    return failed("Stale", `the checkpoint is of height ${manifest.height}; one of height ${expected.height} is known`);
  return { kind: "opened", manifest, digest };
}

export type ChunkRead = { readonly kind: "chunk"; readonly bytes: Uint8Array } | Failure;

export async function readChunk(store: ObjectStore, { digest, size }: Chunk): Promise<ChunkRead> {
  const key = chunkKey(digest);
  const bytes = await ofDigest(store, key, digest, await store.get(key, size + 1), size + 1);
  if (!bytes) return failed("Truncated", `chunk ${digest} is gone`);
  if (bytes.length < size) return failed("Truncated", `chunk ${digest} has ${bytes.length} of its ${size} bytes`);
  if (sha256Hex(bytes) !== digest) return failed("Corrupted", `chunk ${digest} is not what its digest says`);
  return { kind: "chunk", bytes };
}

/** The newest version if it has the digest, else an earlier one that has, else the newest. */
async function ofDigest(
  store: ObjectStore,
  key: string,
  digest: string,
  newest: Uint8Array | undefined,
  most: number,
): Promise<Uint8Array | undefined> {
  if (newest && sha256Hex(newest) === digest) return newest;
  for await (const earlier of store.versions(key, most)) if (sha256Hex(earlier) === digest) return earlier;
  return newest;
}

export interface Believed extends Omit<Extract<CheckpointCheck, { kind: "believed" }>, "kind"> {
  readonly kind: "believed";
  readonly chain: Chain;
  readonly tail: Tail;
}

/** Of all handovers together, bytes. */
const mostHandoverBytes = 256 << 20;

/**
 * Reads every chunk but the batches above, and checks everything. The executed keys are in the volume afterwards.
 * Memory: the ledger's state and one chunk. Rejects with `StorageFaultError` when the volume fails.
 */
export async function believe(
  store: ObjectStore,
  { manifest }: Pick<Opened, "manifest">,
  volume: Pick<Store, "keys" | "stageKeys">,
): Promise<Believed | Failure> {
  const genesis = await readChunk(store, manifest.genesis);
  if (genesis.kind === "failed") return genesis;
  const chain = chainOf(genesis.bytes);
  if (chain?.chainId !== manifest.chainId)
    return failed("Forged", "the genesis document is not the one that the chain's id names");

  const handovers: Uint8Array[] = [];
  let handoverBytes = 0;
  for (const chunk of manifest.handovers) {
    handoverBytes += chunk.size;
    if (handoverBytes > mostHandoverBytes)
      return failed("Corrupted", "the manifest names more handovers than there can be");
    const read = await readChunk(store, chunk);
    if (read.kind === "failed") return read;
    handovers.push(read.bytes);
  }
  const proof = await readBlock(store, manifest);
  if (proof.kind === "failed") return proof;
  const finalization = decodeCertificate(bytesOf(manifest.certificate));
  if (finalization.kind === "refused") return failed("Corrupted", `the certificate: ${finalization.error.reason}`);
  const { block } = proof;
  const says = block.header.rootHeight === manifest.height && block.header.root === manifest.stateRoot;
  if (!says || block.header.epoch !== manifest.epoch)
    return failed("Forged", "the certified header names another height, epoch or root than the manifest");

  let broken: Failure | undefined;
  async function* parts(): AsyncGenerator<CheckpointPart> {
    for (const kind of ["state", "keys"] as const)
      for (const chunk of manifest[kind]) {
        const read = await readChunk(store, chunk);
        if (read.kind === "failed") {
          broken = read;
          return yield { kind: "missing", reason: read.message };
        }
        yield { kind, content: read.bytes };
      }
  }
  const checked = await checkCheckpoint(
    { chain, keys: genesisKeys(chain), store: volume },
    {
      height: toHeight(manifest.height),
      proof: { block, finalization: finalization.value },
      handovers: () => Promise.resolve(encodeHandovers(handovers)),
      parts: parts(),
    },
  );
  if (broken) return broken;
  if (checked.kind !== "believed") return refusalOf(checked);

  const blocks: Block[] = [];
  for (const above of manifest.replay.blocks) {
    const read = await readBlock(store, above);
    if (read.kind === "failed") return read;
    blocks.push(read.block);
  }
  const certificate = decodeCertificate(bytesOf(manifest.replay.certificate));
  if (certificate.kind === "refused") return failed("Corrupted", `the certificate above: ${certificate.error.reason}`);
  const above = { blocks, certificate: certificate.value, to: toHeight(manifest.replay.to) };
  const tail = checkTail(checked.keys, checked.checkpoint.height, above);
  if (tail.kind === "forged") return failed("Forged", tail.reason);
  return { ...checked, chain, tail: tail.tail };
}

/** Undefined when the bytes are no genesis document in its one spelling. */
export function chainOf(bytes: Uint8Array): Chain | undefined {
  const parsed = parseGenesis(parseCanonicalJson(bytes));
  if (parsed.kind === "refused" || sha256Hex(bytes) !== parsed.chainId) return undefined;
  const { genesis, chainId } = parsed;
  return { genesis, chainId };
}

/** Of the chain's first set. */
export const genesisKeys = (chain: Chain) => memberKeys(ledgerFromGenesis(chain, createMemoryKeys()).epochConfig);

/** What the validators' own check says, in the words of this program. */
export function refusalOf(checked: Exclude<CheckpointCheck, { kind: "believed" }>): Failure {
  if (checked.kind === "none") return failed("Forged", `the checkpoint: ${checked.reason}`);
  return failed(checked.fault === "malformed" ? "Corrupted" : "Forged", checked.reason);
}

type BlockRead = { readonly kind: "block"; readonly block: Block } | Failure;

async function readBlock(
  store: ObjectStore,
  { header, body }: { readonly header: string; readonly body: Chunk },
): Promise<BlockRead> {
  const read = await readChunk(store, body);
  if (read.kind === "failed") return read;
  const decoded = decodeBlock({ header: bytesOf(header), body: read.bytes });
  return decoded.kind === "ok"
    ? { kind: "block", block: decoded.value }
    : failed("Corrupted", `a block: ${decoded.error.reason}`);
}

export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
