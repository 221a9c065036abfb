/** Revisions of pods: what a running pod was made of, as a digest; and which spec a pod of a revision is made from. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { rowOf } from "../api/changes.ts";
import type { ValidatorSwarmSpec } from "../api/spec/spec.ts";
import type { DesiredCanary } from "./desired.ts";

/**
 * Digest of everything the API's parameter table calls `rolling`: it changes when, and only when, running pods have to be
 * replaced. A canary's overrides are its own seats' alone. An image that the spec does not name is none of it: an
 * operator that is upgraded brings another, and restarts nobody.
 */
export function revisionOf(spec: ValidatorSwarmSpec): string {
  const { canary: _, ...all } = spec;
  return digest(rolling(all, ""));
}

/** The spec's canary in the planner's words. */
export function canaryOf(spec: ValidatorSwarmSpec): DesiredCanary | undefined {
  const { canary } = spec;
  if (!canary) return undefined;
  const { seats, overrides, durationSeconds, analysis } = canary;
  return {
    trial: digest([seats, overrides, revisionOf(spec)]),
    terms: digest([durationSeconds, analysis]),
    seats,
    revision: revisionOf(watched(spec, canary)),
    promotedRevision: revisionOf(overridden(spec, canary)),
    duration: durationSeconds * 1_000,
    analysis,
  };
}

/** The spec as a pod of this revision is made from: with a canary's overrides, or as it stands. */
export function specOfRevision(spec: ValidatorSwarmSpec, revision: string): ValidatorSwarmSpec {
  const { canary } = spec;
  if (!canary || revision === revisionOf(spec)) return spec;
  return [watched(spec, canary), overridden(spec, canary)].find((each) => revisionOf(each) === revision) ?? spec;
}

type Canary = NonNullable<ValidatorSwarmSpec["canary"]>;

/** What is tried: all seats have it once it is promoted. */
function overridden(spec: ValidatorSwarmSpec, { overrides }: Canary): ValidatorSwarmSpec {
  const { image, timeoutPolicy, minTimeout } = overrides;
  return {
    ...spec,
    ...(image === undefined ? {} : { image }),
    consensus: {
      ...spec.consensus,
      ...(timeoutPolicy === undefined ? {} : { timeoutPolicy }),
      ...(minTimeout === undefined ? {} : { minTimeout }),
    },
  };
}

/** And closer logs and traces while it is tried: they end with the trial. */
function watched(spec: ValidatorSwarmSpec, canary: Canary): ValidatorSwarmSpec {
  const { logLevel, tracingPercent } = canary.overrides;
  const tried = overridden(spec, canary);
  const tracing = { ...spec.monitoring.tracing, samplePercent: tracingPercent };
  return { ...tried, monitoring: { ...tried.monitoring, logLevel, tracing } };
}

const digest = (value: unknown) => bytesToHex(sha256(utf8ToBytes(canonical(value)))).slice(0, 16);

/** What of a value is rolled; undefined when nothing is. */
function rolling(value: unknown, path: string): unknown {
  const row = path === "" ? undefined : rowOf(path);
  if (row) return row.class === "rolling" ? value : undefined;
  if (Array.isArray(value)) return value.map((each) => rolling(each, `${path}[]`));
  if (typeof value !== "object" || value === null) return undefined;
  const under = path === "" ? "" : `${path}.`;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rolling(each, `${under}${name}`)]));
}

/** JSON with sorted keys; absent fields are left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
