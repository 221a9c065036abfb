/**
 * `ValidatorSwarm`, group `validatorswarm.io`, version `v1alpha1`. The zod schemas under `spec/` are the source of the
 * TypeScript types, of the CRD and of the reference; the rules under `rules/` are those of more than one field.
 */
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { apiVersion, metadata, withoutNulls } from "./object.ts";
import { explain, type Problem } from "./problems.ts";
import { broken, brokenByChange } from "./rules/rule.ts";
import { changeRules, objectRules, plannerRules, specRules } from "./rules/swarm-rules.ts";
import { spec, type ValidatorSwarmSpec } from "./spec/spec.ts";
import type { ValidatorSwarmStatus } from "./status.ts";

export { faultBudget } from "./rules/power.ts";
export type { ValidatorSwarmSpec } from "./spec/spec.ts";
export type { ValidatorSwarmStatus } from "./status.ts";

/** The schema of the whole object as its user writes it. */
const validatorSwarmSchema = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal("ValidatorSwarm"),
  metadata,
  spec,
  status: z.unknown().optional(),
});

/** A swarm as its user asks for it, with every default filled in. */
export type ValidatorSwarm = Omit<z.infer<typeof validatorSwarmSchema>, "status"> & {
  readonly status?: ValidatorSwarmStatus;
};

export type ParseResult =
  | { readonly kind: "ok"; readonly swarm: ValidatorSwarm }
  | {
      readonly kind: "invalid";
      readonly problems: readonly Problem[];
      /** When the schema admits it and a rule across fields does not: enough to delete it by. */
      readonly swarm?: ValidatorSwarm;
    };

/** Largest manifest read, bytes of UTF-8: no API server stores a larger object. */
const maxManifestBytes = 1024 * 1024;

/** Parses a manifest: YAML of one `ValidatorSwarm`. A `status` in it is not read. */
export function parseValidatorSwarm(text: string): ParseResult {
  if (Buffer.byteLength(text) > maxManifestBytes)
    return invalid(
      "",
      `The manifest is larger than ${maxManifestBytes} bytes. Open most accounts by governance instead.`,
    );
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 100, strict: true, uniqueKeys: true });
  } catch (error) {
    const where = error instanceof YAMLParseError && error.linePos ? ` (line ${error.linePos[0].line})` : "";
    return invalid("", `The manifest is not valid YAML${where}: ${firstLine(error)}. Correct it there.`);
  }
  return checkValidatorSwarm(document);
}

/** Checks an object that was read from anywhere, and fills in its defaults. */
export function checkValidatorSwarm(document: unknown): ParseResult {
  const parsed = validatorSwarmSchema.safeParse(withoutNulls(document), { reportInput: true });
  if (!parsed.success) return { kind: "invalid", problems: parsed.error.issues.flatMap(explain) };
  const { status: _, ...swarm } = parsed.data;
  const refused = [...broken(objectRules, swarm, ""), ...broken(specRules, swarm.spec, "spec")];
  const problems = refused.length > 0 ? refused : plannerRules.flatMap(({ check }) => check(swarm));
  return problems.length > 0 ? { kind: "invalid", problems, swarm } : { kind: "ok", swarm };
}

/** What of a change to a running swarm the API refuses. */
export function checkChange(now: ValidatorSwarmSpec, before: ValidatorSwarmSpec): readonly Problem[] {
  return brokenByChange(changeRules, now, before, "spec");
}

const firstLine = (error: unknown) =>
  String(error instanceof Error ? error.message : error)
    .split("\n")[0]!
    .replace(/[:.]\s*$/, "");
const invalid = (field: string, message: string): ParseResult => ({ kind: "invalid", problems: [{ field, message }] });
