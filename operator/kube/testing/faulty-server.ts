/**
 * A small API server over real HTTP whose faults are chosen by the test: list with pages, watch with bookmarks and
 * compaction, apply with field managers, status, finalizers, preconditions. The contract is the real server's; the
 * suites over both keep it honest.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { type Fault, linesBefore, type Verb } from "./faults.ts";
import { isObject, type Json, type JsonObject } from "./field-ownership.ts";
import {
  createObjectBase,
  type HistoryEntry,
  type ObjectBase,
  type ObjectPath,
  type Reply,
  statusReply,
} from "./object-base.ts";
import { scale } from "./scale.ts";

export interface LoggedRequest {
  readonly verb: Verb;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Its user agent. */
  readonly agent: string;
  readonly body: string;
  /** Credentials it came with; "" when there were none. */
  readonly authorization: string;
}

export interface FaultyServer {
  readonly objects: ObjectBase;
  /** A configuration whose only cluster is this server. */
  readonly config: KubeConfig;
  readonly requests: readonly LoggedRequest[];
  /** The next request of this verb (and agent, when given) meets the fault. Faults of one verb queue up. */
  readonly inject: (verb: Verb, fault: Fault, agent?: string) => void;
  readonly clearFaults: () => void;
  /** Requests of this agent hang, open ones too, until healed. */
  readonly partition: (agent: string) => void;
  readonly heal: (agent: string) => void;
  /** Requests that hang in a partition or a `hold`. */
  readonly held: (agent?: string) => number;
  readonly release: () => void;
  readonly bookmark: () => void;
  /** Watches open now. */
  readonly watches: () => number;
  /** Ends all open watches properly. */
  readonly dropWatches: () => void;
  /** Refuses writes for which it returns a reply. */
  readonly admission: (check: (path: ObjectPath, body: JsonObject) => Reply | undefined) => void;
  /** Answers requests below objects, such as `log` and `proxy/…`; undefined: there is none. */
  readonly serveBelow: (serve: Below) => void;
  readonly close: () => Promise<void>;
}

/** `subresource`: what follows the name in the path. Writes to the response, or returns undefined. */
export type Below = (
  path: ObjectPath,
  subresource: string,
  query: URLSearchParams,
) => ((response: ServerResponse) => void) | undefined;

interface Target {
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly status: boolean;
  /** What follows the name; "" when nothing does. */
  readonly subresource: string;
}

interface WatchState {
  readonly target: Target;
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
  lines: number;
}

