/** The configuration of the checkpoint program: one JSON file, validated before anything starts. */
import { readFileSync } from "node:fs";
import { z } from "zod";

const path = z.string().min(1).max(4_096);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const schema = z.strictObject({
  /** Hexadecimal. */
  chainId: z.string().regex(/^[0-9a-f]{64}$/),
  /** Asked one after the other. */
  validators: z
    .array(z.strictObject({ seat: z.string().min(1).max(253), url: z.url({ protocol: /^https?$/ }) }))
    .max(256)
    .default([]),
  /** Client certificate for the validators, PEM files. */
  tls: z.strictObject({ cert: path, key: path, ca: path }).optional(),
  /** Exactly one of the two. */
  destination: z
    .strictObject({
      directory: path.optional(),
      s3: z
        .strictObject({
          bucket: z.string().min(3).max(63),
          prefix: z.string().max(512).default(""),
          endpoint: z.url({ protocol: /^https?$/ }).optional(),
          region: z.string().max(63).default(""),
          /** Folder with `accessKeyId` and `secretAccessKey`, a file each. */
          credentials: path,
          objectLock: z
            .strictObject({ mode: z.enum(["Governance", "Compliance"]), days: z.int().min(1).max(36_500) })
            .optional(),
        })
        .optional(),
    })
    .refine(
      ({ directory, s3 }) => (directory === undefined) !== (s3 === undefined),
      "set exactly one of directory and s3",
    ),
  /** A folder for scratch volumes. */
  scratch: path,
  /** Where the outcome is written, JSON; absent: standard output alone. */
  result: path.optional(),
  /** Of the checkpoint; 0: the newest. */
  height: count.default(0),
  /** A checkpoint of a lower height is stale. */
  notBelow: count.default(0),
  /** Blocks above it that come along and are executed again. */
  replay: z.int().min(1).max(1_024).default(8),
  /** Restore what was written. */
  verify: z.boolean().default(true),
  /** Newest checkpoints that stay when others are removed; 0: none is removed. */
  retention: z.int().min(0).max(10_000).default(0),
  /** Keys of manifests to remove, whatever their age. */
  drop: z.array(z.string().min(1).max(1_024)).max(10_000).default([]),
  /** Key of the manifest to verify or to restore from. */
  manifest: z.string().min(1).max(1_024).optional(),
  /** Its SHA-256, hexadecimal. */
  manifestDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** What is restored to the validators: the height and the root, hexadecimal, that the recovery statement names. */
  restore: z.strictObject({ height: z.int().min(1), stateRoot: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
  /** How long it is tried, ms. */
  timeout: z.int().min(1_000).max(86_400_000).default(3_600_000),
});

export type CheckpointConfig = z.output<typeof schema>;

export type ConfigResult =
  | { readonly kind: "ok"; readonly config: CheckpointConfig }
  | { readonly kind: "invalid"; readonly message: string };

export function readConfig(file: string): ConfigResult {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    return { kind: "invalid", message: `${file}: ${error instanceof Error ? error.message : String(error)}` };
  }
  const parsed = schema.safeParse(value);
  return parsed.success
    ? { kind: "ok", config: parsed.data }
    : { kind: "invalid", message: z.prettifyError(parsed.error) };
}
