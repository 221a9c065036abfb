/**
 * From what the planner asks of the chain to a signed governance transaction, and on its way to validators. The epoch,
 * the seats' owners and the governance sequence come from certified state alone.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import {
  type ActionDocument,
  buildSeatTransaction,
  buildTransaction,
  delegateKey,
  ownerKey,
} from "../../validator/ledger/governance.ts";
import type { TrustedSet } from "../../validator/ledger/proof-report.ts";
import type { MemberChange, Transaction, TransactionBody } from "../plan/transactions.ts";
import type { Followed, Knowledge } from "./reports/knowledge.ts";
import type { Reporters } from "./reports/reporters.ts";

/** Why a transaction was not made; `message` is a sentence for people. */
export type Unsigned =
  /** The chain is in a later epoch, or in an earlier one as far as proven. */
  | { readonly kind: "other-epoch"; readonly message: string }
  /** The chain's sets and governance are not proven yet. */
  | { readonly kind: "unknown-chain"; readonly message: string }
  /** It takes keys that the operator does not hold. */
  | { readonly kind: "no-authority"; readonly message: string }
  /** It names what is not on the chain, or lacks what the chain asks for. */
  | { readonly kind: "not-possible"; readonly message: string };

export interface Signed extends Followed {
  readonly kind: "signed";
  readonly bytes: Uint8Array;
}

export type Submitted =
  /** A validator took it; it is followed by its hash. */
  | { readonly kind: "submitted"; readonly hash: Uint8Array }
  | Unsigned
  /** No validator took it. */
  | { readonly kind: "not-taken"; readonly message: string };

export interface Governor {
  /** ed25519, hexadecimal. */
  readonly publicKey: string;
  /** Signs and hands it to validators. The same transaction again is the same bytes, as long as it can still be granted. */
  readonly submit: (transaction: Transaction) => Promise<Submitted>;
  /** Follows what became of a transaction, handed in by this operator or one before it; undefined: of none. */
  readonly follow: (transaction: Transaction | undefined) => void;
}

const refuse = <Kind extends Unsigned["kind"]>(kind: Kind, message: string) => ({ kind, message }) as const;

/** `seed`: 32 bytes, of the ed25519 key that the operator signs with. */
export function createGovernor(
  seed: Uint8Array,
  reporters: Pick<Reporters, "knowledge" | "refresh" | "submitGovernance" | "follow">,
): Governor {
  const signer = ed25519Signer(seed);
  const publicKey = Buffer.from(signer.publicKey).toString("hex");
  const sign = (bytes: Uint8Array) => signer.sign(bytes);
  /** Every spelling handed in or possible, newest last; of one transaction. */
  let followed: readonly Followed[] = [];

  /** All candidates at once are few: sequences move only with what is granted. */
  function add(signed: Followed): void {
    const others = followed.filter(({ id, hash }) => id === signed.id && Buffer.compare(hash, signed.hash) !== 0);
    followed = [...others.slice(-mostFollowed + 1), { id: signed.id, hash: signed.hash }];
    reporters.follow(followed);
  }

  return {
    publicKey,
    async submit(transaction) {
      await reporters.refresh();
      const known = reporters.knowledge();
      if (!known) return refuse("unknown-chain", "The chain has no genesis yet.");
      const signed = signTransaction(transaction, known, publicKey, sign);
      if (signed.kind !== "signed") return signed;
      add(signed);
      const result = await reporters.submitGovernance(signed.bytes);
      if (result.kind === "failed") return { kind: "not-taken", message: result.reason };
      return { kind: "submitted", hash: signed.hash };
    },
    follow(transaction) {
      if (!transaction) {
        if (followed.length > 0) reporters.follow([]);
        followed = [];
        return;
      }
      if (followed.some(({ id }) => id === transaction.id)) return;
      const known = reporters.knowledge();
      // Its sequence was the chain's when it was made, which counts what was granted since.
      for (const back of [0, 1]) {
        const signed = known && signTransaction(transaction, known, publicKey, sign, back);
        if (signed?.kind === "signed") add(signed);
      }
    },
  };
}

const mostFollowed = 8;

