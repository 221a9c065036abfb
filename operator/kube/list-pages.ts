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
      /** Entries that were no objects: left out. */
      readonly unreadable: number;
    }
  | { readonly kind: "failed"; readonly failure: ApiFailure; readonly pages: number };

/** A server that never ends its list is broken: 5 million objects at 500 a page. */
const mostPages = 10_000;

/**
 * All pages are of the state at the first one. No resourceVersion is asked for, so that state is the newest that etcd
 * agreed on, never an older one from a cache: a list never goes back in time.
 * Fails with status 410 when the server forgot that state between two pages.
 */
export async function listPages({ api, selection, pageSize, deadlineMs, signal }: ListOptions): Promise<Listed> {
  const { kind, namespace, labelSelector, fieldSelector } = selection;
  const objects: StoredObject[] = [];
  let unreadable = 0;
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
    if (!Array.isArray(body["items"]) || textAt(metadata, "resourceVersion") === "")
      return { kind: "failed", failure: failure("malformed", "an answer that is no list"), pages };
    for (const item of arrayAt(body, "items")) {
      const object = readObject(kind, item);
      if (object) objects.push(object);
      else unreadable++;
    }
    token = textAt(metadata, "continue") || undefined;
    if (token === undefined)
      return { kind: "listed", objects, resourceVersion: textAt(metadata, "resourceVersion"), pages, unreadable };
  }
  return { kind: "failed", failure: failure("malformed", `a list of more than ${mostPages} pages`), pages: mostPages };
}
