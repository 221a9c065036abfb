/** Requests of either face, in order: what the path asks for, what becomes of it, and when the answer may go out. */
import type { Clock } from "../../kube/clock.ts";
import { discover, namespaceReply, noNamespace } from "./discovery.ts";
import type { Hooks } from "./hooks.ts";
import { evict, openLog } from "./hooks.ts";
import { isDeeper, isObject, type Json, type JsonObject, mergePatch, objectAt, stringAt, without } from "./json.ts";
import { listReply } from "./lists.ts";
import { pathTarget } from "./paths.ts";
import {
  badRequest,
  internal,
  methodNotAllowed,
  notFound,
  type Reply,
  refuse,
  success,
  tooLarge,
  unknownPath,
} from "./reply.ts";
import { aboutOf, type Resource } from "./resources.ts";
import { patchOf, scaleOf } from "./scale.ts";
import { selector } from "./selectors.ts";
import type { Entry, Store } from "./store.ts";
import { tableOf, wantsTable } from "./table.ts";
import { watchLines } from "./watching.ts";
import {
  apply,
  create,
  type How,
  type Outcome,
  type PatchKind,
  patch,
  type RemoveHow,
  remove,
  replace,
  type Target,
} from "./writes.ts";

export interface ServerRequest {
  readonly method: string;
  /** Encoded, with its leading slash. */
  readonly path: string;
  /** "" when it is not given. */
  readonly query: (name: string) => string;
  /** Undefined: none, or one that is no JSON. */
  readonly body: Json | undefined;
  readonly bodyBytes: number;
  readonly contentType: string;
  readonly accept: string;
  /** Names the field manager when the query does not. */
  readonly agent: string;
  /** Ends streams. */
  readonly signal: AbortSignal;
}

export type Served =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "text"; readonly text: string }
  /** Lines without their newlines. */
  | { readonly kind: "lines"; readonly lines: AsyncGenerator<string, void, void> }
  /** Pieces of a text. */
  | { readonly kind: "pieces"; readonly pieces: AsyncIterable<Uint8Array> };

export interface Handler {
  readonly handle: (request: ServerRequest) => Promise<Served>;
  /** A write of the server's own; it is not awaited. */
  readonly carryOut: (outcome: Outcome) => void;
}

export interface HandlerOptions {
  readonly store: Store;
  readonly resources: ReadonlyMap<string, Resource>;
  readonly namespaces: readonly string[];
  readonly clock: Clock;
  readonly hooks: Hooks;
  readonly bookmarkMs: number;
  readonly maxWatches: number;
  /** Of one object's JSON; etcd takes no more either. */
  readonly maxObjectBytes: number;
  /** Of all together. */
  readonly maxBytes: number;
}

const maxWatchSeconds = 3_600;
/** Of lists and objects in a body. A pod has fewer than 20, a definition of types a little more. */
const maxDepth = 128;

