/** Changes of the validator set: at most F power moves, every required region keeps its power, no key comes back. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { isRotatable, totals } from "../consensus/power.ts";
import type { Member } from "../consensus/types.ts";
import { power } from "../consensus/types.ts";
import { type ChainState, type Learner, memberOf, ownersOf, type ValidatorSet } from "./chain-state.ts";
import { maxLearners, maxLearnersOfSeat } from "./genesis.ts";
import type { Action } from "./governance.ts";

export type Granted =
  | { readonly kind: "granted"; readonly state: ChainState }
  | { readonly kind: "refused"; readonly reason: string };

export const grant = (state: ChainState): Granted => ({ kind: "granted", state });
export const refuse = (reason: string): Granted => ({ kind: "refused", reason });

export type ProvesPossession = (blsKey: Uint8Array, peerKey: Uint8Array, proof: Uint8Array) => boolean;

/** Does the member's proof of possession (hexadecimal) hold? */
export function possessionHolds(member: Member, proof: string, possesses: ProvesPossession): boolean {
  return possesses(hexToBytes(member.blsKey), hexToBytes(member.peerKey), hexToBytes(proof));
}

/** Power that changes hands between two sets: the larger of what came and what went. A key is a hand. */
export function movedPower(from: readonly Member[], to: readonly Member[]): number {
  const gained = (a: readonly Member[], b: readonly Member[]) => {
    const had = new Map(a.map((member) => [member.blsKey, member.power]));
    return b.reduce((sum, member) => sum + Math.max(0, member.power - (had.get(member.blsKey) ?? 0)), 0);
  };
  return Math.max(gained(from, to), gained(to, from));
}

/** Replaces the set. Members that stay keep the proof of possession they came with. */
export function setMembers(
  state: ChainState,
  action: Extract<Action, { kind: "set-members" }>,
  before: ValidatorSet,
  possesses: ProvesPossession,
): Granted {
  const { set } = state;
  const known = new Map(set.members.map((member, i) => [member.blsKey, { member, proof: set.possession[i] ?? "" }]));
  const members = action.members.map(memberOf);
  const repeered = members.find(
    ({ blsKey, peerKey }) => known.has(blsKey) && known.get(blsKey)?.member.peerKey !== peerKey,
  );
  if (repeered) return refuse(`${repeered.id}: a key pair changes as a whole`);
  const unique = [members.map((m) => m.id), members.map((m) => m.blsKey), members.map((m) => m.peerKey)];
  if (unique.some((names) => new Set(names).size !== names.length)) return refuse("two members share a name or a key");
  const fresh = action.members.filter((member) => !known.has(member.blsKey));
  for (const member of fresh) {
    if (set.usedKeys.includes(member.blsKey) || set.usedKeys.includes(member.peerKey))
      return refuse(`${member.id}: a key is never used again`);
    if (!possessionHolds(member, member.proofOfPossession, possesses))
      return refuse(`${member.id}: the proof of possession is not the key's`);
  }
  const unknownZone = members.flatMap((member) => member.zones).find((zone) => !state.zones.includes(zone));
  if (unknownZone !== undefined) return refuse(`the chain has no zone ${unknownZone}`);
  return changeSet(state, before, {
    ...set,
    members,
    possession: action.members.map((member) => known.get(member.blsKey)?.proof ?? member.proofOfPossession),
    requiredRegions: action.requiredRegions ?? set.requiredRegions,
    owners: ownersOf(action.members, set.owners),
    usedKeys: [...set.usedKeys, ...fresh.flatMap((member) => [member.blsKey, member.peerKey])],
  });
}

/** Gives a seat new keys; back to the recorded predecessor's is a rollback and allowed. */
export function rotateSeat(
  state: ChainState,
  action: Extract<Action, { kind: "rotate-seat" }>,
  before: ValidatorSet,
  possesses: ProvesPossession,
): Granted {
  const { set } = state;
  const stale = staleness(set, action);
  const index = set.members.findIndex((member) => member.id === action.seat);
  const seat = set.members[index];
  if (stale !== "" || !seat) return refuse(stale);
  if (seat.blsKey !== action.currentKey) return refuse(`${action.seat} has another key now`);
  const predecessor = set.predecessors[action.seat];
  const returns = predecessor?.blsKey === action.blsKey && predecessor.peerKey === action.peerKey;
  const reused = set.usedKeys.includes(action.blsKey) || set.usedKeys.includes(action.peerKey);
  if (reused && !returns) return refuse("a key is never used again");
  const rotated = { ...seat, blsKey: action.blsKey, peerKey: action.peerKey };
  if (!possessionHolds(rotated, action.proofOfPossession, possesses))
    return refuse("the proof of possession is not the key's");
  return changeSet(state, before, {
    ...set,
    members: set.members.with(index, rotated),
    possession: set.possession.with(index, action.proofOfPossession),
    usedKeys: reused ? set.usedKeys : [...set.usedKeys, action.blsKey, action.peerKey],
    predecessors: { ...set.predecessors, [action.seat]: { blsKey: seat.blsKey, peerKey: seat.peerKey } },
  });
}

type OfSeat<Kind> = Extract<Action, { kind: Kind }>;

