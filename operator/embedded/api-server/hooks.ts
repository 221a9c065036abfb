/** What only the kubelet can do: the log of a pod, and an eviction that asks its disruption budget. */
import { isObject, type Json, objectAt, stringAt } from "./json.ts";
import { badRequest, internal, notFound, type Reply, refuse } from "./reply.ts";
import type { Served } from "./requests.ts";
import { aboutOf } from "./resources.ts";
import type { Entry } from "./store.ts";
import { precondition } from "./writes.ts";

export interface LogRequest {
  /** "" for the pod's only one. */
  readonly container: string;
  /** Only the last so many lines; undefined: all that is kept. */
  readonly tailLines: number | undefined;
  /** Goes on with what is written later, until the signal is aborted. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export type LogAnswer =
  | { readonly kind: "log"; readonly pieces: AsyncIterable<Uint8Array> }
  /** No such container, or it never ran. */
  | { readonly kind: "refused"; readonly message: string };

export type EvictionAnswer =
  | { readonly kind: "evicted" }
  /** The budget forbids it now. */
  | { readonly kind: "refused"; readonly message: string }
  /** Several budgets. */
  | { readonly kind: "ambiguous"; readonly message: string }
  | { readonly kind: "gone" }
  | { readonly kind: "unavailable"; readonly message: string };

export interface Hooks {
  readonly log?: (namespace: string, pod: string, request: LogRequest) => Promise<LogAnswer>;
  readonly evict?: (namespace: string, pod: string, gracePeriodSeconds?: number) => Promise<EvictionAnswer>;
}

export async function openLog(
  { log }: Hooks,
  entry: Entry,
  query: (name: string) => string,
  signal: AbortSignal,
): Promise<Served> {
  const tail = query("tailLines");
  const reply = (given: Reply): Served => ({ kind: "reply", reply: given });
  if (!/^\d{0,9}$/.test(tail)) return reply(badRequest(`tailLines: Invalid value: ${JSON.stringify(tail)}`));
  if (query("previous") === "true")
    return reply(badRequest(`the runs of pod ${entry.name} have one log together: ask without previous`));
  if (!log) return reply(refuse(503, "ServiceUnavailable", "there is no kubelet"));
  const answer = await log(entry.namespace, entry.name, {
    container: query("container"),
    tailLines: tail === "" ? undefined : Number(tail),
    follow: query("follow") === "true",
    signal,
  });
  return answer.kind === "log" ? { kind: "pieces", pieces: answer.pieces } : reply(badRequest(answer.message));
}

export async function evict({ evict: ask }: Hooks, entry: Entry, body: Json | undefined): Promise<Reply> {
  const about = aboutOf(entry.resource, entry.name);
  const options = objectAt(body, "deleteOptions");
  const named = stringAt(objectAt(body, "metadata"), "name");
  if (!isObject(body) || (named !== "" && named !== entry.name))
    return badRequest(`the eviction is not of pod ${entry.name}`);
  const outdated = precondition(entry, objectAt(options, "preconditions"));
  if (outdated) return outdated;
  if (!ask) return refuse(503, "ServiceUnavailable", "there is no kubelet");
  const dryRun = options["dryRun"];
  if (Array.isArray(dryRun) && dryRun.length > 0) return badRequest("an eviction cannot be tried");
  const grace = options["gracePeriodSeconds"];
  const answer = await ask(entry.namespace, entry.name, typeof grace === "number" ? grace : undefined);
  switch (answer.kind) {
    case "evicted":
      return { status: 201, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
    case "refused":
      return refuse(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
        causes: [{ reason: "DisruptionBudget", message: answer.message }],
      });
    case "ambiguous":
      return internal(answer.message);
    case "gone":
      return notFound(about);
    case "unavailable":
      return refuse(503, "ServiceUnavailable", answer.message);
  }
}
