/** `swarm apply -f FILE…`: server-side apply of swarms and checkpoints. */
import { isDeepStrictEqual } from "node:util";
import { type Change, classifyChange } from "../operator/api/changes.ts";
import type { Problem } from "../operator/api/problems.ts";
import { checkValidatorSwarm, type ValidatorSwarmSpec } from "../operator/api/validator-swarm.ts";
import { fieldManager } from "../operator/apply-manifest.ts";
import { classify, type FieldConflict } from "../operator/kube/apply.ts";
import { isRecord, type JsonRecord, pathOf, readObject } from "../operator/kube/objects.ts";
import { bold, dim, green, red, yellow } from "../operator/terminal.ts";
import { noSignal, requestMs } from "./ask.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { failureOf } from "./failures.ts";
import { type Manifest, readManifests } from "./manifests.ts";
import { type Output, writeJson } from "./output.ts";
import type { ApplyResult } from "./shapes.ts";
import type { World } from "./world.ts";

export interface ApplyOptions {
  readonly filename: readonly string[];
  readonly dryRun: boolean;
  readonly forceConflicts: boolean;
}

/** Checks everything first: when one document is not valid, nothing is sent. Otherwise all are, whatever becomes of one. */
export async function apply(world: World, options: ApplyOptions, output: Output): Promise<ExitCode> {
  const { manifests, invalid } = readManifests(options.filename, world.namespace);
  const outcomes: readonly Outcome[] =
    invalid.length > 0
      ? invalid.map(({ file, name, problems }) => {
          const [kind = "", called = ""] = name.split("/");
          const result = { file, kind, namespace: world.namespace, name: called, result: "invalid", problems } as const;
          return { code: exitCodes.usage, result: { ...result, changes: [], conflicts: [], message: "" } };
        })
      : await inOrder(manifests, (manifest) => applyOne(world, manifest, options));
  if (output.json) writeJson(output, { dryRun: options.dryRun, results: outcomes.map(({ result }) => result) });
  else for (const { result } of outcomes) show(result, options.dryRun, output);
  return outcomes.find(({ code }) => code !== exitCodes.ok)?.code ?? exitCodes.ok;
}

interface Outcome {
  readonly code: ExitCode;
  readonly result: ApplyResult;
}

async function inOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

async function applyOne(
  world: World,
  { file, kind, object }: Manifest,
  { dryRun, forceConflicts: force }: ApplyOptions,
): Promise<Outcome> {
  const { name, namespace = world.namespace } = object.metadata;
  const outcome = (code: ExitCode, result: ApplyResult["result"], rest: Partial<ApplyResult> = {}): Outcome => ({
    code,
    result: {
      file,
      kind: kind.kind,
      namespace,
      name,
      result,
      changes: [],
      problems: [],
      conflicts: [],
      message: "",
      ...rest,
    },
  });
  const answer = await world.api.request({
    method: "GET",
    path: pathOf(kind, namespace, name),
    signal: noSignal,
    deadlineMs: requestMs,
  });
  const before = answer.kind === "ok" ? readObject(kind, answer.body) : undefined;
  if (answer.kind === "failed" && answer.failure.status !== 404) {
    const { code, reason } = failureOf(world, answer.failure, name);
    return outcome(code, "failed", { message: reason });
  }
  if (before?.metadata.deletionTimestamp !== undefined)
    return outcome(exitCodes.refused, "refused", {
      message: `${name} is being deleted. Apply it again once swarm status no longer shows it.`,
    });

  const sent = await world.api.request({
    method: "PATCH",
    path: pathOf(kind, namespace, name),
    query: {
      fieldManager,
      fieldValidation: "Strict",
      force: force ? true : undefined,
      dryRun: dryRun ? "All" : undefined,
    },
    body: { type: "application/apply-patch+yaml", value: object },
    signal: noSignal,
    deadlineMs: requestMs,
  });
  if (sent.kind === "ok") {
    if (!before) return outcome(exitCodes.ok, "created");
    if (same(before, sent.body)) return outcome(exitCodes.ok, "unchanged");
    return outcome(exitCodes.ok, "configured", { changes: changesOf(before, sent.body) });
  }
  const refused = classify(sent.failure);
  switch (refused.kind) {
    case "conflict": {
      const { conflict, message } = refused;
      return outcome(exitCodes.refused, "conflict", {
        conflicts: conflict.kind === "fields" ? conflict.fields : [],
        message: conflict.kind === "fields" ? explainConflicts(conflict.fields) : message,
      });
    }
    case "invalid": {
      const problems = refused.causes.filter(({ message }) => message !== "");
      return outcome(exitCodes.usage, "invalid", {
        problems: problems.length > 0 ? problems : [{ field: "", message: refused.message }],
      });
    }
    case "forbidden":
    case "gone":
    case "unavailable": {
      const { code, reason } = failureOf(world, sent.failure, `swarm ${name}`);
      const nowhere = refused.kind === "gone" && /\bnamespaces? ".*" not found/.test(refused.message);
      const again = refused.kind === "unavailable" && sent.failure.kind !== "unreachable";
      const message = nowhere
        ? `There is no namespace ${namespace} at ${world.name}. Create it first, or choose another with --namespace NAME.`
        : `${reason}${again ? " It may have been applied nevertheless: apply it again." : ""}`;
      return outcome(code, refused.kind === "forbidden" ? "refused" : "failed", { message });
    }
  }
}

