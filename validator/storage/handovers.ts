/** Handovers of trust from epoch to epoch, a small file each: they outlive the log, for proofs to old trust anchors. */
import { crc32 } from "node:zlib";
import { replaceFile } from "./boot-marker.ts";
import type { Disk } from "./disk.ts";
import { StorageFaultError } from "./types.ts";

export interface Handovers {
  /** Canonical bytes by epoch, ascending. */
  readonly all: ReadonlyMap<number, Uint8Array>;
  /** Durable when it resolves; an epoch's first stays. */
  save(epoch: number, bytes: Uint8Array): Promise<void>;
}

/** Epochs kept: a trust anchor older than that is none any more. */
const mostKept = 4_096;

/** Throws `StorageFaultError` naming a file that does not match its checksum. */
export async function openHandovers(disk: Disk, directory: string): Promise<Handovers> {
  await disk.makeDirectory(directory);
  const path = (epoch: number) => `${directory}/${String(epoch).padStart(16, "0")}.handover`;
  const all = new Map<number, Uint8Array>();
  const epochs = (await disk.list(directory)).flatMap((name) => /^([0-9]{16})\.handover$/.exec(name)?.[1] ?? []);
  for (const epoch of epochs.map(Number).sort((a, b) => a - b)) {
    const file = await disk.open(path(epoch), { create: false });
    try {
      const bytes = Buffer.from(await file.read(0, await file.size()));
      if (bytes.length < 4 || crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0))
        throw new StorageFaultError({
          kind: "corrupt",
          path: path(epoch),
          offset: 0,
          message: "a handover does not match its checksum",
        });
      all.set(epoch, new Uint8Array(bytes.subarray(4)));
    } finally {
      await file.close();
    }
  }
  return {
    all,
    async save(epoch, bytes) {
      if (all.has(epoch)) return;
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(crc32(bytes));
      await replaceFile(disk, path(epoch), [checksum, bytes]);
      all.set(epoch, bytes);
      for (const oldest of all.keys()) {
        if (all.size <= mostKept) break;
        all.delete(oldest);
        await disk.remove(path(oldest));
      }
    },
  };
}
