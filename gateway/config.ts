/** The gateway's configuration: one JSON file, validated before anything starts. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { normalizeBic } from "./iso20022/fields.ts";

const port = z.int().min(0).max(65_535);
const path = z.string().min(1).max(4096);
const bic = z.string().transform((text, context) => {
  const normal = normalizeBic(text);
  if (normal === undefined) context.addIssue({ code: "custom", message: "not a BIC of ISO 9362" });
  return normal ?? z.NEVER;
});

const tlsFiles = {
  /** PEM files. */
  cert: path,
  key: path,
  /** PEM file with the authorities that peers are checked against. */
  ca: path,
};

const schema = z.strictObject({
  listen: z.strictObject({
    host: z.string().min(1).default("127.0.0.1"),
    port,
    tls: z.strictObject({ ...tlsFiles, requireClientCertificate: z.boolean().default(true) }).optional(),
  }),
  /** Validators to submit to and to watch, in order of preference. */
  validators: z
    .array(z.strictObject({ seat: z.string().min(1).max(253), url: z.url({ protocol: /^https?$/ }) }))
    .min(1)
    .max(256),
  /** Client certificate for the validators. */
  validatorTls: z.strictObject(tlsFiles).optional(),
  institutions: z
    .array(
      z.strictObject({
        bic,
        /** File with the 32-byte ed25519 seed in hexadecimal. */
        keyFile: path,
        webhook: z.url({ protocol: /^https?$/ }).optional(),
        /** Residency zone its payments are kept in. */
        zone: z.string().min(1).max(63).optional(),
      }),
    )
    .min(1)
    .max(10_000),
  dataDir: path,
  metrics: z.strictObject({ host: z.string().min(1).default("127.0.0.1"), port }).optional(),
  /** Local development only: `x-institution: BIC` names a caller that shows no client certificate. */
  allowInsecureInstitutionHeader: z.boolean().default(false),
  limits: z
    .strictObject({
      maxFileBytes: z
        .int()
        .min(1024)
        .max(1 << 30)
        .default(64 * 1024 * 1024),
      maxTransactions: z.int().min(1).max(1_000_000).default(200_000),
      /** Files being read or waiting for acceptance; one more is answered 429. */
      maxConcurrentFiles: z.int().min(1).max(1024).default(32),
      /** Long polls and streams at once. */
      maxWaiting: z.int().min(1).max(10_000).default(256),
      /** Payments whose details are kept in memory for status reports. */
      maxRetainedPayments: z.int().min(1).default(500_000),
      /** Bytes kept of each institution's feed. */
      feedBytes: z
        .int()
        .min(1024 * 1024)
        .default(8 * 1024 * 1024 * 1024),
    })
    .prefault({}),
  /** How long a message may wait for its block, ms; never above the chain's window. */
  messageLifetime: z
    .int()
    .min(1000)
    .default(60 * 60 * 1000),
  /** How long one submission may take, ms. */
  submitTimeout: z.int().min(100).default(10_000),
});

/** The validated configuration. */
export type GatewayConfig = z.output<typeof schema>;

/** A configuration or the reasons against it, one a line. */
export type ConfigResult =
  | { readonly kind: "ok"; readonly config: GatewayConfig }
  | { readonly kind: "invalid"; readonly message: string };

/** Validates a configuration value. */
export function parseConfig(value: unknown): ConfigResult {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { kind: "invalid", message: z.prettifyError(parsed.error) };
  const bics = parsed.data.institutions.map((institution) => institution.bic);
  const twice = bics.find((one, at) => bics.indexOf(one) !== at);
  if (twice !== undefined) return { kind: "invalid", message: `institution ${twice} is configured twice` };
  return { kind: "ok", config: parsed.data };
}

/** Reads and validates a configuration file. */
export async function readConfig(file: string): Promise<ConfigResult> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    return { kind: "invalid", message: `${file}: ${error instanceof Error ? error.message : String(error)}` };
  }
  return parseConfig(value);
}
