/** The small part of chain state: institutions, validator set, governance, coverage, beacon; and what governance may do to it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { concat } from "../codec/bytes.ts";
import { totals } from "../consensus/power.ts";
import type { CoverageChange, CoverageState, Digest, FaultModel, Member, Parameters } from "../consensus/types.ts";
import { digest } from "../consensus/types.ts";
import type { Accounts } from "./accounts.ts";
import { maxBalance } from "./accounts.ts";
import { currencyByAlpha } from "./currencies.ts";
import { type Genesis, genesisSchema } from "./genesis.ts";
import type { Action, Governance } from "./governance.ts";

export interface InstitutionState {
  readonly bic: string;
  readonly key: string;
  readonly certificateSubject: string;
  readonly suspended: boolean;
}

export interface ValidatorSet {
  readonly members: readonly Member[];
  readonly faultModel: FaultModel;
  readonly requiredRegions: Readonly<Record<string, number>>;
  readonly parameters: Parameters;
  readonly epoch: number;
  /** Every BLS and peer key that ever was in a set: none comes back, but for a seat's predecessor. */
  readonly usedKeys: readonly string[];
  /** The key a seat had before its last rotation: what a rollback may return to. */
  readonly predecessors: Readonly<Record<string, { readonly blsKey: string; readonly peerKey: string }>>;
}

export interface BeaconState {
  /** Of the epoch under way, and of the next. */
  readonly current: Digest;
  readonly next: Digest;
  /** Hash over this epoch's reveals in block order. */
  readonly mixed: Digest;
  readonly reveals: number;
}

export interface ChainState {
  readonly chainId: Digest;
  readonly zones: readonly string[];
  readonly expiryWindow: number;
  readonly institutions: readonly InstitutionState[];
  readonly set: ValidatorSet;
  readonly governance: Governance;
  readonly coverage: CoverageState;
  readonly beacon: BeaconState;
  /** Money put in less money taken out, minor units, by currency. */
  readonly issued: Readonly<Record<string, number>>;
}

export function initialChainState(genesis: Genesis, chainId: Digest): ChainState {
  const members = genesis.members.map(({ proofOfPossession: _, ...member }) => member);
  const first = hashOf("beacon", chainId);
  const issued: Record<string, number> = {};
  for (const account of genesis.accounts)
    issued[account.currency] = (issued[account.currency] ?? 0) + account.openingBalance;
  return {
    chainId,
    zones: genesis.zones,
    expiryWindow: genesis.expiryWindow,
    institutions: genesis.institutions.map((institution) => ({ ...institution, suspended: false })),
    set: {
      members,
      faultModel: genesis.faultModel,
      requiredRegions: genesis.requiredRegions ?? Object.fromEntries(members.map((member) => [member.region, 1])),
      parameters: genesis.parameters,
      epoch: 0,
      usedKeys: members.flatMap((member) => [member.blsKey, member.peerKey]),
      predecessors: {},
    },
    governance: { ...genesis.governance, sequence: 0 },
    coverage: { modeSeq: 0, degraded: [] },
    beacon: { current: first, next: hashOf("beacon", first), mixed: first, reveals: 0 },
    issued,
  };
}

function hashOf(word: string, ...parts: readonly Digest[]): Digest {
  return digest(
    bytesToHex(sha256(concat(utf8ToBytes(`validator-swarm/v1/${word}`), ...parts.map((part) => hexToBytes(part))))),
  );
}

/** Takes a block's reveal into the beacon. */
export function mixReveal(beacon: BeaconState, reveal: Uint8Array): BeaconState {
  const mixed = digest(bytesToHex(sha256(concat(hexToBytes(beacon.mixed), reveal))));
  return { ...beacon, mixed, reveals: beacon.reveals + 1 };
}

/** The beacon at the start of the next epoch: this epoch's reveals seed the one after it. */
export function turnBeacon(beacon: BeaconState, minReveals: number): BeaconState {
  const after =
    beacon.reveals >= minReveals ? hashOf("beacon", beacon.next, beacon.mixed) : hashOf("beacon", beacon.next);
  return { current: beacon.next, next: after, mixed: after, reveals: 0 };
}

/** A proven change of a region's mode; undefined when it names another mode or changes nothing. */
export function changeCoverage(
  state: ChainState,
  { kind, region, certificate }: CoverageChange,
): CoverageState | undefined {
  const { modeSeq, degraded } = state.coverage;
  const isDegraded = degraded.includes(region);
  if (certificate.view !== modeSeq || state.set.requiredRegions[region] === undefined) return undefined;
  if (isDegraded === (kind === "degrade-region")) return undefined;
  const next = kind === "degrade-region" ? [...degraded, region].sort() : degraded.filter((other) => other !== region);
  return { modeSeq: modeSeq + 1, degraded: next };
}

