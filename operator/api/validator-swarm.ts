/**
 * `ValidatorSwarm`, group `validatorswarm.io`, version `v1alpha1`: the part of the spec that a swarm on one machine
 * needs. The zod schema is the source of the TypeScript types; every problem names the field and the fix.
 */
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { accountSchema, institutionSchema } from "./genesis-spec.ts";

const name = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/,
    "must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters",
  );
const zone = z.string().regex(/^[A-Z][A-Z0-9-]{0,31}$/, "must be upper-case, such as EU");

const region = z.strictObject({
  name: name.meta({ description: "The region's name, such as eu-west." }),
  weight: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1)
    .meta({ description: "Voting power of the region, split among its seats." }),
  zones: z
    .array(zone)
    .max(8)
    .default([])
    .meta({ description: "Residency zones whose private data its seats may hold." }),
});

const consensus = z
  .strictObject({
    timeoutPolicy: z
      .enum(["ema", "jacobson", "learned"])
      .default("jacobson")
      .meta({ description: "How a view's timeout follows the round trips seen." }),
    checkpointInterval: z
      .int()
      .min(2)
      .max(1_000_000)
      .default(1_000)
      .meta({ description: "Blocks between checkpoints." }),
    idleInterval: z
      .int()
      .min(50)
      .max(60_000)
      .default(1_000)
      .meta({ description: "An idle leader's wait before an empty block, ms." }),
    epochBlocks: z.int().min(2).max(100_000_000).default(100_000).meta({ description: "Longest epoch, blocks." }),
    coverage: z
      .strictObject({
        requiredRegions: z.record(name, z.int().min(1)).optional().meta({
          description:
            "Least power that must sign from each region before a block is settled. Absent: every region with 1.",
        }),
      })
      .prefault({})
      .meta({ description: "What settlement waits for beyond a quorum." }),
  })
  .prefault({});

const governance = z
  .strictObject({
    threshold: z.int().min(1).max(64).default(1).meta({ description: "Signatures a governance transaction needs." }),
    keys: z
      .array(z.string().regex(/^[0-9a-f]{64}$/, "must be an ed25519 public key, 64 lower-case hexadecimal digits"))
      .max(64)
      .default([])
      .meta({ description: "Public keys that govern. Empty: one key is created beside the swarm." }),
  })
  .prefault({});

const spec = z.strictObject({
  replicas: z.int().min(1).max(100).meta({ description: "Seats, spread over the regions." }),
  faultModel: z
    .enum(["Byzantine", "Crash"])
    .default("Byzantine")
    .meta({ description: "Whether members may lie or only stop." }),
  regions: z.array(region).min(1).max(32).meta({ description: "Where seats are." }),
  placement: z
    .strictObject({
      surviveRegionLoss: z
        .boolean()
        .default(false)
        .meta({ description: "Refuse a layout that cannot lose any one region." }),
    })
    .prefault({}),
  consensus: consensus.meta({ description: "Parameters of the protocol." }),
  genesis: z
    .strictObject({
      institutions: z.array(institutionSchema).min(1).max(1_000).meta({ description: "Who may pay." }),
      accounts: z.array(accountSchema).max(100_000).meta({ description: "Settlement accounts, prefunded." }),
      governance,
    })
    .meta({ description: "What the chain starts from. Later changes go through governance." }),
  gateway: z
    .strictObject({
      replicas: z
        .int()
        .min(0)
        .max(1)
        .default(1)
        .meta({ description: "ISO 20022 gateways; at most one on one machine." }),
      port: z
        .int()
        .min(1_024)
        .max(65_535)
        .optional()
        .meta({ description: "Where the gateway listens. Absent: the first port of the range." }),
    })
    .prefault({}),
});

/** The schema of the whole object. */
const validatorSwarmSchema = z.strictObject({
  apiVersion: z.literal("validatorswarm.io/v1alpha1"),
  kind: z.literal("ValidatorSwarm"),
  metadata: z.strictObject({
    name: name.meta({ description: "Name of the swarm, unique on this machine." }),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec,
});

/** A swarm as its user asks for it, with every default filled in. */
export type ValidatorSwarm = z.infer<typeof validatorSwarmSchema>;

/** One thing wrong: where, what, and what to do, as a sentence. */
interface Problem {
  /** Dotted path such as `spec.regions.0.name`; "" for the whole document. */
  readonly field: string;
  readonly message: string;
}

export type ParseResult =
  | { readonly kind: "ok"; readonly swarm: ValidatorSwarm }
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] };

/** Largest manifest read, bytes of UTF-8. */
const maxManifestBytes = 4 * 1024 * 1024;

/** Parses a manifest: YAML of one `ValidatorSwarm`. */
export function parseValidatorSwarm(text: string): ParseResult {
  if (text.length > maxManifestBytes)
    return invalid("", `The manifest is larger than ${maxManifestBytes} bytes. Split the genesis accounts off.`);
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 100, strict: true, uniqueKeys: true });
  } catch (error) {
    const where = error instanceof YAMLParseError && error.linePos ? ` (line ${error.linePos[0].line})` : "";
    return invalid("", `The manifest is not valid YAML${where}: ${firstLine(error)}. Correct it there.`);
  }
  const parsed = validatorSwarmSchema.safeParse(document, { reportInput: true });
  if (!parsed.success) return { kind: "invalid", problems: parsed.error.issues.flatMap(explain) };
  const problems = crossChecks(parsed.data);
  return problems.length > 0 ? { kind: "invalid", problems } : { kind: "ok", swarm: parsed.data };
}

