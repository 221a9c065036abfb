/** The way from this member's epoch to a later one, as a peer has it: each handover is believed for its proof alone. */
import { bytesEqual, reader, writer } from "../codec/bytes.ts";
import type { EpochConfig } from "../consensus/types.ts";
import { type MemberKeys, memberKeys, parseMemberKeys, verifyCertificate, verifyPossession } from "../crypto/bls.ts";
import { handOver } from "../ledger/handover.ts";
import { decodeHandover, encodeHandover } from "../ledger/proof-bytes.ts";

/** The handover to an epoch's set, as stored. */
export interface StoredHandover {
  readonly epoch: number;
  readonly bytes: Uint8Array;
}

export type Way =
  | { readonly kind: "way"; readonly keys: MemberKeys; readonly handovers: readonly StoredHandover[] }
  /** The peer has none that reaches so far. */
  | { readonly kind: "none" }
  /** No honest member sends this: why. */
  | { readonly kind: "dishonest"; readonly reason: string };

export function encodeHandovers(handovers: readonly Uint8Array[]): Uint8Array {
  const out = writer();
  for (const each of handovers) {
    out.u32(each.length);
    out.bytes(each);
  }
  return out.finish();
}

/** Undefined when the bytes are no list. */
function decodeHandovers(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const input = reader(bytes);
  const found: Uint8Array[] = [];
  while (input.left > 0 && !input.failed) found.push(input.bytes(input.u32()).slice());
  return input.failed ? undefined : found;
}

/** Follows handovers to the epoch. `ask`: the peer's list from an epoch on, undefined when it does not answer. */
export async function followTo(
  epoch: number,
  from: MemberKeys,
  ask: (from: number) => Promise<Uint8Array | undefined>,
): Promise<Way> {
  const handovers: StoredHandover[] = [];
  let trusted: EpochConfig = from.config;
  while (trusted.epoch < epoch) {
    const before = trusted.epoch;
    const answer = await ask(before);
    if (!answer) return { kind: "none" };
    const list = decodeHandovers(answer);
    if (!list) return { kind: "dishonest", reason: "handovers that are no list" };
    for (const bytes of list) {
      const handover = decodeHandover(bytes);
      if (!handover || !bytesEqual(encodeHandover(handover), bytes))
        return { kind: "dishonest", reason: "a handover that is not its layout" };
      if (handover.header.epoch <= trusted.epoch) continue;
      const result = handOver({ config: trusted, ...crypto }, trusted, handover);
      if (result.kind === "refused") return { kind: "dishonest", reason: `a handover: ${result.reason}` };
      trusted = result.config;
      handovers.push({ epoch: trusted.epoch, bytes });
      if (trusted.epoch >= epoch) break;
    }
    if (trusted.epoch === before) return { kind: "none" };
  }
  return trusted.epoch === epoch ? { kind: "way", keys: memberKeys(trusted), handovers } : { kind: "none" };
}

const crypto: Omit<Parameters<typeof handOver>[0], "config"> = {
  // Asked about sets that nobody vouched for yet: a key of theirs may be none.
  verifyCertificate(certificate, config) {
    const keys = parseMemberKeys(config);
    return keys !== undefined && verifyCertificate(keys, certificate) !== undefined;
  },
  provesPossession: verifyPossession,
};