export type Granted =
  | { readonly kind: "granted"; readonly state: ChainState }
  | { readonly kind: "refused"; readonly reason: string };

const refuse = (reason: string): Granted => ({ kind: "refused", reason });

export type ProvesPossession = (blsKey: Uint8Array, peerKey: Uint8Array, proof: Uint8Array) => boolean;

/** Executes an action whose signatures were found good. Changes `accounts` only when it grants. */
export function govern(state: ChainState, accounts: Accounts, action: Action, possesses: ProvesPossession): Granted {
  switch (action.kind) {
    case "add-institution": {
      if (findInstitution(state, action.institution.bic) >= 0)
        return refuse(`${action.institution.bic} is already on the chain`);
      return grant({ ...state, institutions: [...state.institutions, { ...action.institution, suspended: false }] });
    }
    case "suspend-institution":
    case "resume-institution": {
      const index = findInstitution(state, action.bic);
      if (index < 0) return refuse(`${action.bic} is not on the chain`);
      const suspended = action.kind === "suspend-institution";
      return grant({
        ...state,
        institutions: state.institutions.map((other, i) => (i === index ? { ...other, suspended } : other)),
      });
    }
    case "open-account": {
      const { account } = action;
      const institution = findInstitution(state, account.institution);
      const currency = currencyByAlpha(account.currency);
      if (institution < 0 || !currency) return refuse(`${account.institution} is not on the chain`);
      if (findAccount(state, accounts, account.institution, account.currency) >= 0)
        return refuse("the institution has an account in this currency");
      accounts.open({
        ...limitsOf(account),
        institution,
        currency: currency.numeric,
        balance: account.openingBalance,
        day: 0,
        dayTotal: 0,
      });
      return grant(issue(state, account.currency, account.openingBalance));
    }
    case "fund":
    case "withdraw": {
      const index = findAccount(state, accounts, action.institution, action.currency);
      if (index < 0) return refuse(`${action.institution} has no account in ${action.currency}`);
      const moved = action.kind === "fund" ? action.amount : -action.amount;
      const balance = (accounts.balance[index] ?? 0) + moved;
      if (balance > maxBalance) return refuse("the balance would not fit");
      if (balance < -(accounts.debitCap[index] ?? 0)) return refuse("the balance would fall below its debit cap");
      accounts.balance[index] = balance;
      accounts.touch(index);
      return grant(issue(state, action.currency, moved));
    }
    case "relimit": {
      const index = findAccount(state, accounts, action.institution, action.currency);
      if (index < 0) return refuse(`${action.institution} has no account in ${action.currency}`);
      if (action.debitCap !== undefined && (accounts.balance[index] ?? 0) < -action.debitCap)
        return refuse("the balance is already below the new debit cap");
      if (action.debitCap !== undefined) accounts.debitCap[index] = action.debitCap;
      if (action.perPaymentLimit !== undefined) accounts.perPaymentLimit[index] = action.perPaymentLimit;
      if (action.perDayLimit !== undefined) accounts.perDayLimit[index] = action.perDayLimit;
      accounts.touch(index);
      return grant(state);
    }
    case "set-members": {
      const proofs = new Map(action.members.map((member) => [member.blsKey, member.proofOfPossession]));
      const members = action.members.map(({ proofOfPossession: _, ...member }) => member);
      const requiredRegions = action.requiredRegions ?? state.set.requiredRegions;
      return changeSet(state, members, requiredRegions, (member) =>
        possesses(hexToBytes(member.blsKey), hexToBytes(member.peerKey), hexToBytes(proofs.get(member.blsKey) ?? "")),
      );
    }
    case "rotate-seat":
      return rotateSeat(state, action, possesses);
    case "set-parameters": {
      const parsed = genesisSchema.shape.parameters.safeParse({ ...state.set.parameters, ...action.parameters });
      if (!parsed.success)
        return refuse(
          `parameters: ${parsed.error.issues.map((found) => `${found.path.join(".")} ${found.message}`).join("; ")}`,
        );
      return grant({ ...state, set: { ...state.set, parameters: parsed.data } });
    }
    case "set-governance": {
      if (action.threshold > action.keys.length) return refuse("the threshold is above the number of keys");
      if (new Set(action.keys).size !== action.keys.length) return refuse("a key is named twice");
      return grant({ ...state, governance: { ...state.governance, threshold: action.threshold, keys: action.keys } });
    }
  }
}

const grant = (state: ChainState): Granted => ({ kind: "granted", state });

function issue(state: ChainState, currency: string, amount: number): ChainState {
  return { ...state, issued: { ...state.issued, [currency]: (state.issued[currency] ?? 0) + amount } };
}