/** Largest power that may fail, and the power a decision needs (consensus.md, Model). */
export function faultBudget(total: number, faultModel: ValidatorSwarm["spec"]["faultModel"]): { F: number; Q: number } {
  const F = faultModel === "Byzantine" ? Math.floor((total - 1) / 3) : Math.floor((total - 1) / 2);
  return { F, Q: total - F };
}

function crossChecks({ spec }: ValidatorSwarm): readonly Problem[] {
  return [...regionChecks(spec), ...placementChecks(spec), ...coverageChecks(spec), ...genesisChecks(spec)];
}

type Spec = ValidatorSwarm["spec"];

function regionChecks({ regions, replicas }: Spec): Problem[] {
  const names = regions.map((each) => each.name);
  const problems = duplicates(names).map((twice) => ({
    field: "spec.regions",
    message: `Region ${twice} is listed twice. Give each region its own name.`,
  }));
  if (replicas < regions.length)
    problems.push({
      field: "spec.replicas",
      message: `${replicas} seats cannot fill ${regions.length} regions. Set replicas to at least ${regions.length}, or remove regions.`,
    });
  regions.forEach((each, i) => {
    const seats = seatsOf(i, replicas, regions.length);
    if (each.weight < seats)
      problems.push({
        field: `spec.regions.${i}.weight`,
        message: `Weight ${each.weight} cannot be split among the ${seats} seats of ${each.name}. Set it to at least ${seats}.`,
      });
  });
  return problems;
}

function placementChecks({ regions, placement, faultModel }: Spec): Problem[] {
  if (!placement.surviveRegionLoss) return [];
  const { F } = faultBudget(
    regions.reduce((sum, each) => sum + each.weight, 0),
    faultModel,
  );
  const heavy = regions.filter((each) => each.weight > F);
  if (heavy.length === 0) return [];
  const held = heavy.map((each) => `${each.name} holds ${each.weight}`).join(", ");
  const least = faultModel === "Byzantine" ? 4 : 3;
  return [
    {
      field: "spec.placement.surviveRegionLoss",
      message: `${held}, more than F = ${F}: losing it would stop the swarm. Use at least ${least} regions of equal weight, lower those weights, or set surviveRegionLoss to false.`,
    },
  ];
}

function coverageChecks({ regions, consensus }: Spec): Problem[] {
  const weights = new Map(regions.map((each) => [each.name, each.weight]));
  return Object.entries(consensus.coverage.requiredRegions ?? {}).flatMap(([region, least]) => {
    const weight = weights.get(region);
    const field = `spec.consensus.coverage.requiredRegions.${region}`;
    if (weight === undefined)
      return [{ field, message: `No region is named ${region}. Use one of ${[...weights.keys()].join(", ")}.` }];
    return least > weight
      ? [{ field, message: `${region} holds ${weight}, less than the ${least} asked for. Lower it.` }]
      : [];
  });
}

function genesisChecks({ genesis }: Spec): Problem[] {
  const bics = genesis.institutions.map((each) => each.bic);
  const problems = duplicates(bics).map((twice) => ({
    field: "spec.genesis.institutions",
    message: `Institution ${twice} is listed twice. Remove one of the two.`,
  }));
  genesis.accounts.forEach((account, i) => {
    if (!bics.includes(account.institution))
      problems.push({
        field: `spec.genesis.accounts.${i}.institution`,
        message: `No institution has the BIC ${account.institution}. Add it under spec.genesis.institutions, or correct it.`,
      });
  });
  for (const twice of duplicates(genesis.accounts.map((each) => `${each.institution} ${each.currency}`)))
    problems.push({
      field: "spec.genesis.accounts",
      message: `${twice} is listed twice. An institution has one account per currency.`,
    });
  const { keys, threshold } = genesis.governance;
  if (threshold > Math.max(1, keys.length))
    problems.push({
      field: "spec.genesis.governance.threshold",
      message: `${threshold} signatures of ${keys.length} keys can never be had. Lower it or add keys.`,
    });
  return problems;
}

/** Seats of the region at a position: the first regions take one more when they do not divide evenly. */
export function seatsOf(region: number, replicas: number, regions: number): number {
  return Math.floor(replicas / regions) + (region < replicas % regions ? 1 : 0);
}

function duplicates(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, i) => values.indexOf(value) !== i))];
}

function explain(issue: z.core.$ZodIssue): Problem[] {
  const field = issue.path.map(String).join(".");
  const at = (message: string): Problem[] => [{ field, message }];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        field: field === "" ? key : `${field}.${key}`,
        message: "Unknown field. Remove it or correct its spelling.",
      }));
    case "invalid_type":
      return at(
        issue.input === undefined
          ? `Missing. Add ${kindName(issue.expected)}.`
          : `Must be ${kindName(issue.expected)}.`,
      );
    case "invalid_value":
      return at(`Must be ${issue.values.map(String).join(" or ")}.`);
    case "too_small":
      return at(`Too small: at least ${issue.minimum}.`);
    case "too_big":
      return at(`Too large: at most ${issue.maximum}.`);
    default:
      return at(`${sentence(issue.message)}`);
  }
}

const kindNames: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a map of fields",
  record: "a map of names to values",
};
const kindName = (expected: string) => kindNames[expected] ?? expected;
const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, ".");
const firstLine = (error: unknown) =>
  String(error instanceof Error ? error.message : error)
    .split("\n")[0]!
    .replace(/[:.]\s*$/, "");
const invalid = (field: string, message: string): ParseResult => ({ kind: "invalid", problems: [{ field, message }] });
