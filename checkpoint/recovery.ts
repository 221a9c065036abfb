/** The statement with which a chain's governance set allows another chain to go on from a checkpoint of it. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { ed25519Signer } from "../validator/crypto/ed25519.ts";
import { type Recovery, recoverySchema } from "../validator/ledger/genesis.ts";
import { recoveryBytes } from "../validator/ledger/recovery.ts";
import type { Manifest } from "./manifest.ts";

export interface Signing {
  /** Position in the governance set. */
  readonly key: number;
  /** ed25519, 32 bytes in hexadecimal. */
  readonly seed: string;
}

/** The statement over a checkpoint, with these signatures and those that `before` has of the same statement. */
export function signRecovery(
  { chainId, height, stateRoot }: Pick<Manifest, "chainId" | "height" | "stateRoot">,
  { settledHeight, chainName }: Pick<Recovery["statement"], "settledHeight" | "chainName">,
  signers: readonly Signing[],
  before?: Recovery,
): Recovery {
  const statement = { action: "restore-chain" as const, chainId, height, stateRoot, settledHeight, chainName };
  const bytes = recoveryBytes(statement);
  const same = before && Buffer.from(recoveryBytes(before.statement)).equals(bytes) ? before.signatures : [];
  const fresh = signers.map(({ key, seed }) => ({
    key,
    signature: Buffer.from(ed25519Signer(hexToBytes(seed)).sign(bytes)).toString("hex"),
  }));
  const others = same.filter(({ key }) => !fresh.some((each) => each.key === key));
  return { statement, signatures: [...others, ...fresh].sort((a, b) => a.key - b.key) };
}

/** Undefined when the text is no signed statement. */
export function parseRecovery(text: string): Recovery | undefined {
  try {
    return recoverySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