export function limitsOf(account: {
  readonly debitCap: number;
  readonly perPaymentLimit?: number | undefined;
  readonly perDayLimit?: number | undefined;
}) {
  return {
    debitCap: account.debitCap,
    perPaymentLimit: account.perPaymentLimit ?? Number.POSITIVE_INFINITY,
    perDayLimit: account.perDayLimit ?? Number.POSITIVE_INFINITY,
  };
}

function findInstitution(state: ChainState, bic: string): number {
  return state.institutions.findIndex((institution) => institution.bic === bic);
}

function findAccount(state: ChainState, accounts: Accounts, bic: string, alpha: string): number {
  const institution = findInstitution(state, bic);
  const numeric = currencyByAlpha(alpha)?.numeric;
  for (let i = 0; i < accounts.count; i++)
    if (accounts.institution[i] === institution && accounts.currency[i] === numeric) return i;
  return -1;
}

function rotateSeat(
  state: ChainState,
  action: Extract<Action, { kind: "rotate-seat" }>,
  possesses: ProvesPossession,
): Granted {
  const seat = state.set.members.find((member) => member.id === action.seat);
  if (!seat) return refuse(`no seat ${action.seat}`);
  if (seat.blsKey !== action.currentKey) return refuse(`${action.seat} has another key now`);
  const before = state.set.predecessors[action.seat];
  const returns = before?.blsKey === action.blsKey && before.peerKey === action.peerKey;
  const reused = state.set.usedKeys.includes(action.blsKey) || state.set.usedKeys.includes(action.peerKey);
  if (reused && !returns) return refuse("a key is never used again");
  if (!possesses(hexToBytes(action.blsKey), hexToBytes(action.peerKey), hexToBytes(action.proofOfPossession)))
    return refuse("the proof of possession is not the key's");
  const { fault } = totals(state.set.members, state.set.faultModel);
  if (seat.power > fault) return refuse(`the change would move ${seat.power} power, above F = ${fault}`);
  const members = state.set.members.map((member) =>
    member === seat ? { ...member, blsKey: action.blsKey, peerKey: action.peerKey } : member,
  );
  const usedKeys = reused ? state.set.usedKeys : [...state.set.usedKeys, action.blsKey, action.peerKey];
  const predecessors = { ...state.set.predecessors, [action.seat]: { blsKey: seat.blsKey, peerKey: seat.peerKey } };
  return grant({ ...state, set: { ...state.set, members, usedKeys, predecessors } });
}

/** Replaces the set: at most F power moves, every required region keeps its power, no key comes back. */
function changeSet(
  state: ChainState,
  members: readonly Member[],
  requiredRegions: Readonly<Record<string, number>>,
  possesses: (member: Member) => boolean,
): Granted {
  const { set } = state;
  const old = new Map(set.members.map((member) => [member.blsKey, member]));
  const fresh = members.filter((member) => !old.has(member.blsKey));
  const repeered = members.find(
    (member) => old.has(member.blsKey) && old.get(member.blsKey)?.peerKey !== member.peerKey,
  );
  if (repeered) return refuse(`${repeered.id}: a key pair changes as a whole`);
  for (const member of fresh) {
    if (set.usedKeys.includes(member.blsKey) || set.usedKeys.includes(member.peerKey))
      return refuse(`${member.id}: a key is never used again`);
    if (!possesses(member)) return refuse(`${member.id}: the proof of possession is not the key's`);
  }
  const unique = [members.map((m) => m.id), members.map((m) => m.blsKey), members.map((m) => m.peerKey)];
  if (unique.some((names) => new Set(names).size !== names.length)) return refuse("two members share a name or a key");
  const kept = new Map(members.map((member) => [member.blsKey, member]));
  const added = members.reduce(
    (sum, member) => sum + Math.max(0, member.power - (old.get(member.blsKey)?.power ?? 0)),
    0,
  );
  const removed = set.members.reduce(
    (sum, member) => sum + Math.max(0, member.power - (kept.get(member.blsKey)?.power ?? 0)),
    0,
  );
  const moved = Math.max(added, removed);
  const fault = Math.min(totals(set.members, set.faultModel).fault, totals(members, set.faultModel).fault);
  if (moved > fault) return refuse(`the change would move ${moved} power, above F = ${fault}`);
  for (const [region, least] of Object.entries(requiredRegions)) {
    const power = members.reduce((sum, member) => (member.region === region ? sum + member.power : sum), 0);
    if (power < least) return refuse(`region ${region} would hold ${power} power, settlement requires ${least}`);
  }
  const degraded = state.coverage.degraded.filter((region) => requiredRegions[region] !== undefined);
  const usedKeys = [...set.usedKeys, ...fresh.flatMap((member) => [member.blsKey, member.peerKey])];
  return grant({
    ...state,
    coverage: { ...state.coverage, degraded },
    set: { ...set, members, requiredRegions, usedKeys },
  });
}