export function createHandler(options: HandlerOptions): Handler {
  const { store, resources, namespaces, clock, hooks, bookmarkMs, maxWatches, maxObjectBytes, maxBytes } = options;
  const all = [...resources.values()];
  let watches = 0;

  /** Stores what is to be stored. */
  function carryOut(outcome: Outcome, dryRun: boolean): Reply {
    switch (outcome.kind) {
      case "refused":
        return outcome.reply;
      case "same":
        return { status: 200, body: outcome.entry.object };
      case "remove": {
        const { resource, name, object } = outcome.draft;
        if (!dryRun) store.remove(outcome.draft);
        // A write that took the last finalizer is answered as a write.
        if (outcome.by === "write") return { status: 200, body: object };
        return success(aboutOf(resource, name), stringAt(objectAt(object, "metadata"), "uid"));
      }
      case "put": {
        const body = dryRun ? outcome.draft.object : store.put(outcome.draft).object;
        return { status: outcome.created ? 201 : 200, body };
      }
    }
  }

  function isTooLarge(outcome: Outcome, bodyBytes: number, before: Entry | undefined): Reply | undefined {
    if (outcome.kind !== "put") return undefined;
    const rough = bodyBytes + (before?.bytes ?? 0);
    const size = rough * 2 > maxObjectBytes ? JSON.stringify(outcome.draft.object).length : rough;
    if (size > maxObjectBytes)
      return tooLarge(`the object has ${size} bytes, and at most ${maxObjectBytes} are stored`);
    if (store.stats().bytes + bodyBytes > maxBytes)
      return internal(`the objects have ${maxBytes} bytes together, and no more are stored`);
    return undefined;
  }

  function write(target: Target, subresource: string, request: ServerRequest): Reply {
    const { method, query, bodyBytes } = request;
    const { resource, namespace, name } = target;
    const type = request.contentType.split(";")[0]!.trim();
    const dryRun = query("dryRun");
    if (dryRun !== "" && dryRun !== "All") return badRequest(`dryRun: ${dryRun} is not supported: use All`);
    const validation = query("fieldValidation");
    if (!["", "Strict", "Warn", "Ignore"].includes(validation))
      return badRequest(`fieldValidation: ${validation} is not one of Strict, Warn, Ignore`);
    const how: How = {
      manager: (query("fieldManager") || request.agent.split("/")[0] || "unknown").slice(0, 128),
      subresource,
      strict: validation === "Strict",
      nowMs: clock.wall(),
    };
    const entry = name === "" ? undefined : store.get(resource, namespace, name);

    if (method === "DELETE") {
      if (subresource !== "") return methodNotAllowed();
      const asked = deletion(request);
      if (asked.kind === "refused") return asked.reply;
      return carryOut(remove(target, entry, { ...asked, nowMs: how.nowMs }), dryRun === "All" || asked.dryRun);
    }
    const { body } = request;
    // Lists of operations, as `kubectl patch --type json` sends them.
    if (type === "application/json-patch+json") return unknownFormat(type);
    if (!isObject(body)) return badRequest("the body is no JSON object");
    if (isDeeper(body, maxDepth)) return badRequest(`the body is nested more than ${maxDepth} levels deep`);
    const outcome = decide(target, entry, body, type, how, request);
    const large = isTooLarge(outcome, bodyBytes, entry);
    if (large) return large;
    const reply = carryOut(outcome, dryRun === "All");
    if (subresource !== "scale" || reply.status !== 200) return reply;
    return { status: 200, body: scaleOf({ ...entry!, object: reply.body }) };
  }

  function decide(
    target: Target,
    entry: Entry | undefined,
    body: JsonObject,
    type: string,
    how: How,
    { method, query }: ServerRequest,
  ): Outcome {
    const { resource, namespace, name } = target;
    const refused = (reply: Reply): Outcome => ({ kind: "refused", reply });
    if (how.subresource === "scale") {
      if (!entry) return refused(notFound(aboutOf(resource, name)));
      const asked = patchOf(entry, method === "PUT" ? body : mergePatch(without(scaleOf(entry), "metadata"), body));
      return asked.kind === "patch" ? patch(target, entry, asked.patch, "merge", how) : asked;
    }
    if (method === "POST")
      return name === ""
        ? create(target, body, how, (called) => store.get(resource, namespace, called))
        : refused(methodNotAllowed());
    if (method === "PUT") return replace(target, entry, body, how);
    if (type.startsWith("application/apply-patch")) {
      if (query("fieldManager") === "") return refused(noManager);
      return apply(target, entry, body, { ...how, force: query("force") === "true" });
    }
    const kind = patchKinds[type];
    if (kind === undefined || (kind === "strategic" && resource.schema)) return refused(unknownFormat(type));
    return patch(target, entry, body, kind, how);
  }

  function read(target: Target, subresource: string, request: ServerRequest): Reply {
    const { resource, namespace, name } = target;
    const entry = store.get(resource, namespace, name);
    if (!entry) return notFound(aboutOf(resource, name));
    if (subresource === "scale") return { status: 200, body: scaleOf(entry) };
    if (!wantsTable(request.accept)) return { status: 200, body: entry.object };
    const meta = { resourceVersion: String(entry.version) };
    return {
      status: 200,
      body: tableOf(resource, [entry.object], meta, request.query("includeObject"), clock.wall()),
    };
  }

  function watch(resource: Resource, namespace: string | undefined, request: ServerRequest, only: string): Served {
    const { query, signal } = request;
    const reply = (refusal: Reply): Served => ({ kind: "reply", reply: refusal });
    const name = only === "" ? "" : `metadata.name=${only}`;
    const fields = [query("fieldSelector"), name].filter((each) => each !== "").join();
    const chosen = selector(resource, query("labelSelector"), fields);
    if (chosen.kind === "invalid") return reply(badRequest(chosen.message));
    const version = query("resourceVersion");
    if (!/^\d{0,15}$/.test(version))
      return reply(badRequest(`resourceVersion: Invalid value: ${JSON.stringify(version)}`));
    const from = version === "" || version === "0" ? undefined : Number(version);
    if (from !== undefined && from > store.published())
      return reply(
        refuse(504, "Timeout", `Too large resource version: ${from}, current: ${store.published()}`, {
          causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
          retryAfterSeconds: 1,
        }),
      );
    if (watches >= maxWatches)
      return reply(refuse(429, "TooManyRequests", `there are ${maxWatches} watches already`, { retryAfterSeconds: 5 }));
    const initial = query("sendInitialEvents") === "true";
    const seconds = Number(query("timeoutSeconds") || maxWatchSeconds);
    const lines = watchLines(
      { store, clock, bookmarkMs },
      {
        resource,
        namespace,
        matches: chosen.matches,
        from: initial ? undefined : from,
        bookmarks: query("allowWatchBookmarks") === "true",
        markInitial: initial,
        timeoutMs: Math.min(Math.max(1, seconds || 1), maxWatchSeconds) * 1_000,
      },
      signal,
    );
    watches++;
    return {
      kind: "lines",
      lines: whenOver(lines, () => {
        watches--;
      }),
    };
  }

  async function objects(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    subresource: string,
    request: ServerRequest,
  ): Promise<Served> {
    const { method, query } = request;
    const reply = (given: Reply): Served => ({ kind: "reply", reply: given });
    if (namespace !== undefined && !namespaces.includes(namespace))
      return reply(method === "GET" && name === "" ? emptyOrMissing(resource, namespace) : noNamespace(namespace));
    if (resource.kind.kind === "Pod" && (subresource === "log" || subresource === "eviction")) {
      const entry = store.get(resource, namespace ?? "", name);
      if (!entry) return reply(notFound(aboutOf(resource, name)));
      if (subresource === "eviction")
        return reply(method === "POST" ? await evict(hooks, entry, request.body) : methodNotAllowed());
      return method === "GET" ? openLog(hooks, entry, query, request.signal) : reply(methodNotAllowed());
    }
    const allowed =
      subresource === "" ||
      (subresource === "status" && resource.status) ||
      (subresource === "scale" && resource.scale);
    if (!allowed) return reply(unknownPath());
    if (method === "GET" && (query("watch") === "true" || query("watch") === "1"))
      return watch(resource, namespace, request, name);
    if (method === "GET" && name === "")
      return reply(listReply({ store, clock }, resource, namespace, query, request.accept));
    const target: Target = { resource, namespace: namespace ?? "", name };
    if (method === "GET") return reply(read(target, subresource, request));
    if (name === "" && (method !== "POST" || (namespace === undefined && resource.kind.namespaced)))
      return reply(methodNotAllowed());
    if (!["POST", "PUT", "PATCH", "DELETE"].includes(method)) return reply(methodNotAllowed());
    return reply(write(target, subresource, request));
  }

  async function serve(request: ServerRequest): Promise<Served> {
    const target = pathTarget(resources, request.path);
    switch (target.kind) {
      case "unknown":
        return { kind: "reply", reply: unknownPath() };
      case "namespaces":
        return {
          kind: "reply",
          reply: request.method === "GET" ? namespaceReply(namespaces, target.name) : methodNotAllowed(),
        };
      case "other": {
        if (request.method !== "GET") return { kind: "reply", reply: methodNotAllowed() };
        const reply = discover(all, target.path);
        return reply ? { kind: "reply", reply } : { kind: "text", text: "ok" };
      }
      case "objects":
        return objects(target.resource, target.namespace, target.name, target.subresource, request);
    }
  }

  return {
    carryOut: (outcome) => void carryOut(outcome, false),
    async handle(request) {
      const failure = store.failure();
      if (failure !== undefined) return { kind: "reply", reply: internal(failure) };
      const served = await serve(request);
      if (served.kind !== "reply") return served;
      // What is answered is durable: what was written, and what was read.
      const durable = await store.settled();
      return durable?.kind === "failed" ? { kind: "reply", reply: internal(durable.message) } : served;
    },
  };
}