/** Names who acts for the seat beside its owner. */
export function delegateSeat(state: ChainState, action: OfSeat<"delegate-seat">): Granted {
  const { set } = state;
  const stale = staleness(set, action);
  if (stale !== "") return refuse(stale);
  const seat = set.owners[action.seat];
  if (!seat) return refuse(`${action.seat} has no owner`);
  const { owner } = seat;
  const named = action.delegate === undefined ? { owner } : { owner, delegate: action.delegate };
  return grant({ ...state, set: { ...set, owners: { ...set.owners, [action.seat]: named } } });
}

/** Lets a process in that follows for the seat, to take it over later. */
export function addLearner(state: ChainState, action: OfSeat<"add-learner">): Granted {
  const { set } = state;
  const { seat, learner: id, peerKey } = action;
  const stale = staleness(set, action);
  if (stale !== "") return refuse(stale);
  if (set.learners.length >= maxLearners) return refuse("the chain's table of learners is full");
  if (set.learners.filter((learner) => learner.seat === seat).length >= maxLearnersOfSeat)
    return refuse(`${seat} has ${maxLearnersOfSeat} learners`);
  return setLearners(state, [...set.learners, { id, peerKey, seat }]);
}

export function removeLearner(state: ChainState, action: OfSeat<"remove-learner">): Granted {
  const { set } = state;
  const stale = staleness(set, action);
  if (stale !== "") return refuse(stale);
  const left = set.learners.filter(({ id, seat }) => id !== action.learner || seat !== action.seat);
  if (left.length === set.learners.length) return refuse(`${action.seat} has no learner ${action.learner}`);
  return setLearners(state, left);
}

export function setLearners(state: ChainState, learners: readonly Learner[]): Granted {
  const peers = [...state.set.members, ...learners];
  const names = [peers.map(({ id }) => id), peers.map(({ peerKey }) => peerKey)];
  if (names.some((each) => new Set(each).size !== each.length)) return refuse("two of the swarm share a name or a key");
  const seatless = learners.find(({ seat }) => seat !== undefined && !state.set.members.some(({ id }) => id === seat));
  if (seatless) return refuse(`${seatless.id}: no seat ${seatless.seat}`);
  return grant({ ...state, set: { ...state.set, learners } });
}

/** Why an action on a seat is none of now; "" when it is. */
function staleness(set: ValidatorSet, action: { readonly epoch: number; readonly seat: string }): string {
  if (action.epoch !== set.epoch) return `it is for epoch ${action.epoch}, the chain is in ${set.epoch}`;
  return set.members.some(({ id }) => id === action.seat) ? "" : `no seat ${action.seat}`;
}

/**
 * The next epoch's set: proven offenders have no power in it, as far as one change may move power; the others wait for
 * the epoch after. `before`: the set of the epoch that ends. A seat keeps its place: its owner can give it new keys, and
 * governance new power.
 */
export function disempower(set: ValidatorSet, before: ValidatorSet): ValidatorSet {
  let { members } = set;
  const waiting: string[] = [];
  const { fault } = totals(before.members, before.faultModel);
  for (const offender of set.offenders) {
    const without = members.map((member) => (member.id === offender ? { ...member, power: power(0) } : member));
    const powerless = totals(without, set.faultModel).total === 0;
    if (powerless || movedPower(before.members, without) > Math.max(fault, movedPower(before.members, members)))
      waiting.push(offender);
    else members = without;
  }
  return { ...set, members, offenders: waiting.filter((id) => members.some((member) => member.id === id)) };
}

/** Power given back to seats that had lost it for equivocation: it was theirs, and moves nothing. */
function restoredPower(from: readonly Member[], to: readonly Member[]): number {
  const lost = new Set(from.filter((member) => member.power === 0).map(({ id }) => id));
  return to.reduce((sum, member) => (lost.has(member.id) ? sum + member.power : sum), 0);
}

/** The rules for every new set, whatever asked for it. `before`: the set of the epoch under way. */
function changeSet(state: ChainState, before: ValidatorSet, set: ValidatorSet): Granted {
  const { members, faultModel, requiredRegions } = set;
  const [was, will] = [totals(before.members, faultModel), totals(members, faultModel)];
  const fault = Math.min(was.fault, will.fault);
  const restored = restoredPower(before.members, members);
  const moved = movedPower(before.members, members) - restored;
  // What is restored counts as new all the same to who knows the old set: its quorum must have more than F of that.
  if (restored >= will.quorum - was.fault) return refuse(`the change would restore ${restored} power at once`);
  if (moved > fault) return refuse(`the change would move ${moved} power, above F = ${fault}`);
  if (isRotatable(before.members, faultModel) && !isRotatable(members, faultModel))
    return refuse("a member would hold more than F power: nobody could be replaced any more");
  for (const [region, least] of Object.entries(requiredRegions)) {
    const held = members.reduce((sum, member) => (member.region === region ? sum + member.power : sum), 0);
    if (held < least) return refuse(`region ${region} would hold ${held} power, settlement requires ${least}`);
  }
  const { modeSeq, degraded } = state.coverage;
  const still = degraded.filter((region) => requiredRegions[region] !== undefined);
  const coverage = still.length === degraded.length ? state.coverage : { modeSeq: modeSeq + 1, degraded: still };
  // Who followed and now is a member is a learner no more; nor is who followed for a seat that is gone.
  const seats = new Set(members.map(({ id }) => id));
  const seated = new Set(members.map(({ peerKey }) => peerKey));
  const learners = set.learners.filter(
    ({ peerKey, seat }) => !seated.has(peerKey) && (seat === undefined || seats.has(seat)),
  );
  return grant({ ...state, coverage, set: { ...set, learners } });
}
