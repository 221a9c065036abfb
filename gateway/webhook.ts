/** Pushes an institution's feed to its webhook, entry by entry, until each is taken: at least once, in order. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Feed } from "./feed.ts";

export interface WebhookOptions {
  readonly url: string;
  readonly feed: Feed;
  /** File that remembers the cursor. */
  readonly cursorFile: string;
  readonly signal: AbortSignal;
  /** Delays between attempts, ms: doubling from the first to the last. */
  readonly retry: { readonly first: number; readonly last: number };
  /** Per attempt, ms. */
  readonly timeout: number;
  readonly onResult: (result: "delivered" | "failed", lag: number) => void;
}

/** Runs until aborted. A receiver that answers 2xx has taken the entry; `x-feed-cursor` tells repeats apart. */
export async function runWebhook(options: WebhookOptions): Promise<void> {
  const { feed, signal } = options;
  let cursor = await readCursor(options.cursorFile);
  while (!signal.aborted) {
    const items = await feed.read(Math.max(cursor, feed.start), 1024 * 1024);
    // A cursor from another feed's life: everything kept is sent again rather than something left out.
    if (items === undefined) {
      cursor = feed.start;
      continue;
    }
    for (const { cursor: next, entry } of items) {
      await deliver(options, String(next), entry);
      if (signal.aborted) return;
      cursor = next;
      await writeCursor(options.cursorFile, cursor);
      options.onResult("delivered", feed.end - cursor);
    }
    if (items.length === 0) await feed.grown(cursor, signal);
  }
}

async function deliver(
  options: WebhookOptions,
  cursor: string,
  entry: { kind: string; name: string; messageId: string; uetrs: readonly string[]; xml: string },
): Promise<void> {
  const { url, signal, retry, timeout } = options;
  const headers = {
    "content-type": "application/xml",
    "x-feed-cursor": cursor,
    "x-message-name": entry.name,
    "x-message-id": encodeURIComponent(entry.messageId),
  };
  for (let delay = retry.first; !signal.aborted; delay = Math.min(delay * 2, retry.last)) {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body: entry.xml,
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
      });
      await response.body?.cancel();
      if (response.ok) return;
    } catch {
      // Unreachable, too slow, or this gateway is stopping: the loop decides.
    }
    if (signal.aborted) return;
    options.onResult("failed", options.feed.end - Number(cursor));
    await pause(delay, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}

async function readCursor(file: string): Promise<number> {
  try {
    const cursor = Number(await readFile(file, "utf8"));
    return Number.isSafeInteger(cursor) && cursor >= 0 ? cursor : 0;
  } catch {
    return 0;
  }
}

/** Replaces the file atomically: a crash repeats one delivery at most. */
async function writeCursor(file: string, cursor: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(`${file}.new`, "w");
  await handle.writeFile(String(cursor));
  await handle.datasync();
  await handle.close();
  await rename(`${file}.new`, file);
}
