/**
 * What is proven of one chain, from its genesis on: validator sets by epoch, final headers, the governance set, outcomes.
 * Every part comes from some validator and is believed for its proof alone, so that it does not matter from whom.
 */
import type { GetChainReportResponse } from "../../../proto/validator/v1/validator_pb.js";
import { blockHash } from "../../../validator/codec/block.ts";
import type { CoverageState, Digest, EpochConfig, Header } from "../../../validator/consensus/types.ts";
import {
  type MemberKeys,
  parseMemberKeys,
  verifyCertificate,
  verifyPossession,
} from "../../../validator/crypto/bls.ts";
import { parseGenesis } from "../../../validator/ledger/genesis.ts";
import type { Governance } from "../../../validator/ledger/governance.ts";
import {
  genesisSet,
  provenCoverage,
  provenGovernance,
  provesOutcome,
  type ReportCrypto,
  readFinalHeader,
  type TrustedSet,
  trustNext,
} from "../../../validator/ledger/proof-report.ts";
import type { Claim, Shadow, TransactionOutcome } from "../../plan/snapshot.ts";
import { readShadow } from "./shadow.ts";
import { hex, sentence } from "./words.ts";

/** A governance transaction whose outcome is wanted. */
export interface Followed {
  /** `Transaction.id`. */
  readonly id: string;
  /** sha256 of its bytes. */
  readonly hash: Uint8Array;
}

/** What one validator's chain report proved. */
export type Examined =
  | { readonly kind: "proven"; readonly header: Header; readonly trusted: TrustedSet; readonly shadow: Claim<Shadow> }
  /** It showed no header yet, none of the way there, or a part that was followed. */
  | { readonly kind: "nothing" }
  /** It showed something that does not hold: a sentence. */
  | { readonly kind: "refused"; readonly reason: string };

export interface Knowledge {
  readonly chainId: Digest;
  /** The newest set proven. */
  readonly newest: TrustedSet;
  /** Of one of the newest epochs; undefined when it is not known. */
  readonly setOf: (epoch: number) => TrustedSet | undefined;
  /** Under the newest header proven; undefined until a report showed it. */
  readonly governance: () => { readonly governance: Governance; readonly header: Header } | undefined;
  readonly coverage: () => CoverageState;
  /** Proven outcomes of the transactions followed. */
  readonly outcomes: () => readonly TransactionOutcome[];
  /** Throws never, whatever the answer holds. */
  readonly examine: (answer: GetChainReportResponse, followed: readonly Followed[]) => Examined;
  /** Signatures of headers checked so far. */
  readonly checked: () => number;
}

export type OpenedKnowledge =
  | { readonly kind: "known"; readonly knowledge: Knowledge }
  /** A sentence a field. */
  | { readonly kind: "invalid"; readonly reason: string };

/** Epochs whose sets are remembered: validators that lag are in one of them. */
const epochsKept = 64;
const headersKept = 256;
const allCovered: CoverageState = { modeSeq: 0, degraded: [] };
const outcomesKept = 256;
/** Of one report: a longer way is followed in several. */
const mostHandovers = 64;