const unknownFormat = (type: string) =>
  refuse(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/merge-patch+json, application/apply-patch+yaml`,
  );

const noManager = refuse(
  422,
  "Invalid",
  'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  {
    causes: [
      { reason: "FieldValueRequired", field: "fieldManager", message: "Required value: is required for apply patch" },
    ],
  },
);

const patchKinds: Readonly<Record<string, PatchKind>> = {
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
};

/** A real server lists nothing in a namespace that is not there. */
function emptyOrMissing(resource: Resource, namespace: string): Reply {
  const body = {
    kind: `${resource.kind.kind}List`,
    apiVersion: resource.apiVersion,
    metadata: { resourceVersion: "1" },
    items: [],
  };
  return namespace === "" ? unknownPath() : { status: 200, body };
}

type Deletion =
  | (Omit<RemoveHow, "nowMs"> & { readonly kind: "options"; readonly dryRun: boolean })
  | { readonly kind: "refused"; readonly reply: Reply };

function deletion({ body, query }: ServerRequest): Deletion {
  const refused = (message: string): Deletion => ({ kind: "refused", reply: badRequest(message) });
  const options = isObject(body) ? body : {};
  const propagation = query("propagationPolicy") || stringAt(options, "propagationPolicy") || "Background";
  if (propagation !== "Background" && propagation !== "Foreground" && propagation !== "Orphan")
    return refused(`propagationPolicy: ${propagation} is not one of Background, Foreground, Orphan`);
  const given = query("gracePeriodSeconds") || options["gracePeriodSeconds"];
  const grace = given === undefined || given === null || given === "" ? undefined : Number(given);
  if (grace !== undefined && (!Number.isInteger(grace) || grace < 0))
    return refused("gracePeriodSeconds must be a whole number of seconds");
  const dryRun = Array.isArray(options["dryRun"]) && options["dryRun"].includes("All");
  return { kind: "options", preconditions: objectAt(options, "preconditions"), propagation, grace, dryRun };
}

async function* whenOver(
  lines: AsyncGenerator<string, void, void>,
  over: () => void,
): AsyncGenerator<string, void, void> {
  try {
    yield* lines;
  } finally {
    over();
  }
}
