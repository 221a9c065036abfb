/**
 * What a reader of proofs trusts, and how that trust passes to later validator sets.
 *
 * A later epoch's set is under the root that a header of that epoch names. It is believed when a quorum of it finalized
 * that header and more than F power of the set trusted so far is among the signers: then at least one correct member of
 * the trusted set voted in that epoch, on a notarized root, hence with the true set. One change moves at most F power,
 * so the next epoch's set always gets there; epochs may be skipped while enough of the trusted members sign.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { blockHash } from "../codec/block.ts";
import { totals } from "../consensus/power.ts";
import type { Certificate, Digest, EpochConfig, Header, Member } from "../consensus/types.ts";
import { epoch, height, zeroDigest } from "../consensus/types.ts";
import type { ValidatorSet } from "./chain-state.ts";
import { type Genesis, parseCanonicalJson } from "./genesis.ts";
import { type ProvesPossession, possessionHolds } from "./membership.ts";
import { type Handover, maxHandovers } from "./proof-bytes.ts";
import { provesComponent } from "./state-root.ts";
import { parseValidatorSet } from "./state-schema.ts";

/** What the reader trusts: an epoch's set, from genesis or a checkpoint pinned out of band, and ways to check signatures. */
export interface TrustAnchor {
  readonly config: EpochConfig;
  /** Did a quorum of the config's set sign it? Without a second argument: of the anchor's own. */
  readonly verifyCertificate: (certificate: Certificate, config: EpochConfig) => boolean;
  /** Without it proofs of later epochs are refused: keys nobody proved to hold could cancel others out of an aggregate. */
  readonly provesPossession?: ProvesPossession;
}

export type Refused = { readonly kind: "refused"; readonly reason: string };

const no = (reason: string): Refused => ({ kind: "refused", reason });

/** The set of epoch 0 as genesis names it. */
export function genesisAnchor(
  genesis: Genesis,
  chainId: Digest,
  crypto: Pick<TrustAnchor, "verifyCertificate" | "provesPossession">,
): TrustAnchor {
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
  return { ...crypto, config };
}

/** Does the certificate finalize the header's own block? */
export function finalizes(header: Header, certificate: Certificate): boolean {
  return (
    certificate.kind === "finalize" &&
    certificate.block === blockHash(header) &&
    certificate.view === header.view &&
    certificate.epoch === header.epoch
  );
}

/** The set's canonical bytes are what the root that the header names commits to. */
export function setIsUnderRoot({ set, setPath, header }: Handover): boolean {
  return provesComponent(hexToBytes(header.root), "validators", sha256(set), setPath);
}

/** The power that a seat of `members` has in the trusted set; 0 when it is not the same member there. */
function powerIn(trusted: readonly Member[], members: readonly Member[]): (seat: number) => number {
  const powers = new Map(trusted.map((member) => [`${member.blsKey} ${member.peerKey}`, member.power]));
  return (seat) => {
    const member = members[seat];
    return (member && powers.get(`${member.blsKey} ${member.peerKey}`)) ?? 0;
  };
}

/** Signers with no more than this power of the trusted set prove nothing. In the crash model nobody lies: one is enough. */
function doubtful({ members, faultModel }: Pick<EpochConfig, "members" | "faultModel">): number {
  return faultModel === "Byzantine" ? totals(members, faultModel).fault : 0;
}

type TrustedSet = Pick<EpochConfig, "members" | "faultModel"> & { readonly epoch: number };

/** The set that a handover hands over to. */
export function setOf({ set }: Pick<Handover, "set">): ValidatorSet | undefined {
  return parseValidatorSet(parseCanonicalJson(set));
}

/**
 * Few handovers on the way from a trusted set to the last, whose signatures the reader will check. `known`: ascending by
 * epoch, read only when they are looked at. Undefined when they do not reach it with `most` of them.
 */
export function bridge(
  from: TrustedSet,
  known: readonly (() => Handover | undefined)[],
  last: Handover,
  most = maxHandovers,
): readonly Handover[] | undefined {
  const all = [...known, () => last];
  const way: Handover[] = [];
  let trusted = from;
  let at = -1;
  while (trusted.epoch < last.header.epoch) {
    const step = farthest(trusted, all, at + 1, last.header.epoch);
    if (!step) return undefined;
    ({ at, set: trusted } = step);
    if (step.handover !== last) way.push(step.handover);
    if (way.length > most) return undefined;
  }
  return way;
}

/**
 * The last one, or else by bisection the farthest that more than F power of the trusted set signed: members leave with
 * time, so the nearer qualify too. Should some not, a nearer one is found and the way is a little longer.
 */
function farthest(trusted: TrustedSet, all: readonly (() => Handover | undefined)[], from: number, epoch: number) {
  const look = (at: number) => {
    const handover = all[at]?.();
    const set = handover && setOf(handover);
    if (!set || set.epoch <= trusted.epoch || set.epoch > epoch) return undefined;
    const power = powerIn(trusted.members, set.members);
    const signed = handover.finalization.signers.reduce((sum, seat) => sum + power(seat), 0);
    return signed > doubtful(trusted) ? { at, handover, set } : undefined;
  };
  let found = look(all.length - 1);
  if (found) return found;
  for (let [low, high] = [from, all.length - 2]; low <= high; ) {
    const middle = Math.ceil((low + high) / 2);
    const here = look(middle);
    if (here) [found, low] = [here, middle + 1];
    else high = middle - 1;
  }
  return found;
}

/** Trust in a later epoch's set, from trust in `trusted`. */
export function handOver(
  anchor: TrustAnchor,
  trusted: EpochConfig,
  handover: Handover,
): { readonly kind: "trusted"; readonly config: EpochConfig } | Refused {
  const { header, finalization } = handover;
  if (header.chainId !== trusted.chainId) return no("it is of another chain");
  if (header.epoch <= trusted.epoch)
    return no(`it is of epoch ${header.epoch}, the trust anchor of epoch ${trusted.epoch}`);
  if (!anchor.provesPossession)
    return no(`it is of epoch ${header.epoch}, the trust anchor of epoch ${trusted.epoch} alone`);
  if (!setIsUnderRoot(handover)) return no("the validator set is not under the header's root");
  const set = parseValidatorSet(parseCanonicalJson(handover.set));
  if (!set || set.epoch !== header.epoch || set.faultModel !== trusted.faultModel)
    return no("the validator set is not that of the header's epoch");

  const trustedPower = powerIn(trusted.members, set.members);
  const signed = finalization.signers.reduce((sum, seat) => sum + trustedPower(seat), 0);
  if (signed <= doubtful(trusted))
    return no(`${signed} power of the set trusted before signed for epoch ${header.epoch}`);
  for (const seat of finalization.signers) {
    const member = set.members[seat];
    if (!member) return no("a signer is not in the set");
    if (trustedPower(seat) > 0) continue;
    if (!possessionHolds(member, set.possession[seat] ?? "", anchor.provesPossession))
      return no(`the proof of possession of ${member.id} is not its key's`);
  }
  const { members, requiredRegions, parameters } = set;
  const config = { ...trusted, epoch: header.epoch, members, coverage: { requiredRegions }, parameters };
  if (!finalizes(header, finalization)) return no("the certificate does not finalize the header's block");
  if (!anchor.verifyCertificate(finalization, config))
    return no(`the finalization is not signed by a quorum of the set of epoch ${header.epoch}`);
  return { kind: "trusted", config };
}
