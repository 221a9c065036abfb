/** Checkpoint files: one whole state each, written beside the log and replaced atomically. */
import { crc32 } from "node:zlib";
import { encodeCertificate } from "../codec/certificate.ts";
import type { Height } from "../consensus/types.ts";
import { digest, height } from "../consensus/types.ts";
import { replaceFile } from "./boot-marker.ts";
import type { Disk } from "./disk.ts";
import { readBlock, readCertificate, writeBlock } from "./record.ts";
import type { Checkpoint } from "./types.ts";

const magic = Buffer.from("VSCHKPT1");
const headerBytes = 64;
const maxSections = 1 << 20;

/** A checkpoint with the manifest of the executed keys as of its height. */
export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly keys: Uint8Array;
}

export type CheckpointRead =
  | { readonly kind: "ok"; readonly stored: StoredCheckpoint }
  | { readonly kind: "damaged"; readonly offset: number };

export function checkpointPath(directory: string, at: Height): string {
  return `${directory}/${String(at).padStart(16, "0")}.checkpoint`;
}

/** Heights of the checkpoints in the folder, ascending. */
export async function listCheckpoints(disk: Disk, directory: string): Promise<readonly Height[]> {
  const found: Height[] = [];
  for (const name of await disk.list(directory)) {
    const match = /^([0-9]{16})\.checkpoint$/.exec(name);
    if (match) found.push(height(Number(match[1])));
  }
  return found;
}

/** Sections: key manifest, proof's block, proof's finalization (both empty when unknown), then the parts. */
export async function writeCheckpoint(
  disk: Disk,
  directory: string,
  { checkpoint, keys }: StoredCheckpoint,
): Promise<void> {
  const { proof } = checkpoint;
  const none = new Uint8Array(0);
  const sections = [
    keys,
    proof ? writeBlock(proof.block) : none,
    proof ? encodeCertificate(proof.finalization) : none,
    ...checkpoint.parts,
  ];
  const header = Buffer.alloc(headerBytes);
  magic.copy(header, 0);
  header.writeBigUInt64LE(BigInt(checkpoint.height), 8);
  Buffer.from(checkpoint.root, "hex").copy(header, 16);
  header.writeUInt32LE(sections.length, 48);
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
  const chunks: Uint8Array[] = [header];
  for (const section of sections) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(section.length, 0);
    head.writeUInt32LE(crc32(section, crc32(head.subarray(0, 4))), 4);
    chunks.push(head, section);
  }
  await replaceFile(disk, checkpointPath(directory, checkpoint.height), chunks);
}

export async function readCheckpoint(disk: Disk, directory: string, at: Height): Promise<CheckpointRead> {
  const file = await disk.open(checkpointPath(directory, at), { create: false });
  try {
    const header = Buffer.from(await file.read(0, headerBytes));
    const good = header.length === headerBytes && header.subarray(0, 8).equals(magic);
    if (!good || crc32(header.subarray(0, 60)) !== header.readUInt32LE(60)) return { kind: "damaged", offset: 0 };
    const count = header.readUInt32LE(48);
    if (count < 3 || count > maxSections) return { kind: "damaged", offset: 48 };
    const sections: Uint8Array[] = [];
    const size = await file.size();
    let offset = headerBytes;
    for (let i = 0; i < count; i++) {
      const head = Buffer.from(await file.read(offset, 8));
      if (head.length < 8 || offset + 8 + head.readUInt32LE(0) > size) return { kind: "damaged", offset };
      const section = await file.read(offset + 8, head.readUInt32LE(0));
      if (crc32(section, crc32(head.subarray(0, 4))) !== head.readUInt32LE(4)) return { kind: "damaged", offset };
      sections.push(section);
      offset += 8 + section.length;
    }
    const [keys, blockBytes, certificateBytes, ...parts] = sections;
    const block = blockBytes!.length > 0 ? readBlock(blockBytes!) : undefined;
    const finalization = certificateBytes!.length > 0 ? readCertificate(certificateBytes!) : undefined;
    const checkpoint: Checkpoint = {
      height: height(Number(header.readBigUInt64LE(8))),
      root: digest(header.toString("hex", 16, 48)),
      proof: block && finalization ? { block, finalization } : undefined,
      parts,
    };
    return { kind: "ok", stored: { checkpoint, keys: keys! } };
  } finally {
    await file.close();
  }
}
