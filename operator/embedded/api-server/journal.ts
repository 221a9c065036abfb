/**
 * The records of the store on disk: one file of lines, each with a checksum, that only grows until it is written anew.
 * Records appended in one turn of the event loop are synced together. A record is durable when its promise says so.
 */
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";

/** `failed`: the disk refused; from then on nothing more is written, and every append says so. */
export type Durable = { readonly kind: "durable" } | { readonly kind: "failed"; readonly message: string };

export interface Journal {
  /** A record of one line. */
  readonly append: (record: string) => Promise<Durable>;
  /** Writes what is pending, then closes the file. */
  readonly close: () => Promise<void>;
}

export type OpenedJournal =
  | { readonly kind: "open"; readonly journal: Journal; readonly tornBytes: number }
  /** A sentence that names the file and the place. */
  | { readonly kind: "failed"; readonly message: string };

export interface JournalOptions {
  readonly directory: string;
  /** Hears every record of the file, in order, before it is written anew. A sentence when it cannot be used. */
  readonly onRecord: (record: string) => string | undefined;
  /** The records that stand for everything appended so far. Read slowly: what they are made of must not change. */
  readonly snapshot: () => Iterable<string>;
  /** Hears once that nothing is written any more. */
  readonly onFailure: (message: string) => void;
  /** The file is written anew when it is larger than this and than twice what the last rewriting left. */
  readonly compactBytes?: number;
}

const fileName = "journal.ndjson";
const newline = 0x0a;
const sliceBytes = 1 << 20;
const mode = 0o600;

const line = (record: string) => {
  const bytes = Buffer.from(record);
  return `${checksum(bytes)} ${record}\n`;
};
const checksum = (bytes: Buffer) => crc32(bytes).toString(16).padStart(8, "0");

/** Reads the file if there is one, and writes it anew. */
export async function openJournal(options: JournalOptions): Promise<OpenedJournal> {
  const { directory, onRecord, snapshot, onFailure, compactBytes = 16 << 20 } = options;
  const path = join(directory, fileName);
  const fresh = `${path}.new`;
  let file: FileHandle;
  let size: number;
  let tornBytes = 0;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const read = await readRecords(path, onRecord);
    if (read.kind === "failed") return read;
    tornBytes = read.tornBytes;
    [file, size] = await writeAnew();
    await replace();
  } catch (error) {
    return { kind: "failed", message: `${path}: ${messageOf(error)}` };
  }

  let pending: string[] = [];
  let batch = Promise.withResolvers<Durable>();
  let running: Promise<void> | undefined;
  let failure: Durable | undefined;
  let closed = false;
  let kept = size;
  /** What was appended since the file that is being written anew was begun. */
  let behind: string[] | undefined;
  let rewriting: Promise<void> | undefined;
  let rewritten: { readonly file: FileHandle; readonly size: number } | undefined;

  async function writeAnew(): Promise<[FileHandle, number]> {
    const made = await open(fresh, "w", mode);
    let bytes = 0;
    let slice: string[] = [];
    let length = 0;
    const flush = async () => {
      const buffer = Buffer.from(slice.join(""));
      slice = [];
      length = 0;
      bytes += buffer.length;
      await made.appendFile(buffer);
    };
    try {
      for (const record of snapshot()) {
        const text = line(record);
        slice.push(text);
        length += text.length;
        if (length >= sliceBytes) await flush();
      }
      await flush();
      await made.datasync();
    } catch (error) {
      await made.close();
      throw error;
    }
    return [made, bytes];
  }

  /** The new file takes the old one's name. */
  async function replace(): Promise<void> {
    await rename(fresh, path);
    const folder = await open(directory, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  function fail(error: unknown): void {
    if (failure) return;
    const message = `${path}: ${messageOf(error)}`;
    failure = { kind: "failed", message };
    onFailure(message);
  }

  async function run(): Promise<void> {
    // Everything that this turn of the event loop still appends comes along.
    await turn();
    while (pending.length > 0 || rewritten) {
      const text = pending.join("");
      const done = batch;
      pending = [];
      batch = Promise.withResolvers();
      try {
        if (!failure && text !== "") {
          const bytes = Buffer.from(text);
          await file.appendFile(bytes);
          await file.datasync();
          size += bytes.length;
          behind?.push(text);
        }
        if (!failure && rewritten) await takeRewritten(rewritten);
      } catch (error) {
        fail(error);
      }
      done.resolve(failure ?? { kind: "durable" });
      if (!failure && !closed && !rewriting && size > Math.max(compactBytes, 2 * kept)) rewriting = rewrite();
    }
    running = undefined;
  }

  async function rewrite(): Promise<void> {
    behind = [];
    // Records that are appended and not yet written are part of the snapshot: read again they change nothing.
    try {
      const [made, bytes] = await writeAnew();
      rewritten = { file: made, size: bytes };
      running ??= run();
    } catch (error) {
      behind = undefined;
      rewriting = undefined;
      fail(error);
    }
  }

  async function takeRewritten(made: { readonly file: FileHandle; readonly size: number }): Promise<void> {
    const late = Buffer.from((behind ?? []).join(""));
    rewritten = undefined;
    behind = undefined;
    await made.file.appendFile(late);
    await made.file.datasync();
    await replace();
    await file.close();
    file = made.file;
    size = made.size + late.length;
    kept = size;
    rewriting = undefined;
  }

  return {
    kind: "open",
    tornBytes,
    journal: {
      append(record) {
        if (failure) return Promise.resolve(failure);
        if (closed) return Promise.resolve({ kind: "failed", message: "the API server is closed" });
        pending.push(line(record));
        const { promise } = batch;
        running ??= run();
        return promise;
      },
      async close() {
        closed = true;
        while (running || rewriting) {
          await running;
          await rewriting;
        }
        await file.close();
      },
    },
  };
}

type ReadRecords =
  | { readonly kind: "read"; readonly tornBytes: number }
  | { readonly kind: "failed"; readonly message: string };

/**
 * What a crash tore off can only be the end: an unfinished last line, or zeros where data never arrived. Anything else
 * that does not fit its checksum was written and synced once: it is never dropped silently.
 */
async function readRecords(path: string, onRecord: (record: string) => string | undefined): Promise<ReadRecords> {
  await rm(`${path}.new`, { force: true });
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "read", tornBytes: 0 };
    throw error;
  }
  try {
    let held: Buffer = Buffer.alloc(0);
    let heldAt = 0;
    let number = 0;
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: sliceBytes })) {
      const bytes: Buffer = Buffer.concat([held, chunk as Buffer]);
      let from = 0;
      for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
        number++;
        const bad = take(bytes.subarray(from, at), onRecord);
        if (bad !== undefined)
          return { kind: "failed", message: `${path}: line ${number}, byte ${heldAt + from}: ${bad}` };
        from = at + 1;
      }
      held = bytes.subarray(from);
      heldAt += from;
    }
    return { kind: "read", tornBytes: held.length };
  } finally {
    await file.close();
  }
}

function take(bytes: Buffer, onRecord: (record: string) => string | undefined): string | undefined {
  const record = bytes.subarray(9);
  if (bytes.subarray(0, 9).toString("latin1") !== `${checksum(record)} `)
    return "the record does not fit its checksum: the disk or somebody else has changed it";
  return onRecord(record.toString("utf8"));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
