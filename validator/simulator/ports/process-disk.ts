/** A process's view of its disk: syncs take virtual time, and after the process died nothing it still does gets through. */
import { type Disk, DiskError, type DiskFile } from "../../storage/disk.ts";
import type { SimWorld } from "./sim-clock.ts";

/** `delay`: milliseconds before each sync, asked each time. */
export function processDisk(disk: Disk, world: SimWorld, delay: () => number, alive: () => boolean): Disk {
  const wait = () => {
    const milliseconds = delay();
    return milliseconds > 0 ? new Promise<void>((resolve) => world.schedule(milliseconds, resolve)) : Promise.resolve();
  };
  const living = <T>(path: string, call: () => T): T => {
    if (!alive()) throw new DiskError("other", path, "the process is dead");
    return call();
  };
  const fileOf = (file: DiskFile): DiskFile => {
    const { path } = file;
    return {
      path,
      size: async () => living(path, () => file.size()),
      append: async (chunks) => living(path, () => file.append(chunks)),
      sync: async () => {
        await wait();
        await living(path, () => file.sync());
      },
      read: async (offset, length) => living(path, () => file.read(offset, length)),
      readSync: (offset, into) => living(path, () => file.readSync(offset, into)),
      truncate: async (length) => living(path, () => file.truncate(length)),
      inPlace: () => file.inPlace(),
      close: () => file.close(),
    };
  };
  return {
    open: async (path, options) => fileOf(await living(path, () => disk.open(path, options))),
    exists: async (path) => living(path, () => disk.exists(path)),
    list: async (path) => living(path, () => disk.list(path)),
    rename: async (from, to) => living(from, () => disk.rename(from, to)),
    remove: async (path) => living(path, () => disk.remove(path)),
    makeDirectory: async (path) => living(path, () => disk.makeDirectory(path)),
    syncDirectory: async (path) => living(path, () => disk.syncDirectory(path)),
    free: async () => living("/", () => disk.free()),
  };
}
