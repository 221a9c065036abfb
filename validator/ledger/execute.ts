/** The ledger: executes final blocks in order on accounts and chain state, and computes the root after each. */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { parseBatch } from "../codec/batch.ts";
import { bytesEqual } from "../codec/bytes.ts";
import type { MerkleTree } from "../codec/merkle.ts";
import { messageHash, type PaymentMessage } from "../codec/payment-message.ts";
import type { Block, CoverageState, Digest, EpochConfig, GovernanceTransaction, Height } from "../consensus/types.ts";
import { epoch, height as toHeight } from "../consensus/types.ts";
import { type AccountFields, type Accounts, createAccounts } from "./accounts.ts";
import { anchorHash } from "./anchor.ts";
import {
  type ChainState,
  changeCoverage,
  govern,
  initialChainState,
  limitsOf,
  mixReveal,
  type ProvesPossession,
  turnBeacon,
} from "./chain-state.ts";
import { currencyByAlpha } from "./currencies.ts";
import type { Genesis } from "./genesis.ts";
import { parseTransaction, satisfies } from "./governance.ts";
import { createHistory, type History } from "./history.ts";
import { checkInvariants } from "./invariants.ts";
import type { StateProof } from "./proof.ts";
import {
  type GovernanceReceipt,
  historyLeaf,
  keysDigest,
  type ReceiptSource,
  receiptLeaves,
  receiptsRoot,
} from "./receipt-tree.ts";
import { receiptCode } from "./receipts.ts";
import { encodeSnapshot, type SnapshotContent } from "./snapshot.ts";
import { componentPath, rootOf, stateTree } from "./state-root.ts";
import { recordWords, transferAll, transferEach } from "./transfers.ts";
import type { ExecutedBlock, ExecutedKeys, Ledger, MessageOutcome } from "./types.ts";

/** Signature checks, from `crypto/`: the ledger is pure and decides only what their answers mean. */
export interface LedgerCrypto {
  readonly verifyEd25519: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
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
  /** Is the transaction well-formed and signed by the governance set? For proposals and ingress. */
  isGoverned(transaction: GovernanceTransaction): boolean;
}

/** Bit of a message's kind in the executed keys: the key of the message, beside those of its payments. */
export const messageKeyKind = 0x80;
/** Blocks between two notes of when a height was: what `forget` goes by. */
const timeNoteBlocks = 64;
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
    anchor: undefined,
  });
}

