/**
 * The validated configuration of one validator process, read from a JSON file.
 * Everything that all members must agree on is chain state, not configuration: see `docs/parameters.md`.
 */
import { z } from "zod";
import { parameterTable } from "./consensus/parameters.ts";
import type { Parameters } from "./consensus/types.ts";

const host = z.string().min(1);
const port = z.int().min(0).max(65_535);
const path = z.string().min(1);
const multiaddress = z
  .string()
  .regex(
    /^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d{1,5}(\/.*)?$/,
    "must be a TCP multiaddress such as /ip4/127.0.0.1/tcp/7100",
  );
const seatName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be lower-case letters, digits and dashes, at most 63");

const tls = z.strictObject({
  cert: path.meta({ description: "PEM file: this server's certificate with its chain." }),
  key: path.meta({ description: "PEM file: the certificate's private key." }),
  clientCa: path.meta({ description: "PEM file: who may issue client certificates. A client without one is refused." }),
  operators: z.array(z.string().min(1)).default([]).meta({
    description: "Client subjects (RFC 4514) that may call the admin service. Others may only read its status.",
  }),
  backups: z.array(z.string().min(1)).default([]).meta({
    description: "Client subjects that may read checkpoints: every balance, and the payments of the blocks above.",
  }),
});

const limits = z
  .strictObject({
    privateBytes: z.int().min(0).max(3_145_728).default(3_145_728).meta({
      description:
        "Largest private payload of one message, bytes: with its batch it must fit one frame between members (4 MiB).",
    }),
    inFlightBytes: z.int().min(8_388_608).max(4_294_967_296).default(67_108_864).meta({
      description: "Most bytes of submissions being received or answered; beyond it callers are told to retry.",
    }),
    streamsPerConnection: z
      .int()
      .min(1)
      .max(10_000)
      .default(512)
      .meta({ description: "Most calls open at once on one connection." }),
    connections: z.int().min(1).max(10_000).default(256).meta({ description: "Most client connections." }),
    watchers: z
      .int()
      .min(1)
      .max(10_000)
      .default(64)
      .meta({ description: "Most open WatchSettlements and WatchStatus calls, together." }),
  })
  .prefault({});

/** The parameters a single process may set for itself, with the ranges of the parameter table. */
const parameters = z.strictObject(
  Object.fromEntries(
    parameterTable
      .filter((row) => row.scope === "local")
      .map((row) => [
        row.name,
        (isWords(row.range) ? z.enum([...row.range]) : z.int().min(row.range[0]).max(row.range[1]))
          .optional()
          .meta({ description: row.help }),
      ]),
  ),
);

function isWords(range: (typeof parameterTable)[number]["range"]): range is readonly string[] {
  return typeof range[0] === "string";
}

/** The schema; `docs/configuration.md` lists its fields. */
const configSchema = z.strictObject({
  seat: seatName.meta({ description: "This seat's name in the validator set." }),
  region: z
    .string()
    .max(63)
    .default("")
    .meta({ description: "This seat's region, shown in logs and status until the chain names it." }),
  dataDir: path.meta({ description: "The seat's volume. Its identity is created here and never leaves it." }),
  p2p: z.strictObject({
    listen: z.array(multiaddress).min(1).meta({ description: "Where members connect to." }),
    announce: z
      .array(multiaddress)
      .default([])
      .meta({ description: "Addresses told to others, when they differ from `listen`." }),
  }),
  peers: z
    .array(
      z.strictObject({
        seat: seatName.meta({ description: "A member's seat name." }),
        addresses: z.array(multiaddress).min(1).meta({ description: "Where to dial it." }),
      }),
    )
    .default([])
    .meta({ description: "Where the other members are. Who they are comes from the chain." }),
  rpc: z.strictObject({
    host: host.meta({
      description: "Address of the settlement and admin services. Without `tls` only a loopback address is allowed.",
    }),
    port: port.meta({ description: "Port of the settlement and admin services; 0 takes a free one." }),
    tls: tls.optional().meta({ description: "Mutual TLS." }),
    limits: limits.meta({ description: "Bounds of what clients may take." }),
  }),
  metrics: z.strictObject({
    host: host.meta({ description: "Address of /metrics, /healthz and /readyz." }),
    port: port.meta({ description: "Port of /metrics, /healthz and /readyz; 0 takes a free one." }),
  }),
  genesis: path.optional().meta({
    description: "Genesis document. Absent: the process waits for ProvideGenesis, then keeps it in the volume.",
  }),
  log: z
    .strictObject({
      level: z
        .enum(["trace", "debug", "info", "warn", "error"])
        .default("info")
        .meta({ description: "Least severity written to standard output." }),
    })
    .prefault({})
    .meta({ description: "Logging." }),
  unreachableAfterMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(5_000)
    .meta({ description: "A member not heard for this long counts as one network partition event, ms." }),
  parameters: parameters.prefault({}).meta({ description: "Local parameters of consensus." }),
});

/** One process's configuration with every default filled in. */
export type ValidatorConfig = Omit<z.infer<typeof configSchema>, "parameters"> & {
  readonly parameters: Partial<Parameters>;
};

export type ConfigResult =
  | { readonly kind: "ok"; readonly config: ValidatorConfig }
  /** One line per wrong field: its name, what is wrong, what to do. */
  | { readonly kind: "invalid"; readonly problems: readonly string[] };

