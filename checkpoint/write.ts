/**
 * Writing a checkpoint: what comes from a validator is written chunk by chunk and checked as it comes, everything is
 * read back, and only then is there a manifest. A chunk that is there is not written again: what was broken off goes on.
 */
import { encodeBlock, encodeHeader } from "../validator/codec/block.ts";
import { encodeCertificate } from "../validator/codec/certificate.ts";
import type { Block } from "../validator/consensus/types.ts";
import { height as toHeight } from "../validator/consensus/types.ts";
import { type CheckpointPart, checkCheckpoint } from "../validator/driver/checkpoint-check.ts";
import { encodeHandovers } from "../validator/driver/handover-transfer.ts";
import type { Store } from "../validator/storage/types.ts";
import { chainOf, genesisKeys, readChunk, refusalOf } from "./check.ts";
import { type Chunk, chunkKey, chunksOf, encodeManifest, type Manifest, manifestKey, sha256Hex } from "./manifest.ts";
import { type Failure, failed } from "./result.ts";
import type { Source, SourceHead, SourcePart } from "./source.ts";
import type { ObjectStore } from "./store.ts";
import { checkTail, isBatchOf } from "./tail.ts";

/** What is being done, for logs: bytes and chunks so far. */
export interface Progress {
  readonly step: "writing" | "reading-back" | "restoring" | "replaying";
  readonly chunks: number;
  readonly bytes: number;
}

