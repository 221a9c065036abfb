/** The genesis document: everything the first block stands on, and the source of the chain's name. */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { bytesEqual, toHex } from "../codec/bytes.ts";
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

/** Bounds of the chain's tables. */
export const maxInstitutions = 65_535;
export const maxAccounts = 1_000_000;
export const maxGovernanceKeys = 32;

export const memberSchema = z.strictObject({
  id: name,
  power: z.int().min(1).max(1_000_000).transform(power),
  region: name,
  zones: z.array(name).max(8).default([]),
  blsKey: hex(48),
  peerKey: hex(32),
  proofOfPossession: hex(96),
  /** ed25519 key of the institution whose seat it is; absent: only the governance set acts for the seat. */
  owner: hex(32).optional(),
  /** ed25519 key that may rotate and repair the seat in its owner's name: an operator's. */
  delegate: hex(32).optional(),
});

/** A process that follows without a vote; `seat`: the one it follows for, to take it over later. */
export const learnerSchema = z.strictObject({ id: name, peerKey: hex(32), seat: name.optional() });
export const maxLearners = 64;
/** A seat's next identity, and one that failed and is on its way out. */
export const maxLearnersOfSeat = 2;

/** Every parameter, each in its range; `optional`: what is absent takes its default. */
export function parametersSchema(optional: boolean) {
  const shape = parameterTable.map(({ name: parameter, range: [low, high] }) => {
    const value = typeof low === "number" ? z.int().min(low).max(Number(high)) : z.enum(["ema", "jacobson", "learned"]);
    return [parameter, optional ? value.optional() : value];
  });
  return z
    .strictObject(Object.fromEntries(shape))
    .transform((value): Parameters => ({ ...defaultParameters, ...value }));
}

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

/** What the governance set of a chain signs so that another one may go on from a checkpoint of it. */
export const recoverySchema = z.strictObject({
  statement: z.strictObject({
    action: z.literal("restore-chain"),
    /** Of the chain that is restored. */
    chainId: hex(32),
    height: z.int().min(1),
    /** Certified at that height. */
    stateRoot: hex(32),
    /** The last height known to have settled: payments above `height` up to it are to be submitted again. */
    settledHeight: z.int().min(1),
    /** Name of the chain that goes on. */
    chainName: name,
  }),
  /** ed25519, by position in the governance set of the restored state (`recovery.ts`). */
  signatures: z
    .array(
      z.strictObject({
        key: z
          .int()
          .min(0)
          .max(maxGovernanceKeys - 1),
        signature: hex(64),
      }),
    )
    .min(1)
    .max(maxGovernanceKeys),
});
export type Recovery = z.output<typeof recoverySchema>;

