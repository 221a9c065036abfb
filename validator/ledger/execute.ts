/** The ledger: executes final blocks in order on accounts and chain state, and computes the root after each. */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { parseBatch } from "../codec/batch.ts";
import { bytesEqual } from "../codec/bytes.ts";
import type { MerkleTree } from "../codec/merkle.ts";
import type { PaymentMessage } from "../codec/payment-message.ts";
import { type Decoded, decoded, refused } from "../codec/result.ts";
import type { Block, Digest, EpochConfig, GovernanceTransaction } from "../consensus/types.ts";
import { epoch, height as toHeight, zeroDigest } from "../consensus/types.ts";
import { type AccountFields, type Accounts, createAccounts } from "./accounts.ts";
import { anchorHash } from "./anchor.ts";
import {
  type ChainState,
  changeCoverage,
  initialChainState,
  mixReveal,
  turnBeacon,
  type ValidatorSet,
} from "./chain-state.ts";
import { currencyByAlpha } from "./currencies.ts";
import { type EvidenceCrypto, isEvidence, parseEvidence, unproven } from "./evidence.ts";
import { canonicalJson, type Genesis } from "./genesis.ts";
import { govern, limitsOf } from "./govern.ts";
import { closesEpoch, parseTransaction, unauthorized } from "./governance.ts";
import { createHistory, eraBlocks, type History, historyLeaf } from "./history.ts";
import { checkCounts, checkInvariants } from "./invariants.ts";
import { disempower, type ProvesPossession } from "./membership.ts";
import type { StateProof } from "./proof-bytes.ts";
import type { CertifiedComponents } from "./proof-report.ts";
import {
  consumption,
  type GovernanceReceipt,
  keysDigest,
  type ReceiptSource,
  receiptLeaves,
  receiptSource,
  receiptsRoot,
} from "./receipt-tree.ts";
import { receiptCode } from "./receipts.ts";
import { decodeSnapshot, encodeSnapshot, type SnapshotContent } from "./snapshot.ts";
import { componentPath, encodeCoverage, encodeSet, rootOf, stateTree } from "./state-root.ts";
import { recordWords, transferAll, transferEach } from "./transfers.ts";
import type { ExecutedBlock, ExecutedKeys, Ledger, MessageOutcome } from "./types.ts";

/** Signature checks, from `crypto/`: the ledger is pure and decides only what their answers mean. */
export interface LedgerCrypto {
  readonly verifyEd25519: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  readonly verifyBls: EvidenceCrypto["verifyBls"];
  readonly provesPossession: ProvesPossession;
}

/** What drivers, services and proofs read of a ledger beside executing. */
export interface SettlementLedger extends Ledger {
  readonly state: ChainState;
  readonly accounts: Accounts;
  readonly history: History;
  /** The epoch under way, from the chain's first block or its newest closing block executed. */
  readonly epochConfig: EpochConfig;
  /** What a proof needs to lead from a block's receipts to the root at a later, recent height; undefined when memory no longer reaches it. */
  stateProof(height: number, rootHeight: number): StateProof | undefined;
  /** What governance and coverage are under the root at a recent height; undefined when memory no longer reaches it. */
  components(rootHeight: number): CertifiedComponents | undefined;
  /** Keys of blocks up to this height may be forgotten by now: a multiple of `eraBlocks`. */
  readonly forgotten: number;
  /** Is the transaction well-formed, and signed by the governance set or proven by what it shows? For proposals and ingress. */
  isGoverned(transaction: GovernanceTransaction): boolean;
}

/** Bit of a message's kind in the executed keys: the key of the message, beside those of its payments. */
export const messageKeyKind = 0x80;
/** The same for the hash of a message whose payments were all rejected: those very bytes never execute again. */
export const messageHashKind = 0x40;
/** The receipts root of a block that has receipts, as two keys of 16 bytes: with its other keys it makes the block's leaf of the history (`keys-check.ts`). */
export const receiptsRootKind = 0x20;
/** Notes of when a height was that the window holds: what `forget` goes by. */
const notesPerWindow = 256;
/** Heights whose state trees stay in memory, 500 bytes each: far more than a header's root lags. */
const recentStates = 1_024;

export interface LedgerOptions {
  readonly genesis: Genesis;
  readonly chainId: Digest;
  readonly keys: ExecutedKeys;
  readonly crypto: LedgerCrypto;
}

