/** The chain's directory as the gateway trusts it: what validators with more power than may be faulty agree on. */
import type { GetDirectoryResponse } from "../proto/validator/v1/validator_pb.js";
import { normalizeBic } from "./iso20022/fields.ts";
import type { Participants } from "./iso20022/validate.ts";

interface DirectoryInstitution {
  readonly index: number;
  /** Eleven letters. */
  readonly bic: string;
  readonly key: Uint8Array;
  readonly certificateSubject: string;
  readonly suspended: boolean;
}

interface DirectoryAccount {
  readonly institution: number;
  /** ISO 4217 alphabetic. */
  readonly currency: string;
}

export interface Directory extends Participants {
  readonly chainId: Uint8Array;
  readonly institutions: ReadonlyMap<number, DirectoryInstitution>;
  readonly accounts: ReadonlyMap<number, DirectoryAccount>;
  readonly zones: readonly string[];
  /** ms of block time. */
  readonly expiryWindow: number;
  /** Voting power by seat. */
  readonly powers: ReadonlyMap<string, number>;
  /** The power that may be faulty: one more is needed to believe. */
  readonly faultPower: number;
}

/** One validator's answer. */
export interface DirectoryAnswer {
  readonly seat: string;
  readonly response: GetDirectoryResponse;
}

/** The directory that answers of more than the faulty power agree on; undefined while too few do. */
export function agreeOnDirectory(answers: readonly DirectoryAnswer[]): Directory | undefined {
  const groups = new Map<string, DirectoryAnswer[]>();
  for (const answer of answers) {
    const identity = identityOf(answer.response);
    groups.set(identity, [...(groups.get(identity) ?? []), answer]);
  }
  for (const group of groups.values()) {
    const directory = readDirectory(group[0]!.response);
    const seats = new Set(group.map(({ seat }) => seat));
    let power = 0;
    for (const seat of seats) power += directory.powers.get(seat) ?? 0;
    if (power > directory.faultPower) return directory;
  }
  return undefined;
}

/** All but balances, which differ between validators at different heights. */
function identityOf(response: GetDirectoryResponse): string {
  return JSON.stringify([
    Buffer.from(response.chainId).toString("hex"),
    response.institutions.map((one) => [
      one.index,
      one.bic,
      Buffer.from(one.key).toString("hex"),
      one.certificateSubject,
      one.suspended,
    ]),
    response.accounts.map((one) => [one.index, one.institution, one.currency]),
    response.zones,
    response.members.map((one) => [one.seat, String(one.power)]),
    String(response.faultPower),
    String(response.expiryWindow),
  ]);
}

/** Reads one answer without judging it. */
export function readDirectory(response: GetDirectoryResponse): Directory {
  const institutions = new Map<number, DirectoryInstitution>();
  const byBic = new Map<string, number>();
  for (const { index, bic, key, certificateSubject, suspended } of response.institutions) {
    const normal = normalizeBic(bic) ?? bic;
    institutions.set(index, { index, bic: normal, key, certificateSubject, suspended });
    byBic.set(normal, index);
  }
  const accounts = new Map<number, DirectoryAccount>();
  const byOwner = new Map<string, number>();
  for (const { index, institution, currency } of response.accounts) {
    accounts.set(index, { institution, currency });
    const owner = `${institution}/${currency}`;
    if (!byOwner.has(owner)) byOwner.set(owner, index);
  }
  return {
    chainId: response.chainId,
    institutions,
    accounts,
    zones: response.zones,
    expiryWindow: Number(response.expiryWindow),
    powers: new Map(response.members.map(({ seat, power }) => [seat, Number(power)])),
    faultPower: Number(response.faultPower),
    institution: (bic) => byBic.get(bic),
    account: (institution, currency) => byOwner.get(`${institution}/${currency}`),
  };
}
