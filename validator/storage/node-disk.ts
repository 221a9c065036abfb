/** The disk port over the file system of this machine. */
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { Disk, DiskErrorKind, DiskFile } from "./disk.ts";
import { DiskError } from "./disk.ts";

const fdatasync = promisify(fs.fdatasync);
const ftruncate = promisify(fs.ftruncate);
const closeFile = promisify(fs.close);
const openFile = promisify(fs.open);

/** Most buffers one `writev` takes (IOV_MAX of Linux). */
const maxVectors = 1024;

const kindOfErrno: Readonly<Record<string, DiskErrorKind>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EIO: "input-output",
  EROFS: "input-output",
  ENOENT: "not-found",
};

/** A disk whose paths are those of the file system; `root` names the volume that `free` speaks of. */
export function createNodeDisk(root: string): Disk {
  return {
    open: (name, options) =>
      guarded(name, async () => {
        if (options.create) await fs.promises.mkdir(path.dirname(name), { recursive: true, mode: 0o750 });
        const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_DSYNC } = fs.constants;
        const create = options.create ? O_CREAT | (options.exclusive === true ? O_EXCL : 0) : 0;
        // One trip to the thread pool and back instead of two: half of a small commit's latency.
        const durable = options.durable === true ? O_DSYNC : 0;
        const descriptor = await openFile(name, O_RDWR | O_APPEND | create | durable, options.mode ?? 0o640);
        return openedFile(name, descriptor, durable !== 0);
      }),
    exists: (name) =>
      guarded(name, async () => {
        try {
          await fs.promises.stat(name);
          return true;
        } catch (error) {
          if (errnoOf(error) === "ENOENT") return false;
          throw error;
        }
      }),
    list: (name) =>
      guarded(name, async () => {
        try {
          return (await fs.promises.readdir(name)).sort();
        } catch (error) {
          if (errnoOf(error) === "ENOENT") return [];
          throw error;
        }
      }),
    rename: (from, to) => guarded(from, () => fs.promises.rename(from, to)),
    remove: (name) => guarded(name, () => fs.promises.unlink(name)),
    makeDirectory: (name) =>
      guarded(name, async () => {
        await fs.promises.mkdir(name, { recursive: true, mode: 0o750 });
      }),
    syncDirectory: (name) =>
      guarded(name, async () => {
        const descriptor = await openFile(name, fs.constants.O_RDONLY);
        try {
          await promisify(fs.fsync)(descriptor);
        } finally {
          await closeFile(descriptor);
        }
      }),
    free: () =>
      guarded(root, async () => {
        const { bavail, bsize } = await fs.promises.statfs(root);
        return bavail * bsize;
      }),
  };
}

function openedFile(name: string, descriptor: number, durable: boolean): DiskFile {
  const identity = fs.fstatSync(descriptor);
  return {
    path: name,
    size: () => guarded(name, async () => fs.fstatSync(descriptor).size),
    append: (chunks) => guarded(name, () => appendAll(descriptor, chunks)),
    sync: () => (durable ? Promise.resolve() : guarded(name, () => fdatasync(descriptor))),
    read: (offset, length) => guarded(name, () => readAll(descriptor, offset, length)),
    readSync: (offset, into) => {
      try {
        let done = 0;
        while (done < into.length) {
          const got = fs.readSync(descriptor, into, done, into.length - done, offset + done);
          if (got === 0) break;
          done += got;
        }
        return done;
      } catch (error) {
        throw diskError(name, error);
      }
    },
    truncate: (length) => guarded(name, () => ftruncate(descriptor, length)),
    inPlace: () => {
      const now = fs.statSync(name, { throwIfNoEntry: false });
      return now !== undefined && now.ino === identity.ino && now.dev === identity.dev;
    },
    close: () => guarded(name, () => closeFile(descriptor)),
  };
}

/** The system may take fewer bytes than offered: goes on where it stopped. */
async function appendAll(descriptor: number, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  while (rest.length > 0) {
    const offered = rest.slice(0, maxVectors);
    let written = await writev(descriptor, offered);
    let whole = 0;
    while (whole < offered.length && written >= offered[whole]!.length) {
      written -= offered[whole]!.length;
      whole++;
    }
    rest = rest.slice(whole);
    if (written > 0) rest[0] = rest[0]!.subarray(written);
  }
}

function writev(descriptor: number, chunks: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(descriptor, chunks, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

async function readAll(descriptor: number, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = await readSome(descriptor, into, done, length - done, offset + done);
    if (got === 0) return into.subarray(0, done);
    done += got;
  }
  return into;
}

function readSome(descriptor: number, into: Uint8Array, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(descriptor, into, at, length, position, (error, got) => (error ? reject(error) : resolve(got)));
  });
}

async function guarded<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw diskError(name, error);
  }
}

function diskError(name: string, error: unknown): DiskError {
  const errno = errnoOf(error);
  return new DiskError(kindOfErrno[errno ?? ""] ?? "other", name, errno ?? "unknown disk error", { cause: error });
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