/** Parses the text of a configuration file. */
export function parseConfig(text: string): ConfigResult {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { kind: "invalid", problems: [`not JSON: ${(error as SyntaxError).message}. Write one JSON object.`] };
  }
  const parsed = configSchema.safeParse(json, { reportInput: true });
  if (!parsed.success) return { kind: "invalid", problems: parsed.error.issues.flatMap(explain) };
  const config: ValidatorConfig = { ...parsed.data, parameters: parsed.data.parameters as Partial<Parameters> };
  const problems = crossChecks(config);
  return problems.length > 0 ? { kind: "invalid", problems } : { kind: "ok", config };
}

/** Is this address reachable from this machine only? */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(\.\d{1,3}){3}$/.test(address);
}

function crossChecks(config: ValidatorConfig): string[] {
  const problems: string[] = [];
  if (!config.rpc.tls && !isLoopback(config.rpc.host))
    problems.push(`rpc.host: ${config.rpc.host} is reachable from other machines. Set rpc.tls, or bind 127.0.0.1.`);
  const seats = config.peers.map((peer) => peer.seat);
  for (const seat of new Set(seats.filter((name, i) => seats.indexOf(name) !== i)))
    problems.push(`peers: ${seat} is listed twice. Put all its addresses in one entry.`);
  if (seats.includes(config.seat)) problems.push(`peers: ${config.seat} is this process itself. Remove the entry.`);
  const { minTimeout, maxTimeout } = config.parameters;
  if (minTimeout !== undefined && maxTimeout !== undefined && minTimeout > maxTimeout)
    problems.push(`parameters.minTimeout: ${minTimeout} is above maxTimeout ${maxTimeout}. Lower it.`);
  return problems;
}

function explain(issue: z.core.$ZodIssue): string[] {
  const field = issue.path.map(String).join(".") || "(the file)";
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map(
        (key) =>
          `${field === "(the file)" ? key : `${field}.${key}`}: unknown field. Remove it, or see --help for the names.`,
      );
    case "invalid_type":
      return [
        issue.input === undefined
          ? `${field}: missing. Add it (${issue.expected}).`
          : `${field}: must be ${issue.expected}.`,
      ];
    case "invalid_value":
      return [`${field}: must be one of ${issue.values.map(String).join(", ")}.`];
    case "too_small":
      return [`${field}: too small, at least ${issue.minimum}.`];
    case "too_big":
      return [`${field}: too large, at most ${issue.maximum}.`];
    default:
      return [`${field}: ${issue.message}.`];
  }
}

/** What the process says by exiting. */
export const exitCodes = {
  stopped: { code: 0, meaning: "Stopped on request (SIGTERM or SIGINT)." },
  crashed: {
    code: 1,
    meaning: "A bug or an unexpected failure, see the `fatal` log line. Start it again: its record is durable.",
  },
  usage: {
    code: 2,
    meaning: "Wrong arguments or configuration, each named on standard error. Starting again does not help.",
  },
  volume: {
    code: 3,
    meaning:
      "The volume was replaced under the process, or its keys are damaged or gone. This identity must not sign again.",
  },
  address: { code: 4, meaning: "A port is taken or an address cannot be bound." },
  genesis: {
    code: 5,
    meaning: "The genesis document is wrong, differs from the one in the volume, or does not name this seat's keys.",
  },
  moved: {
    code: 7,
    meaning: "It has fetched a checkpoint of a later epoch, and goes on from there when it is started again.",
  },
  busy: { code: 6, meaning: "Another process runs on this volume. Two processes must never sign with one identity." },
} as const;

/** One line of the configuration reference. */
export interface ConfigField {
  /** Dotted path, `[]` after a list. */
  readonly name: string;
  readonly type: string;
  /** JSON of the default, or "required", or "optional". */
  readonly fallback: string;
  readonly help: string;
}

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
}

/** Every field of the configuration in the file's order: the source of `--help` and of the docs. */
export function configFields(): readonly ConfigField[] {
  return fieldsOf(z.toJSONSchema(configSchema, { io: "input" }) as JsonSchema, "");
}

function fieldsOf(schema: JsonSchema, prefix: string): ConfigField[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = `${prefix}${key}`;
    const fallback = schema.required?.includes(key)
      ? "required"
      : field.default === undefined
        ? "optional"
        : JSON.stringify(field.default);
    const help = field.description ?? "";
    if (field.type === "object") {
      const inner = fieldsOf(field, `${name}.`);
      return fallback === "optional" ? [{ name, type: "object", fallback, help }, ...inner] : inner;
    }
    const list = field.type === "array" && field.items ? field.items : undefined;
    if (list?.type === "object") return [{ name, type: "list", fallback, help }, ...fieldsOf(list, `${name}[].`)];
    return [{ name, type: typeName(field), fallback, help }];
  });
}

function typeName(field: JsonSchema): string {
  if (field.enum) return field.enum.join(" \\| ");
  if (field.type === "array") return `list of ${field.items?.type ?? "values"}`;
  if (field.minimum !== undefined && field.maximum !== undefined)
    return `${field.type} ${field.minimum} … ${field.maximum}`;
  return field.type ?? "value";
}

/** What `--help` prints. */
export function helpText(): string {
  const fields = configFields().map(
    (field) => `  ${field.name}  (${field.type.replaceAll("\\|", "|")}, ${field.fallback})\n      ${field.help}`,
  );
  return [
    "Usage: node validator/main.ts --config FILE",
    "",
    "Runs one validator until SIGTERM or SIGINT. FILE is JSON with these fields:",
    "",
    ...fields,
    "",
    "Exit codes:",
    ...Object.values(exitCodes).map(({ code, meaning }) => `  ${code}  ${meaning}`),
    "",
    "Environment: OTEL_EXPORTER_OTLP_ENDPOINT turns on traces (OTEL_TRACES_SAMPLER_ARG: share of payments traced, default 0.01).",
    "",
  ].join("\n");
}
