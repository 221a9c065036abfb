/** Verifying a settlement proof offline: from its bytes and a genesis document that the reader trusts, nothing else. */
import type { EpochConfig } from "../validator/consensus/types.ts";
import { type MemberKeys, memberKeys, verifyCertificate, verifyPossession } from "../validator/crypto/bls.ts";
import { parseGenesis } from "../validator/ledger/genesis.ts";
import { genesisAnchor, type ProofVerdict, type TrustAnchor, verifyProof } from "../validator/ledger/proof.ts";

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

/** Reads the document; its members are the set of epoch 0, from which later sets are reached by their handovers. */
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
  const keys = keyRing();
  const anchor = genesisAnchor(genesis, chainId, {
    verifyCertificate: (certificate, config) => verifyCertificate(keys(config), certificate) !== undefined,
    provesPossession: verifyPossession,
  });
  const impostor = genesis.members.find(
    ({ blsKey, peerKey, proofOfPossession }) =>
      !verifyPossession(bytes(blsKey), bytes(peerKey), bytes(proofOfPossession)),
  );
  if (impostor) return { kind: "invalid", reason: `${impostor.id} does not prove that it holds its key` };
  return {
    kind: "trusted",
    genesis: {
      anchor,
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

/** Parses each set's keys once. */
function keyRing(): (config: EpochConfig) => MemberKeys {
  const parsed = new WeakMap<EpochConfig, MemberKeys>();
  return (config) => {
    const known = parsed.get(config) ?? memberKeys(config);
    parsed.set(config, known);
    return known;
  };
}

const bytes = (hex: string) => Buffer.from(hex, "hex");
