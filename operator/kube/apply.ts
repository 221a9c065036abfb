/**
 * Writes to an API server. Every failure that a healthy cluster can produce is a value with a `kind`; nothing is
 * retried here: the work queue does that, from a fresh look at what is.
 */
import type { ApiClient, ApiFailure, ContentType } from "./api-client.ts";
import { type Kind, type KubeObject, pathOf, readObject, type StoredObject } from "./objects.ts";

/** One field of an object that somebody else manages. */
export interface FieldConflict {
  /** As the server writes it, e.g. `.spec.replicas`. */
  readonly field: string;
  readonly manager: string;
}

/** What stands in the way of a write. */
export type Conflict =
  /** Other managers own these fields with other values. */
  | { readonly kind: "fields"; readonly fields: readonly FieldConflict[] }
  /** The object is not in the state, or not the one, that the precondition names. */
  | { readonly kind: "precondition" }
  /** A creation found the name taken. */
  | { readonly kind: "exists" };

export type WriteResult =
  | { readonly kind: "applied"; readonly object: StoredObject; readonly created: boolean }
  /** The object was already so: nothing was written. */
  | { readonly kind: "unchanged"; readonly object: StoredObject }
  | { readonly kind: "conflict"; readonly conflict: Conflict; readonly message: string }
  /** Refused by a schema, an admission rule or a quota's size: the same request will be refused again. */
  | {
      readonly kind: "invalid";
      readonly causes: readonly { readonly field: string; readonly message: string }[];
      readonly message: string;
    }
  /** No right to do it (RBAC, or credentials that are not accepted). */
  | { readonly kind: "forbidden"; readonly message: string }
  /** The object, its namespace or its type does not exist. */
  | { readonly kind: "gone"; readonly message: string }
  /** No answer, or none about the request: look again later. It may have been performed nevertheless. */
  | { readonly kind: "unavailable"; readonly message: string; readonly retryAfterMs: number };

/** Results of a deletion: `applied` means the server took it; finalizers may keep the object for a while. */
export type RemoveResult =
  | { readonly kind: "applied" }
  | Exclude<WriteResult, { readonly kind: "applied" | "unchanged" }>;

export interface Writer {
  /**
   * Server-side apply: the object gets the fields given and loses those given before and not now. `resourceVersion`
   * and `uid` in the metadata are preconditions; with a uid, nothing is created. `known` is the resourceVersion last
   * seen, to tell `unchanged` from `applied`. `force` takes fields from other managers.
   */
  readonly apply: (kind: Kind, object: KubeObject, options?: ApplyOptions) => Promise<WriteResult>;
  /** The same for the status subresource; only `metadata` and `status` of the object count. */
  readonly applyStatus: (kind: Kind, object: KubeObject, options?: ApplyOptions) => Promise<WriteResult>;
  /** Fails with `exists` instead of changing what is there. */
  readonly create: (kind: Kind, object: KubeObject) => Promise<WriteResult>;
  /** Puts or removes one finalizer on exactly the state given; other finalizers stay. */
  readonly setFinalizer: (
    kind: Kind,
    object: StoredObject,
    finalizer: string,
    present: boolean,
  ) => Promise<WriteResult>;
  /** Deletes exactly the object given: by uid, and by resourceVersion when that is given too. */
  readonly remove: (kind: Kind, target: Target, options?: RemoveOptions) => Promise<RemoveResult>;
}

export interface ApplyOptions {
  readonly known?: string;
  readonly force?: boolean;
}

export interface Target {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion?: string;
}

