/** What a container wrote, for `kubectl logs`. The files are bounded by `log-rotation.ts`: so is every answer. */
import { type FSWatcher, watch } from "node:fs";
import { open, stat } from "node:fs/promises";

export interface LogOptions {
  /** Only the last so many lines; absent: all that is kept. */
  readonly tailLines?: number;
  /** Goes on with what is written later, until the signal is aborted. */
  readonly follow?: boolean;
  readonly signal: AbortSignal;
}

const pieceBytes = 64 * 1024;
/** Watches can miss what happens between two looks. */
const pollMs = 1_000;

/** Pieces of the log, as they are on disk: a line may span two. A log that is not there is empty. */
export async function* readLog(file: string, options: LogOptions): AsyncGenerator<Buffer, void, void> {
  const { tailLines, follow = false, signal } = options;
  let position = 0;
  const older = await sizeOf(`${file}.1`);
  const size = await sizeOf(file);
  if (tailLines === undefined) {
    yield* pieces(`${file}.1`, 0, older, signal);
  } else {
    const start = await startOfTail(file, size, tailLines);
    position = start.offset;
    if (start.missing > 0 && older > 0) {
      const from = await startOfTail(`${file}.1`, older, start.missing);
      yield* pieces(`${file}.1`, from.offset, older, signal);
    }
  }
  while (!signal.aborted) {
    const now = await sizeOf(file);
    // The file was cut: what came before went to the older one.
    if (now < position) position = 0;
    for await (const piece of pieces(file, position, now, signal)) {
      position += piece.length;
      yield piece;
    }
    if (!follow) return;
    await change(file, position, signal);
  }
}

async function* pieces(
  file: string,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  if (to <= from) return;
  const handle = await open(file, "r").catch(() => undefined);
  if (!handle) return;
  try {
    for (let at = from; at < to && !signal.aborted; ) {
      const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, to - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Where the last lines begin, and how many of them the file does not have. */
async function startOfTail(
  file: string,
  size: number,
  lines: number,
): Promise<{ readonly offset: number; readonly missing: number }> {
  if (lines <= 0) return { offset: size, missing: 0 };
  const handle = await open(file, "r").catch(() => undefined);
  if (!handle) return { offset: 0, missing: lines };
  try {
    let found = 0;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - pieceBytes);
      const buffer = Buffer.allocUnsafe(end - start);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
      for (let at = bytesRead - 1; at >= 0; at--) {
        // The newline that ends the last line begins none.
        if (buffer[at] !== 0x0a || start + at === size - 1) continue;
        found++;
        if (found === lines) return { offset: start + at + 1, missing: 0 };
      }
      end = start;
    }
    return { offset: 0, missing: size === 0 ? lines : lines - found - 1 };
  } finally {
    await handle.close();
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/** Resolves when the file may have another size. */
function change(file: string, size: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let watcher: FSWatcher | undefined;
  const timer = setTimeout(resolve, pollMs);
  try {
    watcher = watch(file, { persistent: false }, () => resolve());
    watcher.on("error", () => {});
  } catch {
    // Not there yet: the timer looks again.
  }
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  // What happened before the watch began is not told by it.
  void sizeOf(file).then((now) => {
    if (now !== size || signal.aborted) resolve();
  });
  return promise.finally(() => {
    signal.removeEventListener("abort", stop);
    clearTimeout(timer);
    watcher?.close();
  });
}
