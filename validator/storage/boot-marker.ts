/**
 * The boot marker: how often the log was opened and which segments it must have. Rewritten beside the log at every
 * opening, new segment and pruning, so that a log that was removed, cut by a segment or put back from an old copy is
 * noticed (consensus.md: a record older than its boot marker never signs again).
 */
import { crc32 } from "node:zlib";
import type { Disk } from "./disk.ts";

export interface BootMarker {
  readonly boot: number;
  /** Segments lowest … newest must be there. */
  readonly lowest: number;
  readonly newest: number;
  /** A checkpoint of at least this height must be there; 0: none. */
  readonly checkpoint: number;
}

const magic = Buffer.from("VSBOOTM1");
const markerBytes = 48;

export type MarkerRead =
  | { readonly kind: "ok"; readonly marker: BootMarker }
  | { readonly kind: "absent" }
  | { readonly kind: "corrupt" };

export async function readBootMarker(disk: Disk, path: string): Promise<MarkerRead> {
  if (!(await disk.exists(path))) return { kind: "absent" };
  const file = await disk.open(path, { create: false });
  try {
    const bytes = Buffer.from(await file.read(0, markerBytes + 1));
    const whole = bytes.length === markerBytes && bytes.subarray(0, 8).equals(magic);
    if (!whole || crc32(bytes.subarray(0, 40)) !== bytes.readUInt32LE(40)) return { kind: "corrupt" };
    const number = (at: number) => Number(bytes.readBigUInt64LE(at));
    return { kind: "ok", marker: { boot: number(8), lowest: number(16), newest: number(24), checkpoint: number(32) } };
  } finally {
    await file.close();
  }
}

export async function writeBootMarker(disk: Disk, path: string, marker: BootMarker): Promise<void> {
  const bytes = Buffer.alloc(markerBytes);
  magic.copy(bytes, 0);
  bytes.writeBigUInt64LE(BigInt(marker.boot), 8);
  bytes.writeBigUInt64LE(BigInt(marker.lowest), 16);
  bytes.writeBigUInt64LE(BigInt(marker.newest), 24);
  bytes.writeBigUInt64LE(BigInt(marker.checkpoint), 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 40)), 40);
  bytes.writeUInt32LE(0xffffffff, 44);
  await replaceFile(disk, path, [bytes]);
}

/** Writes a whole file durably: old content or new, never a mixture. */
export async function replaceFile(disk: Disk, path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.tmp`;
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, { create: true });
  try {
    await file.append(chunks);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}