export interface RemoveOptions {
  /** What becomes of dependants. */
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

export interface WriterOptions {
  readonly api: ApiClient;
  /** One name for everything this program writes. */
  readonly fieldManager: string;
  readonly signal: AbortSignal;
  /** Asked before each write: false makes it `unavailable` without asking the server. */
  readonly mayAct?: () => boolean;
  readonly deadlineMs?: number;
}

export function createWriter(options: WriterOptions): Writer {
  const { api, fieldManager, signal, mayAct = () => true, deadlineMs = 30_000 } = options;

  async function write(
    kind: Kind,
    method: "POST" | "PATCH",
    path: string,
    body: { readonly type: ContentType; readonly value: unknown },
    query: Readonly<Record<string, string | boolean | undefined>>,
    known: string | undefined,
  ): Promise<WriteResult> {
    if (!mayAct() || signal.aborted) return notAllowed;
    const answer = await api.request({
      method,
      path,
      body,
      query: { fieldManager, ...query },
      signal,
      deadlineMs,
    });
    if (answer.kind === "failed") return classify(answer.failure);
    const object = readObject(kind, answer.body);
    if (!object) return { kind: "unavailable", message: "an answer that is no object", retryAfterMs: 0 };
    if (known !== undefined && known === object.metadata.resourceVersion) return { kind: "unchanged", object };
    return { kind: "applied", object, created: answer.status === 201 };
  }

  function applyTo(kind: Kind, object: KubeObject, { known, force }: ApplyOptions, subresource?: "status") {
    const { name, namespace } = object.metadata;
    return write(
      kind,
      "PATCH",
      pathOf(kind, namespace, name, subresource),
      { type: "application/apply-patch+yaml", value: object },
      { force: force === true ? true : undefined, fieldValidation: "Strict" },
      known,
    );
  }

  return {
    apply: (kind, object, how = {}) => applyTo(kind, object, how),
    applyStatus: (kind, { apiVersion, kind: type, metadata, ...rest }, how = {}) =>
      applyTo(kind, { apiVersion, kind: type, metadata, status: rest["status"] }, how, "status"),
    create: (kind, object) =>
      write(
        kind,
        "POST",
        pathOf(kind, object.metadata.namespace),
        { type: "application/json", value: object },
        { fieldValidation: "Strict" },
        undefined,
      ),

    async setFinalizer(kind, object, finalizer, present) {
      const { name, namespace, uid, resourceVersion, finalizers = [] } = object.metadata;
      if (finalizers.includes(finalizer) === present) return { kind: "unchanged", object };
      const next = present ? [...finalizers, finalizer] : finalizers.filter((other) => other !== finalizer);
      // A merge patch replaces the whole list: the resourceVersion makes sure that it is the list we read.
      const value = { metadata: { uid, resourceVersion, finalizers: next } };
      return write(
        kind,
        "PATCH",
        pathOf(kind, namespace, name),
        { type: "application/merge-patch+json", value },
        {},
        undefined,
      );
    },

    async remove(kind, { name, namespace, uid, resourceVersion }, { propagation, gracePeriodSeconds } = {}) {
      if (!mayAct() || signal.aborted) return notAllowed;
      const answer = await api.request({
        method: "DELETE",
        path: pathOf(kind, namespace, name),
        body: {
          type: "application/json",
          value: {
            apiVersion: "v1",
            kind: "DeleteOptions",
            preconditions: { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
            ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
            ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
          },
        },
        signal,
        deadlineMs,
      });
      return answer.kind === "ok" ? { kind: "applied" } : classify(answer.failure);
    },
  };
}

const notAllowed = {
  kind: "unavailable",
  message: "not the leader any more: nothing was sent",
  retryAfterMs: 0,
} as const;

/** Status codes and reasons of the API conventions, in words a controller can act on. */
export function classify(found: ApiFailure): Exclude<WriteResult, { readonly kind: "applied" | "unchanged" }> {
  const { message, retryAfterMs, causes } = found;
  if (found.kind !== "refused") return { kind: "unavailable", message, retryAfterMs };
  switch (found.status) {
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
      // A patch with the uid of another object is told that a uid cannot change.
      if (causes.some((cause) => cause.field === "metadata.uid"))
        return { kind: "conflict", conflict: { kind: "precondition" }, message };
      return {
        kind: "invalid",
        causes: causes.map((cause) => ({ field: cause.field, message: cause.message })),
        message,
      };
    case 401:
      return { kind: "forbidden", message };
    case 403:
      // The namespace is on its way out: what was to be written has no place any more.
      return causes.some((cause) => cause.reason === "NamespaceTerminating")
        ? { kind: "gone", message }
        : { kind: "forbidden", message };
    case 404:
    case 410:
      return { kind: "gone", message };
    case 409:
      return { kind: "conflict", conflict: conflictOf(found), message };
    default:
      // Server-side apply of a field that a built-in type does not have is answered with 500: no retry mends it.
      if (/^failed to create typed patch object/.test(message)) return { kind: "invalid", causes: [], message };
      return { kind: "unavailable", message, retryAfterMs };
  }
}

function conflictOf({ reason, causes }: ApiFailure): Conflict {
  if (reason === "AlreadyExists") return { kind: "exists" };
  const fields = causes
    .filter((cause) => cause.reason === "FieldManagerConflict")
    .map(({ field, message }) => ({ field, manager: managerIn(message) }));
  return fields.length > 0 ? { kind: "fields", fields } : { kind: "precondition" };
}

/** The server says `conflict with "kubectl" using v1`, or `… with subresource "status" …`. The name may hold escapes. */
function managerIn(message: string): string {
  return /conflict with "((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? message;
}
