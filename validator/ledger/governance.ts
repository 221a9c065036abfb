/**
 * Governance transactions: canonical bytes, signatures, and what each asks of the chain. The governance set may ask for
 * anything with k of its n keys; a seat's owner, or the delegate it named, for what concerns the seat's own processes
 * alone. Whether it is granted is decided when it executes (`govern.ts`).
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
/** Of an action on one seat: the epoch under way, so that an old one is none, and the seat's name. */
const ofSeat = { epoch: z.int().nonnegative(), seat: memberSchema.shape.id };
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
    ...ofSeat,
    currentKey: memberSchema.shape.blsKey,
    blsKey: memberSchema.shape.blsKey,
    peerKey: memberSchema.shape.peerKey,
    proofOfPossession: memberSchema.shape.proofOfPossession,
  }),
  /** Names who may act for the seat beside its owner; absent: nobody. */
  z.strictObject({ kind: z.literal("delegate-seat"), ...ofSeat, delegate: hexKey.optional() }),
  z.strictObject({
    kind: z.literal("add-learner"),
    ...ofSeat,
    learner: memberSchema.shape.id,
    peerKey: memberSchema.shape.peerKey,
  }),
  z.strictObject({ kind: z.literal("remove-learner"), ...ofSeat, learner: memberSchema.shape.id }),
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

/** In whose name a transaction comes: of the governance set, or of the seat that its action names. */
export type Authority = "governance" | "seat";

/** Who may act for a seat, ed25519 public keys, hexadecimal. */
export interface SeatOwner {
  readonly owner: string;
  readonly delegate?: string | undefined;
}

export interface ParsedTransaction {
  readonly chainId: Digest;
  readonly authority: Authority;
  /** Under a seat's authority 0: the epoch in the action is what keeps an old one from counting again. */
  readonly sequence: number;
  readonly action: Action;
  readonly signatures: readonly { readonly key: number; readonly signature: Uint8Array }[];
  /** What the keys sign: 32 bytes. */
  readonly signedBytes: Uint8Array;
}

const closing: ReadonlySet<Action["kind"]> = new Set([
  "set-members",
  "rotate-seat",
  "delegate-seat",
  "add-learner",
  "remove-learner",
  "set-learners",
  "set-parameters",
  "set-governance",
]);

/** Does the block that carries it close its epoch? */
export function closesEpoch(action: Pick<Action, "kind">): boolean {
  return closing.has(action.kind);
}

const magic = utf8ToBytes("VSG1");
const authorities: readonly (Authority | undefined)[] = ["governance", "seat"];
const maxBody = 48 * 1024;
const maxSignatures = 32;

/** `"VSG1"`, version u16, authority u16, chainId 32, sequence u64, action length u32 and its canonical JSON: what is signed. */
function encodeUnsigned(chainId: Digest, authority: Authority, sequence: number, action: ActionDocument): Uint8Array {
  const body = utf8ToBytes(canonicalJson(action));
  const out = writer(64 + body.length);
  out.bytes(magic);
  out.u16(1);
  out.u16(authority === "governance" ? 0 : 1);
  out.digest(chainId);
  out.u64(sequence);
  out.u32(body.length);
  out.bytes(body);
  return out.finish();
}

function bytesToSign(unsigned: Uint8Array): Uint8Array {
  return sha256(concat(domain("governance"), unsigned));
}

interface Signer {
  /** The key's position: in the governance set, or of a seat's keys (`ownerKey`, `delegateKey`). */
  readonly key: number;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Positions of a seat's keys. */
export const ownerKey = 0;
export const delegateKey = 1;

/** A transaction signed by these keys of the governance set, given by their positions. */
export function buildTransaction(
  chainId: Digest,
  sequence: number,
  action: ActionDocument,
  signers: readonly Signer[],
): GovernanceTransaction {
  return build(chainId, "governance", sequence, action, signers);
}

/** A transaction in the name of the seat that its action names. */
export function buildSeatTransaction(chainId: Digest, action: ActionDocument, signer: Signer): GovernanceTransaction {
  return build(chainId, "seat", 0, action, [signer]);
}

function build(
  chainId: Digest,
  authority: Authority,
  sequence: number,
  action: ActionDocument,
  signers: readonly Signer[],
): GovernanceTransaction {
  const unsigned = encodeUnsigned(chainId, authority, sequence, action);
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
  if (!bytesEqual(input.bytes(4), magic) || input.u16() !== 1) return refused("governance: magic or version");
  const authority = authorities[input.u16()];
  if (authority === undefined) return refused("governance: unknown authority");
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
  if (authority === "seat" && sequence !== 0) return refused("governance: a seat has no sequence", "not-canonical");
  return decoded({ chainId, authority, sequence, action, signatures, signedBytes: bytesToSign(unsigned) });
}

function parseAction(body: Uint8Array): Action | undefined {
  const parsed = actionSchema.safeParse(parseCanonicalJson(body));
  return parsed.success ? parsed.data : undefined;
}

/**
 * Why the transaction's signatures do not permit its action on this chain; "" when they do. `owners`: of every seat that
 * has one. `verify` checks ed25519.
 */
export function unauthorized(
  { governance, owners }: { readonly governance: Governance; readonly owners: Readonly<Record<string, SeatOwner>> },
  chainId: Digest,
  transaction: ParsedTransaction,
  verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean,
): string {
  if (transaction.chainId !== chainId) return "it is for another chain";
  const { authority, action, signatures, signedBytes } = transaction;
  const signed = (publicKey: string | undefined, signature: Uint8Array) =>
    publicKey !== undefined && verify(hexToBytes(publicKey), signedBytes, signature);
  if (authority === "governance") {
    const good = signatures.filter(({ key, signature }) => signed(governance.keys[key], signature));
    return good.length >= governance.threshold ? "" : "too few good signatures of the governance set";
  }
  switch (action.kind) {
    case "rotate-seat":
    case "delegate-seat":
    case "add-learner":
    case "remove-learner": {
      const seat = owners[action.seat];
      const [first] = signatures;
      if (!seat || !first || signatures.length > 1) return `it needs one signature of ${action.seat}'s owner`;
      if (first.key === ownerKey && signed(seat.owner, first.signature)) return "";
      // Whom the owner trusts is the owner's to say.
      const delegated = first.key === delegateKey && action.kind !== "delegate-seat";
      return delegated && signed(seat.delegate, first.signature) ? "" : `not a good signature for ${action.seat}`;
    }
    default:
      return `${action.kind} is the governance set's to ask for`;
  }
}
