/** What the contract is run over: one API server, whichever, and a namespace in it. */
import { randomBytes } from "node:crypto";
import type { Answer, ApiClient, ApiFailure, ApiRequest, ContentType } from "../kube/api-client.ts";
import { isRecord, type JsonRecord, type Kind, pathOf, textAt } from "../kube/objects.ts";

export interface World {
  readonly api: ApiClient;
  /** Exists, and is ours alone. */
  readonly namespace: string;
  /** Makes the server forget what was before the newest version; undefined when nobody here can. */
  readonly compact: (() => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}

type Method = ApiRequest["method"];

/** Requests as tests write them. Names are made unique by `called`. */
export interface Session {
  readonly world: World;
  /** A name that no other test uses. */
  readonly called: (prefix: string) => string;
  readonly send: (method: Method, kind: Kind, name: string | undefined, options?: SendOptions) => Promise<Answer>;
  readonly create: (kind: Kind, name: string, fields: JsonRecord) => Promise<JsonRecord>;
  readonly get: (kind: Kind, name: string) => Promise<JsonRecord | undefined>;
  readonly apply: (kind: Kind, name: string, fields: JsonRecord, options?: ApplyOptions) => Promise<Answer>;
  readonly merge: (kind: Kind, name: string, patch: JsonRecord, options?: SendOptions) => Promise<Answer>;
  readonly remove: (kind: Kind, name: string, options?: JsonRecord) => Promise<Answer>;
  /** The first state that fits, now or later; undefined stands for an object that is not there. Throws after 20 s. */
  readonly until: (
    kind: Kind,
    name: string,
    fits: (object: JsonRecord | undefined) => boolean,
  ) => Promise<JsonRecord | undefined>;
}

export interface SendOptions {
  readonly body?: unknown;
  readonly type?: ContentType;
  readonly query?: ApiRequest["query"];
  readonly subresource?: string;
}

export interface ApplyOptions {
  readonly manager?: string;
  readonly force?: boolean;
  readonly subresource?: string;
  /** Instead of the name alone. */
  readonly metadata?: JsonRecord;
  readonly query?: ApiRequest["query"];
}

const deadlineMs = 20_000;
export const manager = "contract";

export function createSession(world: World): Session {
  const { api, namespace } = world;
  const path = (kind: Kind, name: string | undefined, subresource?: string) =>
    `${pathOf(kind, kind.namespaced ? namespace : undefined, name)}${subresource === undefined ? "" : `/${subresource}`}`;
  const typed = (kind: Kind) => ({
    apiVersion: kind.group === "" ? kind.version : `${kind.group}/${kind.version}`,
    kind: kind.kind,
  });

  const send: Session["send"] = (method, kind, name, { body, type = "application/json", query, subresource } = {}) =>
    api.request({
      method,
      path: path(kind, name, subresource),
      query: method === "GET" || method === "DELETE" ? (query ?? {}) : { fieldManager: manager, ...query },
      ...(body === undefined ? {} : { body: { type, value: body } }),
      signal: new AbortController().signal,
      deadlineMs,
    });

  return {
    world,
    send,
    called: (prefix) => `${prefix}-${randomBytes(3).toString("hex")}`,
    async create(kind, name, { metadata, ...fields }) {
      const object = { ...typed(kind), metadata: { ...(isRecord(metadata) ? metadata : {}), name }, ...fields };
      return bodyOf(await send("POST", kind, undefined, { body: object }));
    },
    async get(kind, name) {
      const answer = await send("GET", kind, name);
      if (answer.kind === "failed" && answer.failure.status === 404) return undefined;
      return bodyOf(answer);
    },
    apply(kind, name, fields, { manager: fieldManager = manager, force, subresource, metadata, query } = {}) {
      const value = { ...typed(kind), ...fields, metadata: { ...metadata, name } };
      return send("PATCH", kind, name, {
        body: value,
        type: "application/apply-patch+yaml",
        query: { fieldManager, force, fieldValidation: "Strict", ...query },
        ...(subresource === undefined ? {} : { subresource }),
      });
    },
    merge: (kind, name, patch, options = {}) =>
      send("PATCH", kind, name, { ...options, body: patch, type: "application/merge-patch+json" }),
    remove: (kind, name, options = {}) =>
      send("DELETE", kind, name, { body: { apiVersion: "v1", kind: "DeleteOptions", ...options } }),
    async until(kind, name, fits) {
      const signal = AbortSignal.timeout(deadlineMs);
      const query = { fieldSelector: `metadata.name=${name}` };
      const list = bodyOf(await send("GET", kind, undefined, { query }));
      const found = (Array.isArray(list["items"]) ? list["items"] : [])[0] as JsonRecord | undefined;
      if (fits(found)) return found;
      for await (const { type, object } of events(
        world,
        kind,
        {
          ...query,
          resourceVersion: textAt(list["metadata"], "resourceVersion"),
        },
        signal,
      )) {
        if (type === "REFUSED") throw new Error(JSON.stringify(object));
        const now = type === "DELETED" ? undefined : object;
        if (fits(now)) return now;
      }
      throw new Error(`${kind.kind} ${name} did not get there within ${deadlineMs} ms`);
    },
  };
}

export interface WatchedEvent {
  readonly type: string;
  readonly object: JsonRecord;
}

/** Events of a collection until the signal is aborted or the server ends the watch. A refusal is the last event. */
export async function* events(
  { api, namespace }: World,
  kind: Kind,
  query: NonNullable<ApiRequest["query"]>,
  signal: AbortSignal,
): AsyncGenerator<WatchedEvent, void, void> {
  const answer = await api.stream({
    method: "GET",
    path: pathOf(kind, kind.namespaced ? namespace : undefined),
    query: { watch: true, ...query },
    signal,
    deadlineMs,
    idleMs: 120_000,
  });
  if (answer.kind === "failed") return yield { type: "REFUSED", object: { ...answer.failure } };
  for await (const item of answer.items) {
    if (item.kind !== "line") return;
    yield JSON.parse(item.text) as WatchedEvent;
  }
}

export function bodyOf(answer: Answer): JsonRecord {
  if (answer.kind === "ok") return answer.body;
  const { kind, status, reason, message } = answer.failure;
  throw new Error(`${kind} ${status} ${reason}: ${message}`);
}

/** What a refused request was told. */
export function failureOf(answer: Answer): ApiFailure {
  if (answer.kind === "failed") return answer.failure;
  throw new Error(`it was not refused: ${JSON.stringify(answer.body).slice(0, 500)}`);
}

export function part(object: unknown, ...names: readonly string[]): JsonRecord {
  let value: unknown = object;
  for (const name of names) value = isRecord(value) ? value[name] : undefined;
  return isRecord(value) ? value : {};
}

export const versionOf = (object: unknown) => textAt(part(object, "metadata"), "resourceVersion");
export const uidOf = (object: unknown) => textAt(part(object, "metadata"), "uid");
