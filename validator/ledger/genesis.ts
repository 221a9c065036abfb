/** The genesis document: everything the first block stands on, and the source of the chain's name. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { defaultParameters, parameterTable } from "../consensus/parameters.ts";
import { isRotatable } from "../consensus/power.ts";
import { type Digest, digest, type Parameters, power } from "../consensus/types.ts";
import { currencyByAlpha } from "./currencies.ts";

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `must be ${bytes} bytes as lower-case hexadecimal`);
/** Minor units: an integer, or its decimal digits. */
const amount = z
  .union([z.int().nonnegative(), z.string().regex(/^\d{1,16}$/, "must be minor units: digits only")])
  .transform(Number)
  .refine(Number.isSafeInteger, "must be at most 2^53 − 1 minor units");
const bic = z.string().regex(/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}[A-Z0-9]{3}$/, "must be a BIC of 11 characters");
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/, "must be letters, digits and hyphens, at most 63");

export const memberSchema = z.strictObject({
  id: name,
  power: z.int().min(1).max(1_000_000).transform(power),
  region: name,
  zones: z.array(name).max(8).default([]),
  blsKey: hex(48),
  peerKey: hex(32),
  proofOfPossession: hex(96),
});

const parameterShape = Object.fromEntries(
  parameterTable.map(({ name: parameter, range: [low, high] }) =>
    typeof low === "number"
      ? [parameter, z.int().min(low).max(Number(high)).default(Number(defaultParameters[parameter]))]
      : [parameter, z.enum(["ema", "jacobson", "learned"]).default(defaultParameters.timeoutPolicy)],
  ),
);

const parametersSchema = z
  .strictObject(parameterShape)
  .prefault({})
  .transform((value): Parameters => ({ ...defaultParameters, ...value }));

export const institutionSchema = z.strictObject({
  bic,
  /** ed25519 public key. */
  key: hex(32),
  /** Distinguished name of its client certificate; "" when none is registered. */
  certificateSubject: z.string().max(256).default(""),
});

export const accountSchema = z.strictObject({
  institution: bic,
  currency: z
    .string()
    .refine((alpha) => currencyByAlpha(alpha) !== undefined, "must be an ISO 4217 code that the ledger knows"),
  openingBalance: amount.default(0),
  /** How far the balance may go below zero. */
  debitCap: amount.default(0),
  /** Largest single payment; absent: none. */
  perPaymentLimit: amount.optional(),
  /** Most that may leave in one day of block time, UTC; absent: none. */
  perDayLimit: amount.optional(),
});

export const genesisSchema = z
  .strictObject({
    chainName: name,
    /** Milliseconds since the Unix epoch; the first block's time is above it. */
    time: z.int().positive(),
    faultModel: z.enum(["Byzantine", "Crash"]).default("Byzantine"),
    members: z.array(memberSchema).min(1).max(1_024),
    /** Least power that must sign from each region; a region not named here is not required. Absent: every region, 1. */
    requiredRegions: z.record(name, z.int().min(1)).optional(),
    parameters: parametersSchema,
    governance: z.strictObject({ threshold: z.int().min(1), keys: z.array(hex(32)).min(1).max(32) }),
    zones: z.array(name).max(32).default([]),
    institutions: z.array(institutionSchema).max(65_535).default([]),
    accounts: z.array(accountSchema).max(1_000_000).default([]),
    /** Longest life of a payment message, milliseconds of block time. */
    expiryWindow: z
      .int()
      .min(60_000)
      .max(7 * 86_400_000)
      .default(86_400_000),
  })
  .superRefine((genesis, context) => {
    const issue = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    duplicates(genesis.members.map((member) => member.id)).forEach((i) => issue(["members", i, "id"], "is used twice"));
    duplicates(genesis.members.map((member) => member.blsKey)).forEach((i) =>
      issue(["members", i, "blsKey"], "is used twice"),
    );
    duplicates(genesis.members.map((member) => member.peerKey)).forEach((i) =>
      issue(["members", i, "peerKey"], "is used twice"),
    );
    duplicates(genesis.institutions.map((institution) => institution.bic)).forEach((i) =>
      issue(["institutions", i, "bic"], "is used twice"),
    );
    duplicates(genesis.accounts.map((account) => `${account.institution} ${account.currency}`)).forEach((i) =>
      issue(["accounts", i], "is a second account of its institution in its currency"),
    );
    for (const [i, account] of genesis.accounts.entries()) {
      const known = genesis.institutions.some((institution) => institution.bic === account.institution);
      if (!known) issue(["accounts", i, "institution"], "is not among the institutions");
    }
    for (const [i, member] of genesis.members.entries()) {
      for (const zone of member.zones)
        if (!genesis.zones.includes(zone))
          issue(["members", i, "zones"], `names ${zone}, which is not among the zones`);
    }
    for (const region of Object.keys(genesis.requiredRegions ?? {})) {
      const held = genesis.members.some((member) => member.region === region);
      if (!held) issue(["requiredRegions", region], "has no member: settlement would wait for ever");
    }
    if (genesis.governance.threshold > genesis.governance.keys.length)
      issue(["governance", "threshold"], "is above the number of keys");
  });

/** Genesis as a document is written. */
export type GenesisDocument = z.input<typeof genesisSchema>;
/** Genesis, checked and with defaults filled in. */
export type Genesis = z.output<typeof genesisSchema>;

export type ParsedGenesis =
  | { readonly kind: "ok"; readonly genesis: Genesis; readonly chainId: Digest; readonly rotatable: boolean }
  /** One sentence a fault: the field's path and what it must be. */
  | { readonly kind: "refused"; readonly reasons: readonly string[] };

export function parseGenesis(document: unknown): ParsedGenesis {
  const parsed = genesisSchema.safeParse(document);
  if (!parsed.success) {
    return {
      kind: "refused",
      reasons: parsed.error.issues.map((issue) => `genesis.${issue.path.join(".")}: ${issue.message}`),
    };
  }
  const genesis = parsed.data;
  return {
    kind: "ok",
    genesis,
    chainId: chainId(genesis),
    rotatable: isRotatable(genesis.members, genesis.faultModel),
  };
}

/** Names the chain: sha256 of the canonical genesis. */
export function chainId(genesis: Genesis): Digest {
  return digest(bytesToHex(sha256(utf8ToBytes(canonicalJson(genesis)))));
}

/** JSON with sorted keys and no spaces: one spelling of a value. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

/** Indexes of values that stood before. */
function duplicates(values: readonly string[]): readonly number[] {
  const seen = new Set<string>();
  return values.flatMap((value, i) => (seen.has(value) ? [i] : (seen.add(value), [])));
}
