/**
 * A disk in memory that keeps what was synced apart from what was only written: `crash` decides, from a seed, what of
 * the latter survives. It flips bytes, fills up and fails on demand, and is the same for the same seed.
 */
import type { Disk, DiskFile } from "../../storage/disk.ts";
import { DiskError } from "../../storage/disk.ts";

const sector = 512;

export interface SimDisk extends Disk {
  /** Power is lost: unsynced sectors, sizes, names are kept or lost at random. Open files fail from now on. */
  crash(random: () => number): void;
  /** Every call that writes or syncs fails so, until undefined is set. Appends may leave a part behind. */
  failing: "no-space" | "input-output" | undefined;
  /** The next sync fails, and its pages are lost though they read back until a crash (as after a failed fsync). */
  failNextSync(): void;
  /** Bytes this disk can hold. */
  capacity: number;
  readonly used: number;
  /** Files as they are now, by path. */
  files(): ReadonlyMap<string, number>;
  flip(path: string, offset: number, mask: number): void;
  /** What a power cut right now would leave at least: a deep copy, to try many damages on one history. */
  copy(): SimDisk;
  /** Writes and syncs so far, to choose a crash point among them. */
  readonly operations: number;
  /** Power is lost for ever at this count of operations: every later call fails. */
  stopAt: number;
}

interface Node {
  /** Grows by doubling; `size` bytes are used. */
  content: Uint8Array;
  size: number;
  durable: Uint8Array;
  durableSize: number;
  inode: number;
}

export function createSimDisk(random: () => number): SimDisk {
  return build(random, new Map(), new Map(), Number.POSITIVE_INFINITY);
}