export async function startFaultyServer(): Promise<FaultyServer> {
  const objects = createObjectBase();
  const requests: LoggedRequest[] = [];
  let faults: { readonly verb: Verb; readonly fault: Fault; readonly agent: string | undefined }[] = [];
  const partitioned = new Set<string>();
  const watches = new Set<WatchState>();
  let waiting: { readonly agent: string; readonly go: () => void }[] = [];
  const pages = new Map<string, { readonly items: readonly JsonObject[]; readonly version: number }>();
  let check: (path: ObjectPath, body: JsonObject) => Reply | undefined = () => undefined;

  let below: Below = () => undefined;

  objects.onEntry((entry) => {
    for (const watch of watches) if (concerns(watch.target, entry)) sendEntry(watch, entry);
  });

  const server = createServer(async (request, response) => {
    response.on("error", () => {});
    const url = new URL(request.url ?? "/", "http://server");
    const target = targetOf(url.pathname);
    const verb = verbOf(request, target, url.searchParams);
    const { "user-agent": agent = "", authorization = "" } = request.headers;
    const chunks: Buffer[] = [];
    // A client may hang up while it sends: nothing was asked then.
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks).toString("utf8");
    requests.push({ verb, path: url.pathname, query: url.searchParams, agent, body, authorization });
    if (partitioned.has(agent)) return hang(agent, response, () => void request.socket.destroy());
    const at = faults.findIndex((one) => one.verb === verb && (one.agent === undefined || one.agent === agent));
    const [picked] = at < 0 ? [] : faults.splice(at, 1);
    const fault = picked?.fault;
    if (fault?.kind === "hold") return hang(agent, response, () => serve(undefined));
    serve(fault);

    function serve(fault: Fault | undefined): void {
      if (fault?.kind === "reset") return void request.socket.destroy();
      if (fault?.kind === "status") return refuse(response, fault);
      const { resource, namespace, name = "", subresource } = target;
      const answer = verb === "get" ? below({ resource, namespace, name }, subresource, url.searchParams) : undefined;
      if (answer) return answer(response);
      if (verb === "watch") return watch({ target, response, fault, lines: 0 }, url.searchParams);
      if (fault?.kind === "stall") return hang(agent, response, () => void request.socket.destroy());
      const type = request.headers["content-type"] ?? "";
      const act = () => perform(verb, target, url.searchParams, parseBody(body), type);
      const reply = url.searchParams.get("dryRun") === "All" ? objects.rehearse(act) : act();
      if (fault?.kind === "lost-answer") return void request.socket.destroy();
      send(response, reply, fault);
    }
  });

  /** The request gets no answer until it is let go; a client that gives up is forgotten. */
  function hang(agent: string, response: ServerResponse, go: () => void): void {
    const one = { agent, go };
    waiting.push(one);
    response.once("close", () => {
      waiting = waiting.filter((other) => other !== one);
    });
  }

  function perform(verb: Verb, target: Target, query: URLSearchParams, body: JsonObject, type: string): Reply {
    const manager = query.get("fieldManager") ?? "unknown";
    const name = target.name ?? (isObject(body["metadata"]) ? String(body["metadata"]["name"]) : "");
    const path = { resource: target.resource, namespace: target.namespace, name };
    if (target.subresource === "scale") return scale(objects, verb, path, body, manager);
    const refused = verb === "create" || verb === "update" || verb === "patch" ? check(path, body) : undefined;
    if (refused) return refused;
    switch (verb) {
      case "list":
        return list(target, query);
      case "get":
        return objects.get(path);
      case "create":
        return objects.create(path, body, manager);
      case "update":
        return objects.replace(path, body, manager);
      case "patch":
        return type.includes("apply-patch")
          ? objects.apply(path, body, manager, { force: query.get("force") === "true", status: target.status })
          : objects.merge(path, body, manager);
      case "delete":
        return objects.remove(path, isObject(body["preconditions"]) ? body["preconditions"] : {});
      case "watch":
        throw new Error("watches are streams");
    }
  }

  function list({ resource, namespace }: Target, query: URLSearchParams): Reply {
    const token = query.get("continue");
    const held = token === null ? undefined : pages.get(token);
    if (token !== null && (!held || held.version < objects.oldest()))
      return statusReply(410, "Expired", "The provided continue parameter is too old");
    const items = held?.items ?? objects.list(resource, namespace);
    const version = held?.version ?? objects.version();
    const limit = Number(query.get("limit") ?? "0") || items.length;
    const rest = items.slice(limit);
    const next = rest.length > 0 ? `page-${pages.size + 1}` : "";
    if (next !== "") pages.set(next, { items: rest, version });
    const metadata = { resourceVersion: String(version), ...(next === "" ? {} : { continue: next }) };
    // As in real lists, items carry no type of their own.
    const bare = items.slice(0, limit).map(({ apiVersion: _, kind: __, ...item }) => item);
    return { status: 200, body: { kind: "List", apiVersion: "v1", metadata, items: bare } };
  }

  function watch(state: WatchState, query: URLSearchParams): void {
    const from = Number(query.get("resourceVersion") ?? "0");
    if (from > objects.version())
      return send(state.response, statusReply(504, "Timeout", `Too large resource version: ${from}`), undefined);
    state.response.writeHead(200, { "content-type": "application/json" });
    state.response.flushHeaders();
    watches.add(state);
    state.response.once("close", () => void watches.delete(state));
    if (from < objects.oldest()) {
      const { body } = statusReply(410, "Expired", `too old resource version: ${from} (${objects.oldest()})`);
      state.response.end(`${JSON.stringify({ type: "ERROR", object: body })}\n`);
      return;
    }
    strike(state);
    const repeated = state.fault?.kind === "repeat" ? objects.since(0) : [];
    for (const entry of [...repeated, ...objects.since(from)])
      if (concerns(state.target, entry)) sendEntry(state, entry);
  }

  function sendEntry(state: WatchState, { type, object }: HistoryEntry): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    sendLine(state, line);
    if (state.fault?.kind === "repeat") sendLine(state, line);
  }

  function sendLine(state: WatchState, line: string): void {
    const { response, fault } = state;
    if (!watches.has(state)) return;
    const struck = state.lines >= linesBefore(fault);
    state.lines++;
    if (!struck) response.write(line);
    // This very line is the broken one: whoever skips it loses an event.
    else if (fault?.kind === "cut") response.write(line.slice(0, line.length / 2), () => response.destroy());
    else if (fault?.kind === "garbled")
      response.write(state.lines - 1 === fault.afterLines ? `${line.slice(0, 40)}\n` : line);
    strike(state);
  }

  /** Performs faults that need no line to break, when their time has come. */
  function strike({ response, fault, lines }: WatchState): void {
    if (!fault || lines !== linesBefore(fault)) return;
    switch (fault.kind) {
      case "end":
        response.end();
        return;
      case "error-event": {
        const { body } = statusReply(fault.status, fault.reason, "an error in the stream");
        response.end(`${JSON.stringify({ type: "ERROR", object: body })}\n`);
        return;
      }
      case "long-line":
        response.write(Buffer.alloc(fault.bytes, 0x20));
        return;
      // A stalled watch is one to which nothing more is written.
      default:
        return;
    }
  }

  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "test", server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: "tester" },
  );

  return {
    objects,
    config,
    requests,
    inject: (verb, fault, agent) => void faults.push({ verb, fault, agent }),
    clearFaults: () => {
      faults = [];
    },
    partition: (agent) => void partitioned.add(agent),
    heal(agent) {
      partitioned.delete(agent);
      for (const one of waiting) if (one.agent === agent) one.go();
    },
    held: (agent) => waiting.filter((one) => agent === undefined || one.agent === agent).length,
    release() {
      const gone = waiting;
      waiting = [];
      for (const { go } of gone) go();
    },
    bookmark() {
      for (const watch of watches) {
        const object = { metadata: { resourceVersion: String(objects.version()) } };
        sendLine(watch, `${JSON.stringify({ type: "BOOKMARK", object })}\n`);
      }
    },
    watches: () => watches.size,
    dropWatches() {
      for (const { response } of watches) response.end();
    },
    admission: (next) => {
      check = next;
    },
    serveBelow: (next) => {
      below = next;
    },
    close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

/** `/api/v1/…` and `/apis/GROUP/VERSION/…`. */
function targetOf(path: string): Target {
  const parts = path.split("/").slice(1).map(decodeURIComponent);
  const core = parts[0] === "api";
  const [group, version] = core ? ["", parts[1]] : [parts[1], parts[2]];
  const rest = parts.slice(core ? 2 : 3);
  const namespace = rest[0] === "namespaces" ? rest[1] : undefined;
  const [plural, name, ...below] = namespace === undefined ? rest : rest.slice(2);
  const subresource = below.join("/");
  return { resource: `${group}/${version}/${plural}`, namespace, name, status: subresource === "status", subresource };
}

function verbOf({ method }: IncomingMessage, { name }: Target, query: URLSearchParams): Verb {
  if (method === "POST") return "create";
  if (method === "PUT") return "update";
  if (method === "PATCH") return "patch";
  if (method === "DELETE") return "delete";
  if (query.get("watch") === "true") return "watch";
  return name === undefined ? "list" : "get";
}

function concerns({ resource, namespace }: Target, { path }: HistoryEntry): boolean {
  return path.resource === resource && (namespace === undefined || path.namespace === namespace);
}

function send(response: ServerResponse, { status, body }: Reply, fault: Fault | undefined): void {
  const text = JSON.stringify(body);
  const half = text.slice(0, Math.ceil(text.length / 2));
  const headers = { "content-type": "application/json" };
  if (fault?.kind === "cut") {
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(text) });
    response.write(half, () => response.destroy());
  } else response.writeHead(status, headers).end(fault?.kind === "garbled" ? half : text);
}

function refuse(response: ServerResponse, fault: Extract<Fault, { readonly kind: "status" }>): void {
  const { body } = statusReply(fault.status, fault.reason ?? "", `the server says ${fault.status}`);
  const retry = fault.retryAfterSeconds === undefined ? {} : { "retry-after": String(fault.retryAfterSeconds) };
  response.writeHead(fault.status, { "content-type": "application/json", ...retry }).end(JSON.stringify(body));
}

function parseBody(text: string): JsonObject {
  if (text === "") return {};
  const value: Json = JSON.parse(text);
  return isObject(value) ? value : {};
}
