/**
 * Governance transactions: canonical bytes, k-of-n signatures, and what each asks of the chain. Whether it is granted is
 * decided when it executes (`chain-state.ts`).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { bytesEqual, concat, reader, writer } from "../codec/bytes.ts";
import { domain } from "../codec/certificate.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import { parameterTable } from "../consensus/parameters.ts";
import type { Digest, GovernanceTransaction } from "../consensus/types.ts";
import {
  accountSchema,
  canonicalJson,
  institutionSchema,
  learnerSchema,
  maxGovernanceKeys,
  maxLearners,
  memberSchema,
  parseCanonicalJson,
} from "./genesis.ts";

const bic = institutionSchema.shape.bic;
const hexKey = institutionSchema.shape.key;
const currency = accountSchema.shape.currency;
const amount = accountSchema.shape.debitCap;
const account = { institution: bic, currency };
const governed = parameterTable.map((row) => row.name);

/** What a transaction asks for. Amounts are minor units. */
const actionSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("add-institution"), institution: institutionSchema }),
  z.strictObject({ kind: z.literal("suspend-institution"), bic }),
  z.strictObject({ kind: z.literal("resume-institution"), bic }),
  z.strictObject({ kind: z.literal("open-account"), account: accountSchema }),
  z.strictObject({ kind: z.literal("fund"), ...account, amount }),
  z.strictObject({ kind: z.literal("withdraw"), ...account, amount }),
  z.strictObject({
    kind: z.literal("relimit"),
    ...account,
    debitCap: amount.optional(),
    perPaymentLimit: amount.optional(),
    perDayLimit: amount.optional(),
  }),
  z.strictObject({
    kind: z.literal("set-members"),
    members: z.array(memberSchema).min(1).max(1_024),
    requiredRegions: z.record(memberSchema.shape.region, z.int().min(1)).optional(),
  }),
  z.strictObject({
    kind: z.literal("rotate-seat"),
    /** The epoch under way: an old rotation is no rotation. */
    epoch: z.int().nonnegative(),
    seat: memberSchema.shape.id,
    currentKey: memberSchema.shape.blsKey,
    blsKey: memberSchema.shape.blsKey,
    peerKey: memberSchema.shape.peerKey,
    proofOfPossession: memberSchema.shape.proofOfPossession,
  }),
  z.strictObject({ kind: z.literal("set-learners"), learners: z.array(learnerSchema).max(maxLearners) }),
  z.strictObject({
    kind: z.literal("set-parameters"),
    parameters: z.partialRecord(z.enum(governed as [string, ...string[]]), z.union([z.number(), z.string()])),
  }),
  z.strictObject({
    kind: z.literal("set-governance"),
    threshold: z.int().min(1),
    keys: z.array(hexKey).min(1).max(maxGovernanceKeys),
  }),
]);

export type ActionDocument = z.input<typeof actionSchema>;
export type Action = z.output<typeof actionSchema>;

export interface Governance {
  readonly threshold: number;
  /** ed25519 public keys, hexadecimal. */
  readonly keys: readonly string[];
  /** The sequence number that the next transaction must carry. */
  readonly sequence: number;
}

export interface ParsedTransaction {
  readonly chainId: Digest;
  readonly sequence: number;
  readonly action: Action;
  readonly signatures: readonly { readonly key: number; readonly signature: Uint8Array }[];
  /** What the keys sign: 32 bytes. */
  readonly signedBytes: Uint8Array;
}

const closing: ReadonlySet<Action["kind"]> = new Set([
  "set-members",
  "rotate-seat",
  "set-learners",
  "set-parameters",
  "set-governance",
]);

/** Does the block that carries it close its epoch? */
export function closesEpoch(action: Pick<Action, "kind">): boolean {
  return closing.has(action.kind);
}

const magic = utf8ToBytes("VSG1");
const maxBody = 48 * 1024;
const maxSignatures = 32;

/** `"VSG1"`, version u16, zero u16, chainId 32, sequence u64, action length u32 and its canonical JSON: what is signed. */
function encodeUnsigned(chainId: Digest, sequence: number, action: ActionDocument): Uint8Array {
  const body = utf8ToBytes(canonicalJson(action));
  const out = writer(64 + body.length);
  out.bytes(magic);
  out.u16(1);
  out.u16(0);
  out.digest(chainId);
  out.u64(sequence);
  out.u32(body.length);
  out.bytes(body);
  return out.finish();
}

function bytesToSign(unsigned: Uint8Array): Uint8Array {
  return sha256(concat(domain("governance"), unsigned));
}

/** A transaction signed by these keys of the governance set, given by their positions. */
export function buildTransaction(
  chainId: Digest,
  sequence: number,
  action: ActionDocument,
  signers: readonly { readonly key: number; sign(bytes: Uint8Array): Uint8Array }[],
): GovernanceTransaction {
  const unsigned = encodeUnsigned(chainId, sequence, action);
  const message = bytesToSign(unsigned);
  const out = writer(unsigned.length + 2 + 66 * signers.length);
  out.bytes(unsigned);
  out.u16(signers.length);
  for (const signer of [...signers].sort((a, b) => a.key - b.key)) {
    out.u16(signer.key);
    out.bytes(signer.sign(message));
  }
  return { bytes: out.finish(), closesEpoch: closesEpoch(action) };
}

export function parseTransaction(bytes: Uint8Array): Decoded<ParsedTransaction> {
  const input = reader(bytes);
  if (!bytesEqual(input.bytes(4), magic) || input.u16() !== 1 || input.u16() !== 0)
    return refused("governance: magic or version");
  const chainId = input.digest();
  const sequence = input.u64();
  const length = input.u32();
  if (length > maxBody) return refused("governance: too large", "too-large");
  const body = input.bytes(length);
  const unsigned = bytes.subarray(0, bytes.length - input.left);
  const count = input.u16();
  if (count > maxSignatures) return refused("governance: too many signatures", "too-large");
  const signatures = Array.from({ length: count }, () => ({ key: input.u16(), signature: input.bytes(64) }));
  if (input.failed || input.left > 0) return refused("governance: not its layout");
  if (signatures.some(({ key }, i) => i > 0 && key <= (signatures[i - 1]?.key ?? 0)))
    return refused("governance: signatures not ascending", "not-canonical");
  const action = parseAction(body);
  if (!action) return refused("governance: not a canonical action", "not-canonical");
  return decoded({ chainId, sequence, action, signatures, signedBytes: bytesToSign(unsigned) });
}

function parseAction(body: Uint8Array): Action | undefined {
  const parsed = actionSchema.safeParse(parseCanonicalJson(body));
  return parsed.success ? parsed.data : undefined;
}

/** Did k of the n keys sign it, for this chain? `verify` checks ed25519. */
export function satisfies(
  governance: Governance,
  chainId: Digest,
  transaction: ParsedTransaction,
  verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean,
): boolean {
  if (transaction.chainId !== chainId) return false;
  const good = transaction.signatures.filter(({ key, signature }) => {
    const publicKey = governance.keys[key];
    return publicKey !== undefined && verify(hexToBytes(publicKey), transaction.signedBytes, signature);
  });
  return good.length >= governance.threshold;
}