function build(
  random: () => number,
  names: Map<string, Node>,
  durableNames: Map<string, Node>,
  capacity: number,
): SimDisk {
  let boot = 0;
  let inodes = 1_000;
  let syncFails = false;
  let operations = 0;

  const fail = (kind: "no-space" | "input-output" | "not-found" | "other", path: string) =>
    new DiskError(kind, path, `simulated ${kind}`);
  const used = () => [...names.values()].reduce((sum, node) => sum + node.size, 0);
  const touch = (path: string) => {
    if (operations >= disk.stopAt) throw fail("other", path);
    operations++;
    if (disk.failing) throw fail(disk.failing, path);
  };
  const alive = (path: string, opened: number) => {
    if (opened !== boot || operations >= disk.stopAt) throw fail("other", path);
  };
  const folder = (path: string) => path.slice(0, path.lastIndexOf("/"));

  function fileOf(path: string, node: Node): DiskFile {
    const opened = boot;
    return {
      path,
      size: async () => {
        alive(path, opened);
        return node.size;
      },
      append: async (chunks) => {
        alive(path, opened);
        const bytes = Buffer.concat(chunks);
        const room = Math.max(0, disk.capacity - used());
        const failing = disk.failing ?? (bytes.length > room ? "no-space" : undefined);
        const taken = failing ? Math.floor(random() * Math.min(bytes.length, room + 1)) : bytes.length;
        // The process may die within a write.
        const stopped = operations >= disk.stopAt;
        operations++;
        write(node, stopped ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes.subarray(0, taken));
        if (stopped) throw fail("other", path);
        if (failing) throw fail(failing, path);
      },
      sync: async () => {
        alive(path, opened);
        touch(path);
        if (syncFails) {
          syncFails = false;
          throw fail("input-output", path);
        }
        node.durable = node.content.slice(0, node.size);
        node.durableSize = node.size;
        await Promise.resolve();
      },
      read: async (offset, length) => {
        alive(path, opened);
        return node.content.slice(Math.min(offset, node.size), Math.min(offset + length, node.size));
      },
      readSync: (offset, into) => {
        alive(path, opened);
        const got = node.content.subarray(Math.min(offset, node.size), Math.min(offset + into.length, node.size));
        into.set(got);
        return got.length;
      },
      truncate: async (length) => {
        alive(path, opened);
        touch(path);
        node.content.fill(0, length, node.size);
        node.size = Math.min(node.size, length);
      },
      inPlace: () => names.get(path) === node,
      close: async () => {},
    };
  }

  const disk: SimDisk = {
    failing: undefined,
    capacity,
    stopAt: Number.POSITIVE_INFINITY,
    get operations() {
      return operations;
    },
    get used() {
      return used();
    },
    open: async (path, options) => {
      let node = names.get(path);
      if (node === undefined) {
        if (!options.create) throw fail("not-found", path);
        touch(path);
        node = { content: new Uint8Array(0), size: 0, durable: new Uint8Array(0), durableSize: 0, inode: inodes++ };
        names.set(path, node);
      } else if (options.create && options.exclusive === true) throw fail("other", path);
      return fileOf(path, node);
    },
    exists: async (path) => names.has(path),
    list: async (path) => {
      const found = new Set<string>();
      for (const name of names.keys())
        if (name.startsWith(`${path}/`)) found.add(name.slice(path.length + 1).split("/")[0]!);
      return [...found].sort();
    },
    rename: async (from, to) => {
      touch(from);
      const node = names.get(from);
      if (node === undefined) throw fail("not-found", from);
      names.delete(from);
      names.set(to, node);
    },
    remove: async (path) => {
      touch(path);
      if (!names.delete(path)) throw fail("not-found", path);
    },
    makeDirectory: async () => {},
    syncDirectory: async (path) => {
      touch(path);
      for (const name of durableNames.keys()) if (folder(name) === path && !names.has(name)) durableNames.delete(name);
      for (const [name, node] of names) if (folder(name) === path) durableNames.set(name, node);
    },
    free: async () => disk.capacity - used(),
    crash: (draw) => {
      boot++;
      disk.stopAt = Number.POSITIVE_INFINITY;
      // A folder that was not synced keeps its old or its new names, each folder as a whole.
      const folders = new Map<string, boolean>();
      const keepsNew = (name: string) => {
        const at = folder(name);
        if (!folders.has(at)) folders.set(at, draw() < 0.5);
        return folders.get(at) === true;
      };
      const survived = new Map<string, Node>();
      for (const [name, node] of names) if (keepsNew(name)) survived.set(name, node);
      for (const [name, node] of durableNames) if (!keepsNew(name)) survived.set(name, node);
      names.clear();
      durableNames.clear();
      for (const [name, node] of survived) {
        tear(node, draw);
        names.set(name, node);
        durableNames.set(name, node);
      }
    },
    failNextSync: () => {
      syncFails = true;
    },
    files: () => new Map([...names].map(([name, node]) => [name, node.size])),
    flip: (path, offset, mask) => {
      const node = names.get(path);
      if (node === undefined || offset >= node.size) throw new RangeError(`${path} has no byte ${offset}`);
      node.content[offset]! ^= mask;
    },
    copy: () => {
      const nodes = new Map<Node, Node>();
      const clone = (node: Node) => {
        const made = nodes.get(node) ?? { ...node, content: node.content.slice(), durable: node.durable.slice() };
        nodes.set(node, made);
        return made;
      };
      const cloned = (map: Map<string, Node>) => new Map([...map].map(([name, node]) => [name, clone(node)]));
      return build(random, cloned(names), cloned(durableNames), disk.capacity);
    },
  };
  return disk;
}

function write(node: Node, bytes: Uint8Array): void {
  const size = node.size + bytes.length;
  if (size > node.content.length) {
    const bigger = new Uint8Array(Math.max(size, node.content.length * 2));
    bigger.set(node.content.subarray(0, node.size));
    node.content = bigger;
  }
  node.content.set(bytes, node.size);
  node.size = size;
}

/** Of what was not synced: the end of the file is somewhere, and each sector before it was written or reads as zeros. */
function tear(node: Node, draw: () => number): void {
  const from = Math.min(node.durableSize, node.size);
  const same = node.size === node.durableSize && Buffer.from(node.content.buffer, 0, node.size).equals(node.durable);
  if (same) return;
  const size = from + Math.floor(draw() * (node.size - from + 1));
  const after = new Uint8Array(size);
  after.set(node.durable.subarray(0, from));
  const losesSectors = draw() < 0.5;
  for (let at = from; at < size; ) {
    const end = Math.min(size, (Math.floor(at / sector) + 1) * sector);
    if (!losesSectors || draw() < 0.5) after.set(node.content.subarray(at, end), at);
    at = end;
  }
  node.content = after;
  node.size = size;
  node.durable = after.slice();
  node.durableSize = size;
}
