/** Reads from the API server, each with a time limit and a sentence for every failure. */
import { listPages } from "../operator/kube/list-pages.ts";
import { type Kind, pathOf, readObject, type StoredObject } from "../operator/kube/objects.ts";
import { exitCodes } from "./exit.ts";
import { type Failed, failed, failureOf } from "./failures.ts";
import type { World } from "./world.ts";

/** Of one request, ms. */
export const requestMs = 15_000;
/** Commands end with the process: nothing else stops a request but its time limit. */
export const noSignal: AbortSignal = new AbortController().signal;

export type Got = { readonly kind: "got"; readonly object: StoredObject } | Failed;
export type Listed = { readonly kind: "listed"; readonly objects: readonly StoredObject[] } | Failed;

/** One object by name; `what` names it in the sentence, e.g. `swarm quickstart`. */
export async function getObject(world: World, kind: Kind, name: string, what: string): Promise<Got> {
  const answer = await world.api.request({
    method: "GET",
    path: pathOf(kind, world.namespace, name),
    signal: noSignal,
    deadlineMs: requestMs,
  });
  if (answer.kind === "failed") return failureOf(world, answer.failure, what);
  const object = readObject(kind, answer.body);
  return object
    ? { kind: "got", object }
    : failed(exitCodes.failed, `What the API server at ${world.name} says of ${what} is no object.`);
}

/** All objects of the namespace, by name; with labels, those that have them. */
export async function listObjects(world: World, kind: Kind, labelSelector?: string): Promise<Listed> {
  const listed = await listPages({
    api: world.api,
    selection: { kind, namespace: world.namespace, ...(labelSelector === undefined ? {} : { labelSelector }) },
    pageSize: 500,
    deadlineMs: requestMs,
    signal: noSignal,
  });
  if (listed.kind === "failed") return failureOf(world, listed.failure, kind.plural);
  return {
    kind: "listed",
    objects: listed.objects.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
  };
}