export interface WriteOptions {
  readonly store: ObjectStore;
  readonly source: Source;
  /** Hexadecimal. */
  readonly chainId: string;
  /** 0: the newest. */
  readonly height: number;
  /** A checkpoint of a lower height is stale. */
  readonly notBelow: number;
  /** Least blocks above it that come along. */
  readonly replay: number;
  /** Empty: for checking alone. */
  readonly volume: Pick<Store, "keys" | "stageKeys">;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

export interface Written {
  readonly kind: "written";
  readonly manifest: Manifest;
  /** Key at the destination. */
  readonly key: string;
  /** SHA-256 of the manifest, hexadecimal. */
  readonly digest: string;
  /** Different ones, with the manifest. */
  readonly bytes: number;
  readonly chunks: number;
  /** Of them there were already. */
  readonly reused: number;
}

/** Writes one. Rejects with `StoreError` or `StorageFaultError` when the destination or the volume fails. */
export async function writeCheckpoint(options: WriteOptions): Promise<Written | Failure> {
  const { store, source, volume, signal } = options;
  const chunks = createChunks(store, options.onProgress);
  const stream = source.read({ height: options.height, replay: options.replay }, signal)[Symbol.asyncIterator]();
  try {
    const head = await nextOf(stream, source.name);
    if (head.kind === "failed") return head;
    if (head.kind !== "head") return failed("Forged", `${source.name} sent no head`);
    const chain = chainOf(head.genesis);
    if (!chain) return failed("Forged", `${source.name} sent a genesis document that is none`);
    if (chain.chainId !== options.chainId)
      return failed("AnotherChain", `${source.name} is of the chain ${chain.chainId}, not of ${options.chainId}`);
    if (head.height < options.notBelow)
      return failed("Stale", `${source.name} has height ${head.height}; ${options.notBelow} is known already`);

    const above = await writeAbove(stream, head, chunks, source.name);
    if (above.kind === "failed") return above;
    const content = contentOf(above.next, stream, chunks, source.name);
    const checked = await checkCheckpoint(
      { chain, keys: genesisKeys(chain), store: volume },
      {
        height: toHeight(head.height),
        proof: head,
        handovers: () => Promise.resolve(encodeHandovers(head.handovers)),
        parts: content.parts(),
      },
    );
    if (content.broken()) return content.broken()!;
    if (checked.kind !== "believed") return refusalOf(checked);
    const tail = { blocks: above.blocks, certificate: head.lastFinalization, to: toHeight(head.replayTo) };
    const checkedTail = checkTail(checked.keys, checked.checkpoint.height, tail);
    if (checkedTail.kind === "forged") return failed("Forged", checkedTail.reason);

    const { header } = head.block;
    const handovers: Chunk[] = [];
    for (const { bytes } of checked.handovers) handovers.push(await chunks.write(bytes));
    const manifest = {
      chainId: chain.chainId,
      height: head.height,
      epoch: header.epoch,
      stateRoot: header.root,
      time: header.time,
      header: hex(encodeHeader(header)),
      certificate: hex(encodeCertificate(head.finalization)),
      body: await chunks.write(encodeBlock(head.block).body),
      genesis: await chunks.write(head.genesis),
      handovers,
      ...content.written,
      replay: { to: head.replayTo, blocks: above.written, certificate: hex(encodeCertificate(head.lastFinalization)) },
    };
    return await finish(options, encodeManifest(manifest), chunks.counts());
  } finally {
    await stream.return?.();
  }
}

/** Reads every chunk back, writes the manifest and reads it back. */
async function finish(
  { store, onProgress }: WriteOptions,
  bytes: Uint8Array,
  { reused }: { readonly reused: number },
): Promise<Written | Failure> {
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  const different = new Map(chunksOf(manifest).map((chunk) => [chunk.digest, chunk]));
  let read = 0;
  let size = 0;
  for (const chunk of different.values()) {
    const found = await readChunk(store, chunk);
    if (found.kind === "failed") return found;
    read += 1;
    size += chunk.size;
    onProgress({ step: "reading-back", chunks: read, bytes: size });
  }
  const key = manifestKey(manifest);
  const digest = sha256Hex(bytes);
  await store.put(key, bytes);
  const again = await store.get(key, bytes.length + 1);
  if (!again || sha256Hex(again) !== digest) return failed("Corrupted", `${store.name} gives another ${key} back`);
  return { kind: "written", manifest, key, digest, bytes: size + bytes.length, chunks: different.size, reused };
}

interface Chunks {
  readonly write: (bytes: Uint8Array) => Promise<Chunk>;
  readonly counts: () => { readonly reused: number };
}

function createChunks(store: ObjectStore, onProgress: WriteOptions["onProgress"]): Chunks {
  const done = new Set<string>();
  let bytes = 0;
  let reused = 0;
  return {
    async write(content) {
      const chunk = { digest: sha256Hex(content), size: content.length };
      if (done.has(chunk.digest)) return chunk;
      const key = chunkKey(chunk.digest);
      // A torn one of another size is written anew.
      if ((await store.size(key)) === chunk.size) {
        await store.keep(key);
        reused += 1;
      } else await store.put(key, content);
      done.add(chunk.digest);
      bytes += chunk.size;
      onProgress({ step: "writing", chunks: done.size, bytes });
      return chunk;
    },
    counts: () => ({ reused }),
  };
}

type Above =
  | {
      readonly kind: "above";
      readonly blocks: readonly Block[];
      readonly written: Manifest["replay"]["blocks"];
      /** The first part that is none of theirs; undefined: there is no other. */
      readonly next: SourcePart | undefined;
    }
  | Failure;

/** The blocks above with their batches, as they come. */
async function writeAbove(
  stream: AsyncIterator<SourcePart>,
  head: SourceHead,
  chunks: Chunks,
  name: string,
): Promise<Above> {
  const blocks: Block[] = [];
  const written: Manifest["replay"]["blocks"] = [];
  for (;;) {
    const part = (await stream.next()).value as SourcePart | undefined;
    if (part?.kind === "failed") return part;
    const short = missingBatch(blocks.at(-1), written.at(-1), head.replayTo);
    if (part?.kind === "batch") {
      const block = blocks.at(-1);
      const batches = written.at(-1)?.batches;
      if (!block || !batches || !isBatchOf(block, batches.length, part.content))
        return failed("Forged", `${name} sent a batch that its block does not name`);
      batches.push(await chunks.write(part.content));
      continue;
    }
    if (short) return failed("Forged", `${name} left out batches of block ${blocks.at(-1)?.header.height}`);
    if (part?.kind !== "block") return { kind: "above", blocks, written, next: part };
    const { header, body } = encodeBlock(part.block);
    blocks.push(part.block);
    written.push({ header: hex(header), body: await chunks.write(body), batches: [] });
  }
}

function missingBatch(
  block: Block | undefined,
  written: Manifest["replay"]["blocks"][number] | undefined,
  to: number,
): boolean {
  return block !== undefined && block.header.height <= to && written?.batches.length !== block.body.batches.length;
}

/** State and keys, written as the check takes them. */
function contentOf(first: SourcePart | undefined, stream: AsyncIterator<SourcePart>, chunks: Chunks, name: string) {
  const written: { state: Chunk[]; keys: Chunk[] } = { state: [], keys: [] };
  let failure: Failure | undefined;
  async function* parts(): AsyncGenerator<CheckpointPart> {
    for (let part = first; part !== undefined; part = (await stream.next()).value as SourcePart | undefined) {
      if (part.kind === "failed") {
        failure = part;
        return yield { kind: "missing", reason: part.message };
      }
      if (part.kind !== "state" && part.kind !== "keys")
        return yield { kind: "malformed", reason: `${name} sent parts in another order` };
      written[part.kind].push(await chunks.write(part.content));
      yield { kind: part.kind, content: part.content };
    }
  }
  return { parts, written, broken: () => failure };
}

async function nextOf(stream: AsyncIterator<SourcePart>, name: string): Promise<SourcePart> {
  const { value, done } = await stream.next();
  return done ? failed("NoSource", `${name} sent nothing`) : value;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
