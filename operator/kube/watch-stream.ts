/** One watch: events from a resourceVersion on, until the stream ends one way or another. */
import { type ApiClient, type ApiFailure, failure, refusal, type StreamItem } from "./api-client.ts";
import type { Selection } from "./list-pages.ts";
import { isRecord, type Kind, pathOf, readObject, type StoredObject, textAt } from "./objects.ts";

export type WatchEvent =
  | { readonly kind: "changed" | "gone"; readonly object: StoredObject }
  /** Nothing changed up to this resourceVersion. */
  | { readonly kind: "bookmark"; readonly resourceVersion: string };

export interface WatchOptions {
  readonly api: ApiClient;
  readonly selection: Selection;
  readonly resourceVersion: string;
  /** The server ends the stream after this many seconds. */
  readonly serverTimeoutSeconds: number;
  readonly idleMs: number;
  /** For the answer's headers. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: WatchEvent) => void;
}

/** `expired`: the server forgot what happened since the resourceVersion; only a new list helps. */
export type WatchEnd =
  | { readonly kind: "ended" }
  | { readonly kind: "expired"; readonly failure: ApiFailure }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** Returns how the watch ended; never throws unless `onEvent` does. */
export async function watchOnce(options: WatchOptions): Promise<WatchEnd> {
  const { api, selection, resourceVersion, serverTimeoutSeconds, idleMs, deadlineMs, signal, onEvent } = options;
  const { kind, namespace, labelSelector, fieldSelector } = selection;
  const answer = await api.stream({
    method: "GET",
    path: pathOf(kind, namespace),
    query: {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion,
      timeoutSeconds: serverTimeoutSeconds,
      labelSelector,
      fieldSelector,
    },
    signal,
    deadlineMs,
    idleMs,
  });
  if (answer.kind === "failed") return endOf(answer.failure);
  for await (const item of answer.items) {
    const read = readItem(kind, item);
    if (read.kind === "end") return read.end;
    onEvent(read.event);
  }
  // Every stream says how it ended before it ends.
  return endOf(failure("malformed", "a stream without an end"));
}

type Read = { readonly kind: "event"; readonly event: WatchEvent } | { readonly kind: "end"; readonly end: WatchEnd };

function readItem(kind: Kind, item: StreamItem): Read {
  if (item.kind === "end") return { kind: "end", end: { kind: "ended" } };
  if (item.kind === "failed") return { kind: "end", end: endOf(item.failure) };
  const line = parseLine(item.text);
  const type = textAt(line, "type");
  const value = isRecord(line) ? line["object"] : undefined;
  // Going on behind a line that cannot be read could lose an event: the watch starts again from what is known.
  const unreadable: Read = { kind: "end", end: endOf(failure("malformed", "a line that is no watch event")) };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED": {
      const object = readObject(kind, value);
      return object ? { kind: "event", event: { kind: type === "DELETED" ? "gone" : "changed", object } } : unreadable;
    }
    case "BOOKMARK": {
      const version = textAt(isRecord(value) ? value["metadata"] : undefined, "resourceVersion");
      return version === "" ? unreadable : { kind: "event", event: { kind: "bookmark", resourceVersion: version } };
    }
    case "ERROR":
      return { kind: "end", end: endOf(refusal(value, 500)) };
    default:
      return unreadable;
  }
}

function endOf(found: ApiFailure): WatchEnd {
  return { kind: isExpired(found) ? "expired" : "failed", failure: found };
}

/**
 * Also a resourceVersion from the future, as after a restore of etcd: the server will not know it for a long time.
 */
export function isExpired({ status, reason, message, causes }: ApiFailure): boolean {
  const fromTheFuture =
    causes.some((cause) => cause.reason === "ResourceVersionTooLarge") ||
    message.includes("Too large resource version");
  return status === 410 || reason === "Expired" || reason === "Gone" || fromTheFuture;
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
