/** Applies a manifest that was checked: server-side, so that what others have set since is theirs. */
import { parse } from "yaml";
import type { ApiClient } from "./kube/api-client.ts";
import { classify } from "./kube/apply.ts";
import { validatorSwarms } from "./kube/kinds.ts";
import { isRecord, pathOf } from "./kube/objects.ts";

/** The name that owns the fields which people's tools apply. */
export const fieldManager = "swarm";

export type AppliedManifest =
  | { readonly kind: "applied" }
  /** Nothing was changed: others have set these fields to other values. */
  | { readonly kind: "kept"; readonly fields: readonly string[] }
  /** Sentences: nothing was changed. */
  | { readonly kind: "refused"; readonly problems: readonly string[] };

const deadlineMs = 10_000;

/** `text`: YAML of one ValidatorSwarm. */
export async function applyManifest(
  api: ApiClient,
  namespace: string,
  name: string,
  text: string,
  signal: AbortSignal,
): Promise<AppliedManifest> {
  const document: unknown = parse(text);
  const answer = await api.request({
    method: "PATCH",
    path: pathOf(validatorSwarms, namespace, name),
    query: { fieldManager, fieldValidation: "Strict" },
    body: { type: "application/apply-patch+yaml", value: isRecord(document) ? document : {} },
    signal,
    deadlineMs,
  });
  if (answer.kind === "ok") return { kind: "applied" };
  const refused = classify(answer.failure);
  if (refused.kind === "conflict" && refused.conflict.kind === "fields")
    return { kind: "kept", fields: refused.conflict.fields.map(({ field }) => field) };
  const causes = refused.kind === "invalid" ? refused.causes.filter(({ message }) => message !== "") : [];
  const said = causes.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`));
  return { kind: "refused", problems: said.length > 0 ? said : [refused.message] };
}
