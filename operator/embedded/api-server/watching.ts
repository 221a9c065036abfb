/** Watches: lines of events from a version on. A watch keeps nothing but its place in the history. */
import type { Clock } from "../../kube/clock.ts";
import type { JsonObject } from "./json.ts";
import { expired } from "./reply.ts";
import type { Resource } from "./resources.ts";
import type { Matches } from "./selectors.ts";
import type { Change, Entry, Store } from "./store.ts";

export interface WatchRequest {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly matches: Matches;
  /** Changes after this version; undefined: what is there now comes first. */
  readonly from: number | undefined;
  readonly bookmarks: boolean;
  /** A bookmark says where the objects that were there at the beginning end. */
  readonly markInitial: boolean;
  /** The watch ends after this. */
  readonly timeoutMs: number;
}

export interface WatchSource {
  readonly store: Store;
  readonly clock: Clock;
  readonly bookmarkMs: number;
}

const event = (type: string, object: string) => `{"type":"${type}","object":${object}}`;

/** JSON lines without their newlines. Ends at the timeout, when the signal is aborted, or after an ERROR. */
export async function* watchLines(
  { store, clock, bookmarkMs }: WatchSource,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const { resource, namespace, matches, bookmarks, markInitial, timeoutMs } = request;
  const { apiVersion, kind } = resource;
  const bookmark = (version: number, annotations?: JsonObject) =>
    event(
      "BOOKMARK",
      JSON.stringify({
        apiVersion,
        kind: kind.kind,
        metadata: {
          resourceVersion: String(version),
          creationTimestamp: null,
          ...(annotations ? { annotations } : {}),
        },
      }),
    );
  const tooOld = (at: number) =>
    event("ERROR", JSON.stringify(expired(`too old resource version: ${at} (${store.oldest()})`).body));

  let { from: cursor } = request;
  if (cursor === undefined) {
    const at = store.published();
    const known = store.listAt(resource, namespace, at) ?? [];
    cursor = at;
    for (const { object } of known) if (matches(object)) yield event("ADDED", JSON.stringify(object));
    if (markInitial) yield bookmark(at, { "k8s.io/initial-events-end": "true" });
  }

  let wake = () => {};
  let ended = signal.aborted;
  let due = false;
  const end = () => {
    ended = true;
    wake();
  };
  const cancelEnd = clock.after(timeoutMs, end);
  let cancelBookmark = () => {};
  const plan = () => {
    if (!bookmarks) return;
    cancelBookmark = clock.after(bookmarkMs, () => {
      due = true;
      wake();
    });
  };
  const stopListening = store.onPublished(() => wake());
  signal.addEventListener("abort", end, { once: true });
  plan();
  try {
    while (!ended) {
      if (cursor < store.oldest()) return yield tooOld(cursor);
      if (cursor < store.published()) {
        cursor++;
        const line = lineOf(store.change(cursor), request);
        if (line !== undefined) yield line;
      } else if (due) {
        due = false;
        plan();
        yield bookmark(cursor);
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
  } finally {
    stopListening();
    cancelEnd();
    cancelBookmark();
    signal.removeEventListener("abort", end);
  }
}

/** An object that begins or ceases to be selected appears or goes. */
function lineOf({ type, entry, previous, text }: Change, { resource, namespace, matches }: WatchRequest) {
  if (entry.resource !== resource || (namespace !== undefined && entry.namespace !== namespace)) return undefined;
  const before = type !== "ADDED" && previous !== undefined && matches(previous.object);
  const now = type !== "DELETED" && matches(entry.object);
  if (now) return event(before ? "MODIFIED" : "ADDED", text);
  if (!before) return undefined;
  return event("DELETED", type === "DELETED" ? text : withVersion(previous, entry.version));
}

/** As it was when it was selected last, with the version of the change. */
function withVersion({ object }: Entry, version: number): string {
  const metadata = { ...(object["metadata"] as JsonObject), resourceVersion: String(version) };
  return JSON.stringify({ ...object, metadata });
}