export function createLedger(options: LedgerOptions): SettlementLedger {
  const { genesis, chainId } = options;
  const state = initialChainState(genesis, chainId);
  const accounts: AccountFields[] = genesis.accounts.map((account) => ({
    ...limitsOf(account),
    institution: genesis.institutions.findIndex((institution) => institution.bic === account.institution),
    currency: currencyByAlpha(account.currency)?.numeric ?? 0,
    balance: account.openingBalance,
    day: 0,
    dayTotal: 0,
  }));
  return openLedger(options, {
    state,
    accounts,
    history: createHistory(),
    height: 0,
    time: genesis.time,
    times: [],
    anchor: {
      hash: anchorHash(chainId),
      height: toHeight(0),
      time: genesis.time,
      rootHeight: toHeight(0),
      root: zeroDigest,
    },
  });
}

/** The ledger of a snapshot's parts, when they are one and have this root. The keys must be those of the same height. */
export function restoreLedger(
  options: LedgerOptions,
  parts: readonly Uint8Array[],
  root: Digest,
): Decoded<SettlementLedger> {
  const content = decodeSnapshot(parts);
  if (content.kind === "refused") return content;
  const ledger = openLedger(options, content.value);
  return ledger.executed.root === root
    ? decoded(ledger)
    : refused("snapshot: its root is not the one that was asked for");
}