/** A ledger at the point a snapshot was taken. The keys must be those of the same point. */
export function openLedger({ chainId, keys, crypto }: LedgerOptions, content: SnapshotContent): SettlementLedger {
  let state = content.state;
  const accounts = createAccounts(content.accounts);
  const { history } = content;
  let times = content.times;
  let position = { height: content.height, time: content.time };
  /** The newest state trees: what headers still name, and proofs lead to. */
  const recent = new Map<number, { readonly tree: MerkleTree; readonly coverage: CoverageState }>();
  function rootNow(): Digest {
    const tree = stateTree(state, position, accounts.root(), history.root());
    recent.set(position.height, { tree, coverage: state.coverage });
    recent.delete(position.height - recentStates);
    return rootOf(tree);
  }
  let executed: Ledger["executed"] = { height: toHeight(position.height), root: rootNow(), coverage: state.coverage };
  let config: EpochConfig = configOf(
    state,
    content.anchor ?? {
      hash: anchorHash(chainId),
      height: toHeight(0),
      time: position.time,
      rootHeight: toHeight(0),
      root: executed.root,
    },
  );

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
    for (const [i, message] of parsed.value.messages.entries()) executeMessage(message, authentic(i));
  }

  function executeMessage(message: PaymentMessage, authentic: boolean): void {
    const { header } = under();
    const { kind, institution, messageKey, count } = message.header;
    // A message executed before is answered by its first execution: no second set of receipts.
    if (keys.find(kind | messageKeyKind, institution, messageKey, 0)) return;
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
    if (settled > 0) keys.add(kind | messageKeyKind, institution, messageKey, 0, header.height, nextPosition);
    nextPosition += count;
    sources.push({ kind, institution, messageKey: messageKey.slice(), records: message.records, codes });
    const creditors: number[] = [];
    for (let i = 0; i < credited.length; i++) if (credited[i] === 1) creditors.push(i);
    outcomes.push({
      institution,
      messageKey: messageKey.slice(),
      messageHash: messageHash(message.bytes),
      payments: count,
      settled,
      codes,
      creditors,
    });
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

  function executeGovernance(transaction: GovernanceTransaction): GovernanceReceipt {
    const hash = sha256(transaction.bytes);
    const refuse = (reason: string) => ({ hash, granted: false, reason });
    const parsed = parseTransaction(transaction.bytes);
    if (parsed.kind === "refused") return refuse(parsed.error.reason);
    if (parsed.value.sequence !== state.governance.sequence)
      return refuse(`its sequence is ${parsed.value.sequence}, the chain's ${state.governance.sequence}`);
    if (!satisfies(state.governance, chainId, parsed.value, crypto.verifyEd25519))
      return refuse("too few good signatures of the governance set");
    const granted = govern(state, accounts, parsed.value.action, crypto.provesPossession);
    if (granted.kind === "refused") return refuse(granted.reason);
    state = { ...granted.state, governance: { ...granted.state.governance, sequence: state.governance.sequence + 1 } };
    return { hash, granted: true, reason: "" };
  }

  function end(): ExecutedBlock {
    const { header, body, hash } = under();
    const governance = body.governance.map(executeGovernance);
    for (const change of body.coverage) state = { ...state, coverage: changeCoverage(state, change) ?? state.coverage };
    if (header.reveal) state = { ...state, beacon: mixReveal(state.beacon, header.reveal) };
    if (header.closing) {
      const beacon = turnBeacon(state.beacon, state.set.parameters.minReveals);
      state = { ...state, beacon, set: { ...state.set, epoch: state.set.epoch + 1 } };
    }
    const receipts = receiptsRoot(receiptLeaves(sources, governance, header.height));
    history.append(historyLeaf(receipts, keysDigest(sources)));
    position = { height: header.height, time: header.time };
    checkInvariants(state, accounts);
    executed = { height: header.height, root: rootNow(), coverage: state.coverage };
    if (header.closing) {
      config = configOf(state, {
        hash,
        height: header.height,
        time: header.time,
        rootHeight: header.height,
        root: executed.root,
      });
    }
    forgetOld(header.height, header.time);
    suspended = suspendedFlags(state);
    block = undefined;
    return { ...executed, receiptsRoot: receipts, messages: outcomes, governance };
  }

  /** Keys of blocks older than the window can go: any message with such a key has expired. */
  function forgetOld(at: Height, time: number): void {
    if (at % timeNoteBlocks === 0) times = [...times, { height: at, time }];
    let newest: number | undefined;
    while (times[0] && times[0].time < time - state.expiryWindow) {
      newest = times[0].height;
      times = times.slice(1);
    }
    if (newest !== undefined) keys.forget(newest);
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
    stateProof(height, rootHeight) {
      const then = recent.get(rootHeight);
      const path = history.path(height - 1, rootHeight);
      if (!then || !path) return undefined;
      const { tree, coverage } = then;
      return {
        history: path,
        historyPath: componentPath(tree, "history"),
        coverage,
        coveragePath: componentPath(tree, "coverage"),
      };
    },
    isGoverned(transaction) {
      const parsed = parseTransaction(transaction.bytes);
      return parsed.kind === "ok" && satisfies(state.governance, chainId, parsed.value, crypto.verifyEd25519);
    },
    snapshot: () => {
      if (block) throw new Error("a snapshot is taken between blocks");
      return encodeSnapshot({
        state,
        accounts: Array.from({ length: accounts.count }, (_, i) => accounts.fields(i)),
        history,
        ...position,
        times,
        anchor: config.anchor,
      });
    },
  };
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
