/** Answers of the API server: a status code and a body, and the refusals in the words of kube-apiserver. */
import type { JsonObject } from "./json.ts";

export interface Reply {
  readonly status: number;
  readonly body: JsonObject;
}

/** One thing wrong with an object. `message` as kube-apiserver writes it, e.g. `Invalid value: 3: too few.` */
export interface Cause {
  readonly reason: string;
  /** Such as `spec.regions[0].name`. */
  readonly field: string;
  readonly message: string;
}

/** What a refusal is about: resource and name as in the path. */
export interface About {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly name: string;
}

/** A `Status` body. */
export function refuse(code: number, reason: string, message: string, details: JsonObject = {}): Reply {
  return {
    status: code,
    body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, details, code },
  };
}

const qualified = ({ group, plural }: About) => (group === "" ? plural : `${plural}.${group}`);
const detailsOf = ({ name, group, plural }: About): JsonObject => ({ name, group, kind: plural });

export const notFound = (about: About) =>
  refuse(404, "NotFound", `${qualified(about)} "${about.name}" not found`, detailsOf(about));

/** No such path. */
export const unknownPath = () => refuse(404, "NotFound", "the server could not find the requested resource");

export const alreadyExists = (about: About) =>
  refuse(409, "AlreadyExists", `${qualified(about)} "${about.name}" already exists`, detailsOf(about));

export const conflict = (about: About, why: string, causes: readonly JsonObject[] = []) =>
  refuse(409, "Conflict", `Operation cannot be fulfilled on ${qualified(about)} "${about.name}": ${why}`, {
    ...detailsOf(about),
    ...(causes.length > 0 ? { causes } : {}),
  });

export const badRequest = (message: string) => refuse(400, "BadRequest", message);

export const methodNotAllowed = () =>
  refuse(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");

export const tooLarge = (message: string) => refuse(413, "RequestEntityTooLarge", message);

export const expired = (message: string) => refuse(410, "Expired", message);

export const internal = (message: string) => refuse(500, "InternalError", `Internal error occurred: ${message}`);

/** 422: all that is wrong with an object, one cause for each. */
export function invalid({ group, kind, name }: About, causes: readonly Cause[]): Reply {
  const texts = causes.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`));
  const all = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return refuse(422, "Invalid", `${group === "" ? kind : `${kind}.${group}`} "${name}" is invalid: ${all}`, {
    name,
    group,
    kind,
    causes: causes.map(({ reason, field, message }) => ({ reason, message, field })),
  });
}

export const success = (about: About, uid: string): Reply => ({
  status: 200,
  body: {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: about.name, group: about.group, kind: about.plural, uid },
  },
});