/** From the genesis document, which is trusted. */
export function openKnowledge(document: string): OpenedKnowledge {
  const parsed = parseGenesis(parseJson(document));
  if (parsed.kind === "refused") return { kind: "invalid", reason: parsed.reasons.slice(0, 8).join("; ") };
  const impostor = parsed.genesis.members.find((member) => !verifyPossession(...keysOf(member)));
  if (impostor) return { kind: "invalid", reason: `${impostor.id} does not prove that it holds its key` };

  const rings = new WeakMap<EpochConfig, MemberKeys>();
  const crypto: ReportCrypto = {
    verifyCertificate(certificate, config) {
      const keys = rings.get(config) ?? parseMemberKeys(config);
      if (!keys) return false;
      rings.set(config, keys);
      return verifyCertificate(keys, certificate) !== undefined;
    },
    provesPossession: verifyPossession,
  };

  const first = genesisSet(parsed.genesis, parsed.chainId, crypto);
  const sets = new Map([[0, first]]);
  const headers = new Set<Digest>();
  const outcomes = new Map<string, TransactionOutcome>();
  let newest = first;
  let under: { readonly governance: Governance; readonly header: Header } | undefined;
  let coverage: { readonly state: CoverageState; readonly height: number } = { state: allCovered, height: 0 };
  let checked = 0;

  function remember(set: TrustedSet): void {
    const { epoch } = set.config;
    if (!sets.has(epoch)) sets.set(epoch, set);
    bound(sets, epochsKept);
    if (epoch > newest.config.epoch) newest = set;
  }

  /** Goes on from the newest trusted set, as far as the handovers lead. Why not further, or "". */
  function follow(handovers: readonly Uint8Array[]): string {
    for (const bytes of handovers) {
      const result = trustNext(newest, bytes, crypto);
      if (result.kind === "trusted") remember(result.next);
      // Passed: another validator has shown as much meanwhile.
      else if (result.kind === "refused") return result.reason;
    }
    return "";
  }

  function examineOutcomes(header: Header, answer: GetChainReportResponse, followed: readonly Followed[]): void {
    for (const { transaction, granted, reason, receipt } of answer.outcomes.slice(0, 64)) {
      const wanted = followed.find(({ hash }) => hex(hash) === hex(transaction));
      // Granted stays granted: the same bytes in a later block are refused there.
      if (!wanted || outcomes.get(wanted.id)?.outcome === "granted") continue;
      if (!provesOutcome(header, { hash: wanted.hash, granted }, receipt)) continue;
      const outcome = granted ? "granted" : "refused";
      outcomes.set(wanted.id, { id: wanted.id, outcome, reason: granted ? "" : sentence(reason) });
      bound(outcomes, outcomesKept);
    }
  }

  function examine(answer: GetChainReportResponse, followed: readonly Followed[]): Examined {
    if (answer.header.length === 0) return { kind: "nothing" };
    const read = readFinalHeader(answer.header, answer.finalization);
    if (read.kind === "refused") return read;
    const { header, finalization } = read;
    if (header.chainId !== first.config.chainId) return { kind: "refused", reason: "its header is of another chain" };
    if (answer.handovers.length > mostHandovers) return { kind: "refused", reason: "too many handovers" };
    const broken = header.epoch > newest.config.epoch ? follow(answer.handovers) : "";
    const trusted = sets.get(header.epoch);
    if (!trusted) return broken === "" ? { kind: "nothing" } : { kind: "refused", reason: broken };
    const hash = blockHash(header);
    if (!headers.has(hash)) {
      checked += 1;
      if (!crypto.verifyCertificate(finalization, trusted.config))
        return { kind: "refused", reason: `its header is not signed by a quorum of epoch ${header.epoch}` };
      headers.add(hash);
      bound(headers, headersKept);
    }
    if (under === undefined || header.height > under.header.height) {
      const governance = provenGovernance(header, answer);
      if (governance) under = { governance, header };
    }
    if (header.height > coverage.height) {
      const state = provenCoverage(header, answer);
      // The same object while it says the same.
      if (state)
        coverage = { state: state.modeSeq === coverage.state.modeSeq ? coverage.state : state, height: header.height };
    }
    examineOutcomes(header, answer, followed);
    return { kind: "proven", header, trusted, shadow: readShadow(answer, header) };
  }

  return {
    kind: "known",
    knowledge: {
      chainId: first.config.chainId,
      get newest() {
        return newest;
      },
      setOf: (epoch) => sets.get(epoch),
      governance: () => under,
      coverage: () => coverage.state,
      outcomes: () => [...outcomes.values()],
      examine,
      checked: () => checked,
    },
  };
}

/** Forgets what came first beyond the bound. */
function bound<K>(known: { readonly size: number; keys(): Iterator<K>; delete(key: K): unknown }, most: number): void {
  while (known.size > most) {
    const oldest = known.keys().next();
    if (oldest.done) return;
    known.delete(oldest.value);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No document at all: the schema says so.
    return undefined;
  }
}

type Keys = { readonly blsKey: string; readonly peerKey: string; readonly proofOfPossession: string };
const keysOf = ({ blsKey, peerKey, proofOfPossession }: Keys) =>
  [blsKey, peerKey, proofOfPossession].map((text) => Buffer.from(text, "hex")) as [Buffer, Buffer, Buffer];
