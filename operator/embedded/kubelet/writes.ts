/** What the kubelet writes to the API: statuses, its choice of a node, the end of a pod. */
import type { ApiClient } from "../../kube/api-client.ts";
import { classify } from "../../kube/apply.ts";
import { type JsonRecord, type Kind, pathOf, readObject, type StoredObject } from "../../kube/objects.ts";

export const kubeletManager = "kubelet";

export type Written =
  | { readonly kind: "written"; readonly object: StoredObject }
  /** The object is not there any more, or not this one. */
  | { readonly kind: "gone" }
  | { readonly kind: "refused"; readonly message: string }
  /** Try later. */
  | { readonly kind: "unavailable"; readonly message: string };

export interface Writes {
  /**
   * Merges into the status; lists are replaced whole, null removes. Only of exactly this object (uid). The kubelet is
   * the only writer of these statuses: no version is asked for.
   */
  readonly status: (kind: Kind, object: StoredObject, status: JsonRecord) => Promise<Written>;
  /** Merges into the object. */
  readonly merge: (kind: Kind, object: StoredObject, patch: JsonRecord) => Promise<Written>;
  readonly create: (kind: Kind, namespace: string | undefined, object: JsonRecord) => Promise<Written>;
  /** Says that nothing of the object is left: it goes as soon as its finalizers allow. */
  readonly remove: (kind: Kind, object: StoredObject, gracePeriodSeconds?: number) => Promise<Written>;
}

/** The server is in this process, or on this machine: one that needs longer has hung, and pods go on meanwhile. */
const deadlineMs = 5_000;

/** `onRefused` hears a sentence about each write that will never go through. */
export function createWrites(api: ApiClient, signal: AbortSignal, onRefused: (message: string) => void): Writes {
  async function patch(kind: Kind, object: StoredObject, value: JsonRecord, sub?: "status"): Promise<Written> {
    const { name, namespace, uid } = object.metadata;
    const metadata = { ...(value["metadata"] as JsonRecord | undefined), uid };
    return send(kind, {
      method: "PATCH",
      path: pathOf(kind, namespace, name, sub),
      body: { type: "application/merge-patch+json", value: { ...value, metadata } },
    });
  }

  async function send(
    kind: Kind,
    request: Pick<Parameters<ApiClient["request"]>[0], "method" | "path" | "body">,
  ): Promise<Written> {
    const answer = await api.request({ ...request, query: { fieldManager: kubeletManager }, signal, deadlineMs });
    if (answer.kind === "failed") {
      const found = classify(answer.failure);
      const refused = (): Written => {
        onRefused(`${request.method} ${request.path}: ${found.message}`);
        return { kind: "refused", message: found.message };
      };
      switch (found.kind) {
        case "gone":
          return { kind: "gone" };
        case "conflict":
          // A name that is taken by an ending object is free soon, and that is heard.
          return found.conflict.kind === "fields" ? refused() : { kind: "gone" };
        case "invalid":
        case "forbidden":
          return refused();
        case "unavailable":
          return { kind: "unavailable", message: found.message };
      }
    }
    const object = readObject(kind, answer.body);
    // A deletion may be answered with a Status: nothing is read from it.
    return object ? { kind: "written", object } : { kind: "gone" };
  }

  return {
    status: (kind, object, status) => patch(kind, object, { status }, "status"),
    merge: (kind, object, value) => patch(kind, object, value),
    create: (kind, namespace, object) =>
      send(kind, {
        method: "POST",
        path: pathOf(kind, namespace),
        body: { type: "application/json", value: object },
      }),
    remove: (kind, { metadata: { name, namespace, uid } }, gracePeriodSeconds) =>
      send(kind, {
        method: "DELETE",
        path: pathOf(kind, namespace, name),
        body: {
          type: "application/json",
          value: {
            apiVersion: "v1",
            kind: "DeleteOptions",
            preconditions: { uid },
            ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
          },
        },
      }),
  };
}
