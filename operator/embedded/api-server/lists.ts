/** Lists, whole or in pages. A page's token names the version and the last entry: the server keeps nothing for it. */
import type { Clock } from "../../kube/clock.ts";
import { isObject, type JsonObject, parseJson, stringAt } from "./json.ts";
import { badRequest, expired, type Reply } from "./reply.ts";
import type { Resource } from "./resources.ts";
import { selector } from "./selectors.ts";
import type { Entry, Store } from "./store.ts";
import { tableOf, wantsTable } from "./table.ts";

export interface ListSource {
  readonly store: Store;
  readonly clock: Clock;
}

const keyOf = ({ namespace, name }: Entry) => `${namespace}/${name}`;

export function listReply(
  { store, clock }: ListSource,
  resource: Resource,
  namespace: string | undefined,
  query: (name: string) => string,
  accept: string,
): Reply {
  const chosen = selector(resource, query("labelSelector"), query("fieldSelector"));
  if (chosen.kind === "invalid") return badRequest(chosen.message);
  const limit = Number(query("limit") || "0");
  if (!Number.isInteger(limit) || limit < 0) return badRequest("limit must be a whole number");
  const text = query("continue");
  const token = text === "" ? undefined : readToken(text);
  if (text !== "" && !token) return badRequest("continue key is not valid");

  const asked = query("resourceVersion");
  const exact = query("resourceVersionMatch") === "Exact" && /^\d{1,15}$/.test(asked) ? Number(asked) : undefined;
  const version = token?.version ?? exact ?? store.version();
  const entries = store.listAt(resource, namespace, version);
  if (!entries)
    return expired(
      token
        ? "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter."
        : `The resourceVersion for the provided list is too old (${version})`,
    );
  const left = token ? entries.slice(firstAfter(entries, token.after)) : entries;
  const fitting = chosen.empty ? left : left.filter(({ object }) => chosen.matches(object));
  const page = limit === 0 ? fitting : fitting.slice(0, limit);
  const rest = fitting.length - page.length;
  const metadata: JsonObject = {
    resourceVersion: String(version),
    ...(rest > 0 ? { continue: writeToken(version, keyOf(page.at(-1)!)) } : {}),
    ...(rest > 0 && chosen.empty ? { remainingItemCount: rest } : {}),
  };
  const items = page.map(({ object }) => object);
  if (wantsTable(accept))
    return { status: 200, body: tableOf(resource, items, metadata, query("includeObject"), clock.wall()) };
  return {
    status: 200,
    body: { kind: `${resource.kind.kind}List`, apiVersion: resource.apiVersion, metadata, items },
  };
}

/** Entries are in order. */
function firstAfter(entries: readonly Entry[], key: string): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(entries[middle]!) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

const writeToken = (version: number, after: string) =>
  Buffer.from(JSON.stringify({ v: version, after })).toString("base64url");

function readToken(text: string): { readonly version: number; readonly after: string } | undefined {
  const token = parseJson(Buffer.from(text, "base64url").toString("utf8"));
  const version = isObject(token) ? token["v"] : undefined;
  return typeof version === "number" && Number.isInteger(version)
    ? { version, after: stringAt(token, "after") }
    : undefined;
}