/** A ledger at the point a snapshot was taken. The keys must be those of the same point. */
export function openLedger({ chainId, keys, crypto }: LedgerOptions, content: SnapshotContent): SettlementLedger {
  let state = content.state;
  const accounts = createAccounts(content.accounts);
  const { history } = content;
  let times = content.times;
  let { height, time, anchor } = content;
  /** The newest state trees: what headers still name, and proofs lead to. */
  const recent = new Map<number, { readonly tree: MerkleTree; readonly state: ChainState }>();
  function rootNow(): Digest {
    const tree = stateTree(state, { height, time, times, anchor }, accounts.root(), history.root());
    recent.set(height, { tree, state });
    recent.delete(height - recentStates);
    return rootOf(tree);
  }
  let executed: Ledger["executed"] = { height: toHeight(height), root: rootNow(), coverage: state.coverage };
  // The root after the anchor is no part of that root itself.
  if (anchor.height === height) anchor = { ...anchor, root: executed.root };
  let config: EpochConfig = configOf(state, anchor);

  let block: Block | undefined;
  let sources: ReceiptSource[] = [];
  let outcomes: MessageOutcome[] = [];
  let suspended = suspendedFlags(state);
  let nextPosition = 0;

  function under(): Block {
    if (!block) throw new Error("no block is being executed");
    return block;
  }

  function begin(next: Block): void {
    if (block) throw new Error(`block ${block.header.height} is not ended`);
    if (next.header.height !== executed.height + 1)
      throw new Error(`block ${next.header.height} does not follow ${executed.height}`);
    block = next;
    sources = [];
    outcomes = [];
    nextPosition = 0;
  }

  function apply(batch: Uint8Array, authentic: (message: number) => boolean): void {
    const parsed = parseBatch(batch);
    if (parsed.kind === "refused") throw new Error(`a final block's batch is malformed: ${parsed.error.reason}`);
    const { messages, hashes } = parsed.value;
    for (const [i, message] of messages.entries()) executeMessage(message, hashes[i] as Uint8Array, authentic(i));
  }

  function executeMessage(message: PaymentMessage, messageHash: Uint8Array, authentic: boolean): void {
    const { header } = under();
    const { kind, institution, messageKey, count } = message.header;
    // A message executed before is answered by its first execution: no second set of receipts, no second chance.
    if (institution < state.institutions.length && wasExecuted(message, messageHash)) return;
    const codes = new Uint8Array(count);
    const credited = new Uint8Array(state.institutions.length);
    const refusal = refusalOf(message, authentic, header.time);
    if (refusal !== undefined) codes.fill(refusal);
    else {
      const context = {
        accounts,
        keys,
        suspended,
        day: Math.floor(header.time / 86_400_000),
        height: header.height,
        credited,
      };
      const transfer = message.header.atomic ? transferAll : transferEach;
      transfer(context, message, recordWords(message), nextPosition, codes);
    }
    let settled = 0;
    for (let i = 0; i < count; i++) if (codes[i] === 0) settled += 1;
    const consumed = consumption(codes);
    if (consumed === "id") keys.add(kind | messageKeyKind, institution, messageKey, 0, header.height, nextPosition);
    if (consumed === "bytes")
      keys.add(kind | messageHashKind, institution, messageHash, 0, header.height, nextPosition);
    nextPosition += count;
    sources.push(receiptSource(message, messageHash, codes));
    const creditors: number[] = [];
    for (let i = 0; i < credited.length; i++) if (credited[i] === 1) creditors.push(i);
    outcomes.push({
      institution,
      messageKey: messageKey.slice(),
      messageHash,
      payments: count,
      settled,
      codes,
      creditors,
    });
  }

  function wasExecuted({ header }: PaymentMessage, messageHash: Uint8Array): boolean {
    const { kind, institution, messageKey } = header;
    return (
      keys.find(kind | messageKeyKind, institution, messageKey, 0) !== undefined ||
      keys.find(kind | messageHashKind, institution, messageHash, 0) !== undefined
    );
  }

  /** Why the whole message is rejected; undefined when its payments are to be looked at. */
  function refusalOf({ header }: PaymentMessage, authentic: boolean, time: number): number | undefined {
    const institution = state.institutions[header.institution];
    if (!institution || header.zone > state.zones.length) return receiptCode("unknown-institution");
    if (!authentic || !bytesEqual(header.chainId, hexToBytes(chainId))) return receiptCode("bad-signature");
    if (institution.suspended) return receiptCode("suspended");
    if (header.expiry <= time || header.expiry > time + state.expiryWindow) return receiptCode("expired");
    return undefined;
  }

  function executeGovernance(transaction: GovernanceTransaction, before: ValidatorSet): GovernanceReceipt {
    const hash = sha256(transaction.bytes);
    const refuse = (reason: string) => ({ hash, granted: false, reason });
    if (isEvidence(transaction.bytes)) {
      const reason = condemn(transaction.bytes);
      return reason === "" ? { hash, granted: true, reason } : refuse(reason);
    }
    const parsed = parseTransaction(transaction.bytes);
    if (parsed.kind === "refused") return refuse(parsed.error.reason);
    const { action, authority, sequence } = parsed.value;
    const { governance } = state;
    if (authority === "governance" && sequence !== governance.sequence)
      return refuse(`its sequence is ${sequence}, the chain's ${governance.sequence}`);
    const unsigned = unauthorized(signersOf(state), chainId, parsed.value, crypto.verifyEd25519);
    if (unsigned !== "") return refuse(unsigned);
    if (closesEpoch(action) && !under().header.closing)
      return refuse("only a block that closes its epoch may carry it");
    const granted = govern(state, accounts, action, before, crypto.provesPossession);
    if (granted.kind === "refused") return refuse(granted.reason);
    state = granted.state;
    if (authority === "governance")
      state = { ...state, governance: { ...state.governance, sequence: governance.sequence + 1 } };
    return { hash, granted: true, reason: "" };
  }

  /** Notes a proven offender: its power goes with the epoch. Why not, or "". */
  function condemn(bytes: Uint8Array): string {
    const evidence = parseEvidence(bytes);
    if (evidence.kind === "refused") return evidence.error.reason;
    const reason = unproven(evidence.value, { chainId, ...state.set }, crypto);
    if (reason !== "") return reason;
    const offender = state.set.members.find(({ blsKey }) => blsKey === evidence.value.blsKey);
    const { offenders } = state.set;
    if (!offender || offender.power === 0 || offenders.includes(offender.id)) return "it was proven before";
    state = { ...state, set: { ...state.set, offenders: [...offenders, offender.id] } };
    return "";
  }

  function end(): ExecutedBlock {
    const { header, body, hash } = under();
    const { set } = state;
    const governance = body.governance.map((transaction) => executeGovernance(transaction, set));
    for (const change of body.coverage) state = { ...state, coverage: changeCoverage(state, change) ?? state.coverage };
    if (header.reveal) state = { ...state, beacon: mixReveal(state.beacon, header.reveal) };
    if (header.closing) {
      const beacon = turnBeacon(state.beacon, state.set.parameters.minReveals);
      state = { ...state, beacon, set: { ...disempower(state.set, set), epoch: state.set.epoch + 1 } };
    }
    const settled = outcomes.reduce((sum, outcome) => sum + outcome.settled, 0);
    state = { ...state, settledPayments: state.settledPayments + settled };
    const receipts = receiptsRoot(receiptLeaves(sources, governance, header));
    history.append(historyLeaf(receipts, keysDigest(sources)));
    if (sources.length + governance.length > 0)
      for (const half of [0, 1]) keys.add(receiptsRootKind, 0, receipts, 16 * half, header.height, half);
    ({ height, time } = header);
    const forgotten = noteTime();
    checkInvariants(state, accounts);
    checkCounts(block?.body.batches ?? [], sources, outcomes);
    if (header.closing) anchor = { hash, height: header.height, time, rootHeight: header.height, root: zeroDigest };
    executed = { height: header.height, root: rootNow(), coverage: state.coverage };
    if (header.closing) {
      anchor = { ...anchor, root: executed.root };
      config = configOf(state, anchor);
    }
    if (forgotten !== undefined) keys.forget(forgotten);
    suspended = suspendedFlags(state);
    block = undefined;
    return { ...executed, receiptsRoot: receipts, messages: outcomes, governance };
  }

  /** Notes when this height was. Answers up to which height keys can go now, when that has moved. */
  function noteTime(): number | undefined {
    const before = forgottenOf(times, time, state.expiryWindow);
    const last = times.at(-1);
    if (!last || time >= last.time + state.expiryWindow / notesPerWindow) times = [...times, { height, time }];
    const from = times.findIndex((note) => note.time >= time - state.expiryWindow);
    // The newest note outside the window stays: the state itself says what may be forgotten.
    if (from > 1) times = times.slice(from - 1);
    const now = forgottenOf(times, time, state.expiryWindow);
    return now > before ? now : undefined;
  }

  return {
    get executed() {
      return executed;
    },
    get state() {
      return state;
    },
    get epochConfig() {
      return config;
    },
    get forgotten() {
      return forgottenOf(times, time, state.expiryWindow);
    },
    accounts,
    history,
    begin,
    apply,
    end,
    nextEpoch(closing) {
      if (config.anchor.hash !== closing.hash)
        throw new Error(`block ${closing.hash} is not the closing block executed last`);
      return config;
    },
    stateProof(of, rootHeight) {
      const then = recent.get(rootHeight);
      const path = history.path(of - 1, rootHeight);
      if (!then || !path) return undefined;
      const { tree } = then;
      return {
        history: path,
        historyPath: componentPath(tree, "history"),
        coverage: then.state.coverage,
        zones: then.state.zones,
        coveragePath: componentPath(tree, "coverage"),
        set: encodeSet(then.state.set),
        setPath: componentPath(tree, "validators"),
      };
    },
    components(rootHeight) {
      const then = recent.get(rootHeight);
      return (
        then && {
          governance: utf8ToBytes(canonicalJson(then.state.governance)),
          governancePath: componentPath(then.tree, "governance"),
          coverage: encodeCoverage(then.state),
          coveragePath: componentPath(then.tree, "coverage"),
        }
      );
    },
    isGoverned(transaction) {
      if (isEvidence(transaction.bytes)) {
        const evidence = parseEvidence(transaction.bytes);
        // Whether it was proven before is no question of validity: members may have executed more or less.
        return evidence.kind === "ok" && unproven(evidence.value, { chainId, ...state.set }, crypto) === "";
      }
      const parsed = parseTransaction(transaction.bytes);
      return parsed.kind === "ok" && unauthorized(signersOf(state), chainId, parsed.value, crypto.verifyEd25519) === "";
    },
    snapshot: () => {
      if (block) throw new Error("a snapshot is taken between blocks");
      return encodeSnapshot({
        state,
        accounts: Array.from({ length: accounts.count }, (_, i) => accounts.fields(i)),
        history,
        height,
        time,
        times,
        anchor: anchor.height === height ? { ...anchor, root: zeroDigest } : anchor,
      });
    },
  };
}

/**
 * Up to which height keys can go: any message with such a key has expired. Whole eras of the history go together, so
 * that what is kept can always be compared with the eras' roots.
 */
function forgottenOf(times: SnapshotContent["times"], time: number, window: number): number {
  const [oldest] = times;
  if (!oldest || oldest.time >= time - window) return 0;
  return Math.floor(oldest.height / eraBlocks) * eraBlocks;
}

function configOf(state: ChainState, anchor: EpochConfig["anchor"]): EpochConfig {
  const { members, faultModel, requiredRegions, parameters } = state.set;
  return {
    chainId: state.chainId,
    epoch: epoch(state.set.epoch),
    members,
    faultModel,
    coverage: { requiredRegions },
    parameters,
    beacon: state.beacon.current,
    anchor,
  };
}

function suspendedFlags(state: ChainState): Uint8Array {
  return Uint8Array.from(state.institutions, (institution) => (institution.suspended ? 1 : 0));
}

/** Who may ask for something. */
function signersOf({ governance, set }: ChainState) {
  return { governance, owners: set.owners };
}
