/** A directory, or a volume mounted there. */
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StoreError } from "./result.ts";
import type { ObjectStore, StoredObject } from "./store.ts";

/** What is being written has this ending: a crash leaves it, and nothing reads it. */
const partial = ".partial";

export function openDirectoryStore(root: string): ObjectStore {
  const at = (key: string) => join(root, key);

  async function write(key: string, bytes: Uint8Array): Promise<void> {
    const path = at(key);
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    const file = await open(`${path}${partial}`, "w", 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}${partial}`, path);
    const folder = await open(dirname(path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async function* walk(folder: string): AsyncGenerator<StoredObject> {
    const entries = (await orNothing(readdir(at(folder), { withFileTypes: true }))) ?? [];
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) yield* walk(key);
      else if (entry.isFile() && !key.endsWith(partial)) {
        const found = await orNothing(stat(at(key)));
        if (found) yield { key, size: found.size, modified: found.mtimeMs };
      }
    }
  }

  return {
    name: `directory ${root}`,
    put: (key, bytes) => guarded(write(key, bytes)),
    get: (key, most) =>
      guarded(
        (async () => {
          const file = await orNothing(open(at(key), "r"));
          if (!file) return undefined;
          try {
            return await readUpTo(file, most);
          } finally {
            await file.close();
          }
        })(),
      ),
    async *versions() {},
    size: async (key) => (await guarded(orNothing(stat(at(key)))))?.size,
    keep: () => Promise.resolve(),
    list: (prefix) => guardedAll(walk(prefix.replace(/\/$/, ""))),
    remove: async (key) => {
      await guarded(rm(at(key), { force: true }));
      return { kind: "removed" };
    },
  };
}

async function readUpTo(file: FileHandle, most: number): Promise<Uint8Array> {
  const { size } = await file.stat();
  const into = new Uint8Array(Math.min(size, most));
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return into.subarray(0, done);
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function guarded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw storeError(error);
  }
}

async function* guardedAll<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw storeError(error);
  }
}

/** What the system said; anything else is a bug and stays what it is. */
function storeError(error: unknown): unknown {
  const code = errno(error);
  return code === undefined ? error : new StoreError(`the directory: ${code}`, { cause: error });
}

function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
