/** One consistent list of a collection, page by page. */
import { type ApiClient, type ApiFailure, failure } from "./api-client.ts";
import type { Kind, StoredObject } from "./objects.ts";
import { arrayAt, isRecord, pathOf, readObject, textAt } from "./objects.ts";

/** Which objects of a collection. Selectors as kubectl takes them. */
export interface Selection {
  readonly kind: Kind;
  /** Undefined: all namespaces, or a cluster-scoped kind. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions {
  readonly api: ApiClient;
  readonly selection: Selection;
  /** Objects in a page; 0 asks for all at once. */
  readonly pageSize: number;
  /** Of each page. Milliseconds. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

export type Listed =
  | {
      readonly kind: "listed";
      readonly objects: readonly StoredObject[];
      /** Where a watch goes on. */
      readonly resourceVersion: string;
      readonly pages: number;
    }
  | { readonly kind: "failed"; readonly failure: ApiFailure; readonly pages: number };

/** A server that never ends its list is broken: 5 million objects at 500 a page. */
const mostPages = 10_000;

/**
 * All pages are of the state at the first one. No resourceVersion is asked for, so that state is the newest that etcd
 * agreed on, never an older one from a cache: a list never goes back in time.
 * Fails with status 410 when the server forgot that state between two pages, or answers with another one: what
 * changed between two states would be neither in the list nor in the watch that follows it.
 * Fails when an entry cannot be read: whoever leaves it out says that the object is gone.
 */
export async function listPages({ api, selection, pageSize, deadlineMs, signal }: ListOptions): Promise<Listed> {
  const { kind, namespace, labelSelector, fieldSelector } = selection;
  const objects: StoredObject[] = [];
  let version: string | undefined;
  let token: string | undefined;
  for (let pages = 1; pages <= mostPages; pages++) {
    const answer = await api.request({
      method: "GET",
      path: pathOf(kind, namespace),
      query: { labelSelector, fieldSelector, limit: pageSize === 0 ? undefined : pageSize, continue: token },
      signal,
      deadlineMs,
    });
    if (answer.kind === "failed") return { ...answer, pages };
    const { body } = answer;
    const metadata = isRecord(body["metadata"]) ? body["metadata"] : {};
    const failed = (message: string): Listed => ({ kind: "failed", failure: failure("malformed", message), pages });
    const versionHere = textAt(metadata, "resourceVersion");
    if (!Array.isArray(body["items"]) || versionHere === "") return failed("an answer that is no list");
    version ??= versionHere;
    if (version !== versionHere) {
      const message = `a page of the state at ${versionHere} in a list of the state at ${version}`;
      return { kind: "failed", failure: { ...failure("malformed", message), status: 410, reason: "Expired" }, pages };
    }
    for (const item of arrayAt(body, "items")) {
      const object = readObject(kind, item);
      if (!object) return failed("a list with an entry that is no object");
      objects.push(object);
    }
    const next = textAt(metadata, "continue") || undefined;
    if (next === undefined) return { kind: "listed", objects, resourceVersion: version, pages };
    if (next === token) return failed("a list that goes round in a circle");
    token = next;
  }
  return { kind: "failed", failure: failure("malformed", `a list of more than ${mostPages} pages`), pages: mostPages };
}
