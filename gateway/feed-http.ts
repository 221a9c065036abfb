/** A feed over HTTP: newline-delimited JSON from a cursor on, once, waiting for more, or as a stream. */
import type { ServerResponse } from "node:http";
import type { Feed } from "./feed.ts";
import { problem, send } from "./responses.ts";

const CHUNK = 1024 * 1024;
const MAX_WAIT = 60;
const HEARTBEAT = 15_000;

/**
 * `from`: cursor to go on after, 0 or absent for the oldest kept. `limit`: most entries (1 … 1000). `wait`: seconds to wait
 * for a first entry (0 … 60). `follow=true`: keep the connection open; an empty line every 15 s shows that it lives.
 */
export async function serveFeed(feed: Feed, parameters: URLSearchParams, response: ServerResponse): Promise<void> {
  const from = parameters.get("from") ?? "0";
  const limit = Number(parameters.get("limit") ?? "1000");
  const wait = Number(parameters.get("wait") ?? "0");
  const follow = parameters.get("follow") === "true";
  if (!/^\d{1,15}$/.test(from)) return send(response, problem(400, "`from` is not a cursor"));
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    return send(response, problem(400, "`limit` is 1 to 1000"));
  if (!(wait >= 0 && wait <= MAX_WAIT)) return send(response, problem(400, "`wait` is 0 to 60 seconds"));

  const gone = new AbortController();
  response.once("close", () => gone.abort());
  let cursor = from === "0" ? feed.start : Number(from);
  if (cursor < feed.start) return send(response, problem(410, `the feed is kept from cursor ${feed.start} on`));
  let items = await feed.read(cursor, CHUNK);
  if (items === undefined) return send(response, problem(400, "`from` is not a cursor of this feed"));
  if (items.length === 0 && wait > 0 && !follow) {
    await feed.grown(cursor, AbortSignal.any([gone.signal, AbortSignal.timeout(wait * 1000)]));
    items = (await feed.read(cursor, CHUNK)) ?? [];
  }

  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  response.flushHeaders();
  const heartbeat = follow ? setInterval(() => response.write("\n"), HEARTBEAT) : undefined;
  try {
    for (let left = limit; !gone.signal.aborted; ) {
      for (const item of items) {
        if (!follow && left-- <= 0) break;
        await write(response, `${JSON.stringify({ cursor: String(item.cursor), ...item.entry })}\n`, gone.signal);
        cursor = item.cursor;
      }
      if (!follow && (left <= 0 || items.length === 0)) break;
      if (items.length === 0) await feed.grown(cursor, gone.signal);
      items = (await feed.read(cursor, CHUNK)) ?? [];
    }
  } finally {
    clearInterval(heartbeat);
    response.end();
  }
}

/** Waits for a slow reader: what is unread stays in the file, not in memory. */
function write(response: ServerResponse, line: string, signal: AbortSignal): Promise<void> {
  if (response.write(line) || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.on("drain", done);
    signal.addEventListener("abort", done);
  });
}
