/** A disk whose syncs take time: the same disk, with virtual milliseconds before each sync. */
import type { Disk, DiskFile } from "../../storage/disk.ts";
import type { SimWorld } from "./sim-clock.ts";

/** `delay` is asked before each sync. */
export function slowDisk(disk: Disk, world: SimWorld, delay: () => number): Disk {
  const wait = () => {
    const milliseconds = delay();
    return milliseconds > 0 ? new Promise<void>((resolve) => world.schedule(milliseconds, resolve)) : Promise.resolve();
  };
  const slow = (file: DiskFile): DiskFile => ({
    path: file.path,
    size: () => file.size(),
    append: (chunks) => file.append(chunks),
    sync: async () => {
      await wait();
      await file.sync();
    },
    read: (offset, length) => file.read(offset, length),
    readSync: (offset, into) => file.readSync(offset, into),
    truncate: (length) => file.truncate(length),
    inPlace: () => file.inPlace(),
    close: () => file.close(),
  });
  return {
    open: async (path, options) => slow(await disk.open(path, options)),
    exists: (path) => disk.exists(path),
    list: (path) => disk.list(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    free: () => disk.free(),
  };
}
