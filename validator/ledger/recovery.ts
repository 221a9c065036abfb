/**
 * A chain restored from a checkpoint of another one, whose validators and keys are lost: what its governance set signs
 * to allow it, and the state that the new chain begins with.
 *
 * Carried over: accounts, institutions, governance, zones, money issued, the history and the executed keys, so that
 * heights go on and nothing executes twice. Begun anew: the chain's id, the validator set, epochs, coverage, the beacon.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { concat } from "../codec/bytes.ts";
import { domain } from "../codec/certificate.ts";
import { type Digest, height as toHeight, zeroDigest } from "../consensus/types.ts";
import { anchorHash } from "./anchor.ts";
import { initialChainState } from "./chain-state.ts";
import { canonicalJson, type Genesis, type Recovery } from "./genesis.ts";
import type { Governance } from "./governance.ts";
import type { SnapshotContent } from "./snapshot.ts";

/** What a signature of the governance set is over: its hash under a domain of its own, 32 bytes. */
export function recoveryBytes(statement: Recovery["statement"]): Uint8Array {
  return sha256(concat(domain("recovery"), sha256(utf8ToBytes(canonicalJson(statement)))));
}

/** Why the statement does not hold under the governance set of the state that is restored; "" when it does. */
export function recoveryFault(
  { statement, signatures }: Recovery,
  governance: Pick<Governance, "keys" | "threshold">,
  verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean,
): string {
  const bytes = recoveryBytes(statement);
  const good = new Set(
    signatures.flatMap(({ key, signature }) => {
      const publicKey = governance.keys[key];
      return publicKey !== undefined && verify(hexToBytes(publicKey), bytes, hexToBytes(signature)) ? [key] : [];
    }),
  );
  if (good.size < governance.threshold)
    return `the recovery statement has ${good.size} good signatures of the ${governance.threshold} that governance asks for`;
  if (statement.settledHeight < statement.height) return "the recovery statement settles less than it restores";
  return "";
}

export type RestoredState =
  | { readonly kind: "restored"; readonly content: SnapshotContent }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * The first state of the chain that `genesis` names, from that of the old one. Its root was found to be the statement's,
 * and the statement to hold, before.
 */
export function restoredState(content: SnapshotContent, genesis: Genesis, chainId: Digest): RestoredState {
  const { state, height, time } = content;
  const unknown = genesis.members.flatMap(({ zones }) => zones).find((zone) => !state.zones.includes(zone));
  if (unknown !== undefined) return { kind: "refused", reason: `the restored state has no zone ${unknown}` };
  const first = initialChainState(genesis, chainId);
  // A key that was in a set may be lost, or in wrong hands: it never comes back.
  const reused = first.set.usedKeys.find((key) => state.set.usedKeys.includes(key));
  if (reused !== undefined) return { kind: "refused", reason: "a member's key was used on the chain that is restored" };
  const { zones, expiryWindow, institutions, governance, issued, settledPayments } = state;
  return {
    kind: "restored",
    content: {
      ...content,
      state: {
        ...first,
        set: { ...first.set, usedKeys: [...state.set.usedKeys, ...first.set.usedKeys] },
        zones,
        expiryWindow,
        institutions,
        governance,
        issued,
        settledPayments,
      },
      anchor: {
        hash: anchorHash(chainId),
        height: toHeight(height),
        time,
        rootHeight: toHeight(height),
        root: zeroDigest,
      },
    },
  };
}
