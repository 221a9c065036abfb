/** Resource types by the names that paths and stored records have for them. */
import { apiVersionOf } from "../../kube/objects.ts";
import type { About } from "./reply.ts";
import type { ServedKind } from "./served.ts";

export interface Resource extends ServedKind {
  /** `group/version/plural`. */
  readonly id: string;
  readonly apiVersion: string;
}

export function resourceOf(served: ServedKind): Resource {
  const { group, version, plural } = served.kind;
  return { ...served, id: `${group}/${version}/${plural}`, apiVersion: apiVersionOf(served.kind) };
}

/** What refusals name. */
export function aboutOf({ kind }: Resource, name: string): About {
  return { group: kind.group, plural: kind.plural, kind: kind.kind, name };
}