/** What its author can ask for is the same. */
function same(before: JsonRecord, after: JsonRecord): boolean {
  const asked = ({ metadata, ["spec"]: spec }: JsonRecord) => {
    const { labels = {}, annotations = {} } = isRecord(metadata) ? metadata : {};
    return { labels, annotations, spec };
  };
  return isDeepStrictEqual(asked(before), asked(after));
}

/** What differs in the spec of a swarm, and what that takes. */
function changesOf(before: JsonRecord, after: JsonRecord): readonly Change[] {
  const [old, now] = [specOf(before), specOf(after)];
  return old && now ? classifyChange(old, now) : [];
}

function specOf(object: JsonRecord): ValidatorSwarmSpec | undefined {
  const checked = checkValidatorSwarm(object);
  return checked.kind === "ok" ? checked.swarm.spec : undefined;
}

function explainConflicts(fields: readonly FieldConflict[]): string {
  const scaled = fields.some(({ field }) => field === ".spec.replicas");
  return [
    "Somebody else has set these fields to other values.",
    scaled
      ? "The number of replicas was set by scaling: leave spec.replicas out of the file to keep it."
      : "Leave them out of the file to keep their values.",
    "--force-conflicts takes them over.",
  ].join(" ");
}

const words: Readonly<Record<ApplyResult["result"], (text: string) => string>> = {
  created: green,
  configured: green,
  unchanged: dim,
  invalid: red,
  conflict: yellow,
  refused: red,
  failed: red,
};

function show({ file, kind, name, result, ...rest }: ApplyResult, dryRun: boolean, output: Output): void {
  const { changes, problems, conflicts, message } = rest;
  const good = result === "created" || result === "configured" || result === "unchanged";
  const line = good ? output.line : output.error;
  const called = kind === "" ? file : `${kind.toLowerCase()}/${name}`;
  line(
    `${bold(called)} ${words[result](result)}${good ? (dryRun ? " (dry run: nothing was changed)" : "") : `  ${file}`}`,
  );
  for (const each of changes) line(`  ${each.field}  ${dim(`${each.class}: ${each.reason}`)}`);
  for (const each of problems) line(`  ${problemText(each)}`);
  for (const each of conflicts) line(`  ${each.field}: managed by ${each.manager}`);
  if (message !== "") line(`  ${message}`);
}

const problemText = ({ field, message }: Problem) => (field === "" ? message : `${field}: ${message}`);