/**
 * The transaction's bytes, a function of the certified state. A seat's action is signed as its owner or delegate when
 * the operator is that, and everything else for the governance set when the operator's key alone suffices. `back`: how
 * many transactions of the governance set were granted since it was first signed; 0 for one that is to be granted.
 */
export function signTransaction(
  { id, epoch, body }: Transaction,
  known: Pick<Knowledge, "chainId" | "newest" | "setOf" | "governance">,
  publicKey: string,
  sign: (bytes: Uint8Array) => Uint8Array,
  back = 0,
): Signed | Unsigned {
  const newest = known.newest.config.epoch;
  const trusted = back > 0 ? known.setOf(epoch) : known.newest;
  if (!trusted || (back === 0 && newest !== epoch))
    return refuse("other-epoch", `"${id}" is for epoch ${epoch}, the chain is in ${newest}.`);
  const action = actionOf(body, epoch, trusted);
  if (action.kind === "not-possible") return action;

  const seat = "seat" in action ? trusted.set.owners[action.seat] : undefined;
  const key = seat?.owner === publicKey ? ownerKey : seat?.delegate === publicKey ? delegateKey : undefined;
  const signed = (bytes: Uint8Array): Signed => ({ kind: "signed", id, bytes, hash: sha256(bytes) });
  if (key !== undefined) return signed(buildSeatTransaction(known.chainId, action, { key, sign }).bytes);

  const under = known.governance();
  if (!under) return refuse("unknown-chain", "No validator has shown the governance set under a certified root yet.");
  const { threshold, keys, sequence } = under.governance;
  const own = keys.indexOf(publicKey);
  if (own < 0) return refuse("no-authority", `"${id}" needs the governance set, and the operator's key is not in it.`);
  if (threshold > 1)
    return refuse("no-authority", `"${id}" needs ${threshold} keys of the governance set; the operator holds one.`);
  if (sequence < back) return refuse("not-possible", "No transaction was granted before it.");
  return signed(buildTransaction(known.chainId, sequence - back, action, [{ key: own, sign }]).bytes);
}

/** The chain's action. Actions of a seat name the epoch; those of the governance set are good for as long as their sequence. */
function actionOf(
  body: TransactionBody,
  epoch: number,
  { set }: TrustedSet,
): ActionDocument | Extract<Unsigned, { kind: "not-possible" }> {
  switch (body.kind) {
    case "set-members": {
      const members = body.members.map((member) => memberOf(member, set));
      const unproven = members.find(({ proofOfPossession }) => proofOfPossession === "");
      if (unproven) return refuse("not-possible", `${unproven.id} brings a new key without a proof of possession.`);
      return { kind: "set-members", members, requiredRegions: { ...body.requiredRegions } };
    }
    case "rotate-seat": {
      const { seat, currentKey, keys } = body;
      return { kind: "rotate-seat", epoch, seat, currentKey, ...keys };
    }
    case "admit-learner": {
      const { seat, learner, peerKey } = body;
      if (set.members.some(({ id }) => id === seat)) return { kind: "add-learner", epoch, seat, learner, peerKey };
      // A seat to come has no name on the chain yet: its learner is the governance set's to let in.
      return { kind: "set-learners", learners: [...set.learners, { id: learner, peerKey }] };
    }
    case "dismiss-learner": {
      const found = set.learners.find(({ id }) => id === body.learner);
      if (!found) return refuse("not-possible", `The chain has no learner ${body.learner}.`);
      const { seat } = found;
      if (seat !== undefined) return { kind: "remove-learner", epoch, seat, learner: found.id };
      return { kind: "set-learners", learners: set.learners.filter((each) => each !== found) };
    }
    case "set-parameters":
      return { kind: "set-parameters", parameters: { ...body.parameters } };
  }
}

/** Members that stay keep the proof of possession they came with. */
function memberOf({ id, power, region, zones, keys, proofOfPossession }: MemberChange, set: TrustedSet["set"]) {
  const index = set.members.findIndex(({ blsKey }) => blsKey === keys.blsKey);
  const proof = set.possession[index] ?? proofOfPossession ?? "";
  const { blsKey, peerKey } = keys;
  return { id, power, region, zones: [...zones], blsKey, peerKey, proofOfPossession: proof };
}