export const genesisSchema = z
  .strictObject({
    chainName: name,
    /** Milliseconds since the Unix epoch; the first block's time is above it. */
    time: z.int().positive(),
    faultModel: z.enum(["Byzantine", "Crash"]).default("Byzantine"),
    members: z.array(memberSchema).min(1).max(1_024),
    /** Who may connect to the members and follow. */
    learners: z.array(learnerSchema).max(maxLearners).optional(),
    /** Least power that must sign from each region; a region not named here is not required. Absent: every region, 1. */
    requiredRegions: z.record(name, z.int().min(1)).optional(),
    parameters: parametersSchema(true).prefault({}),
    governance: z.strictObject({ threshold: z.int().min(1), keys: z.array(hex(32)).min(1).max(maxGovernanceKeys) }),
    zones: z.array(name).max(32).default([]),
    institutions: z.array(institutionSchema).max(maxInstitutions).default([]),
    accounts: z.array(accountSchema).max(maxAccounts).default([]),
    /** Longest life of a payment message, milliseconds of block time. */
    expiryWindow: z
      .int()
      .min(60_000)
      .max(7 * 86_400_000)
      .default(86_400_000),
    /** Institutions, accounts, zones, governance and the window are those of the state it is restored from. */
    restored: recoverySchema.optional(),
  })
  .superRefine((genesis, context) => {
    const issue = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    const unique = (values: readonly string[], path: (index: number) => (string | number)[], message: string) => {
      for (const i of duplicates(values)) issue(path(i), message);
    };
    for (const field of ["id", "blsKey", "peerKey"] as const)
      unique(
        genesis.members.map((member) => member[field]),
        (i) => ["members", i, field],
        "is used twice",
      );
    unique(
      genesis.institutions.map((institution) => institution.bic),
      (i) => ["institutions", i, "bic"],
      "is used twice",
    );
    const peers = [...genesis.members, ...(genesis.learners ?? [])];
    const learnerAt = (i: number) => i - genesis.members.length;
    for (const field of ["id", "peerKey"] as const)
      for (const i of duplicates(peers.map((peer) => peer[field])))
        if (learnerAt(i) >= 0) issue(["learners", learnerAt(i), field], "is used twice");
    const seats = new Set(genesis.members.map(({ id }) => id));
    for (const [i, { seat }] of (genesis.learners ?? []).entries())
      if (seat !== undefined && !seats.has(seat)) issue(["learners", i, "seat"], "is not among the members");
    unique(genesis.governance.keys, (i) => ["governance", "keys", i], "is used twice");
    unique(genesis.zones, (i) => ["zones", i], "is used twice");
    unique(
      genesis.accounts.map((account) => `${account.institution} ${account.currency}`),
      (i) => ["accounts", i],
      "is a second account of its institution in its currency",
    );
    const bics = new Set(genesis.institutions.map((institution) => institution.bic));
    const issued = new Map<string, number>();
    for (const [i, account] of genesis.accounts.entries()) {
      if (!bics.has(account.institution)) issue(["accounts", i, "institution"], "is not among the institutions");
      const total = (issued.get(account.currency) ?? 0) + account.openingBalance;
      issued.set(account.currency, total);
      if (total > Number.MAX_SAFE_INTEGER) {
        issue(["accounts", i, "openingBalance"], `brings the money in ${account.currency} above 2^53 − 1 minor units`);
        return;
      }
    }
    for (const [i, member] of genesis.members.entries()) {
      if (member.delegate !== undefined && member.owner === undefined)
        issue(["members", i, "delegate"], "acts for an owner, and the seat has none");
      for (const zone of member.zones)
        if (!genesis.zones.includes(zone))
          issue(["members", i, "zones"], `names ${zone}, which is not among the zones`);
    }
    for (const [region, least] of Object.entries(genesis.requiredRegions ?? {})) {
      const held = genesis.members.reduce((sum, member) => (member.region === region ? sum + member.power : sum), 0);
      if (held < least)
        issue(["requiredRegions", region], `holds ${held} power, less than required: settlement would wait for ever`);
    }
    if (genesis.governance.threshold > genesis.governance.keys.length)
      issue(["governance", "threshold"], "is above the number of keys");
    const { restored } = genesis;
    if (restored && restored.statement.chainName !== genesis.chainName)
      issue(["restored", "statement", "chainName"], `allows another chain than ${genesis.chainName}`);
    if (restored && genesis.institutions.length + genesis.accounts.length > 0)
      issue(["restored"], "brings institutions and accounts of its own: the document has none");
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
  return digest(toHex(sha256(utf8ToBytes(canonicalJson(genesis)))));
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

/** The value of canonical JSON in UTF-8; undefined for bytes that `canonicalJson` would spell otherwise. */
export function parseCanonicalJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    // The one key that copies of an object lose: it could be added unseen.
    if (text.includes('"__proto__"')) return undefined;
    const value: unknown = JSON.parse(text);
    return bytesEqual(utf8ToBytes(canonicalJson(value)), bytes) ? value : undefined;
  } catch {
    // Neither the decoder nor the parser can say otherwise that it is none.
    return undefined;
  }
}

/** Indexes of values that stood before. */
function duplicates(values: readonly string[]): readonly number[] {
  const seen = new Set<string>();
  const found: number[] = [];
  for (const [i, value] of values.entries()) {
    if (seen.has(value)) found.push(i);
    seen.add(value);
  }
  return found;
}
