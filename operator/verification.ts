/** Verifying a settlement proof offline: from its bytes and a genesis document that the reader trusts, nothing else. */

import { type EpochConfig, epoch, height, zeroDigest } from "../validator/consensus/types.ts";
import { memberKeys, verifyCertificate } from "../validator/crypto/bls.ts";
import { parseGenesis } from "../validator/ledger/genesis.ts";
import { type ProofVerdict, type TrustAnchor, verifyProof } from "../validator/ledger/proof.ts";

/** What a genesis document says to a reader of proofs. */
export interface TrustedGenesis {
  readonly anchor: TrustAnchor;
  readonly chainId: string;
  readonly chainName: string;
  /** BICs by institution index. */
  readonly institutions: readonly string[];
  /** Institution index by account index. */
  readonly accounts: readonly number[];
}

export type TrustResult =
  | { readonly kind: "trusted"; readonly genesis: TrustedGenesis }
  | { readonly kind: "invalid"; readonly reason: string };

/** Reads the document; its members are the set of epoch 0. */
export function trustGenesis(text: string): TrustResult {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { kind: "invalid", reason: "the genesis document is not JSON" };
  }
  const parsed = parseGenesis(document);
  if (parsed.kind === "refused") return { kind: "invalid", reason: parsed.reasons.join("; ") };
  const { genesis, chainId } = parsed;
  const members = genesis.members.map(({ proofOfPossession: _, ...member }) => member);
  const config: EpochConfig = {
    chainId,
    epoch: epoch(0),
    members,
    faultModel: genesis.faultModel,
    coverage: {
      requiredRegions: genesis.requiredRegions ?? Object.fromEntries(members.map(({ region }) => [region, 1])),
    },
    parameters: genesis.parameters,
    // No proof depends on these two: leaders and anchors matter to those who vote.
    beacon: zeroDigest,
    anchor: { hash: zeroDigest, height: height(0), time: genesis.time, rootHeight: height(0), root: zeroDigest },
  };
  let keys: ReturnType<typeof memberKeys>;
  try {
    keys = memberKeys(config);
  } catch (error) {
    return { kind: "invalid", reason: error instanceof Error ? error.message : String(error) };
  }
  return {
    kind: "trusted",
    genesis: {
      anchor: { config, verifyCertificate: (certificate) => verifyCertificate(keys, certificate) !== undefined },
      chainId,
      chainName: genesis.chainName,
      institutions: genesis.institutions.map(({ bic }) => bic),
      accounts: genesis.accounts.map(({ institution }) =>
        genesis.institutions.findIndex(({ bic }) => bic === institution),
      ),
    },
  };
}

/** Checks every link of the proof from its receipt to the genesis set. */
export function verifyOffline(proof: Uint8Array, genesis: TrustedGenesis): ProofVerdict {
  return verifyProof(proof, genesis.anchor);
}
