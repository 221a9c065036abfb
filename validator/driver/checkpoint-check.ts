/**
 * Whether a checkpoint is what it says, wherever it comes from: verified against its epoch's set, to which trust was
 * handed over, before anything of it is believed.
 */
import type { Block, Certificate, Height, Verified } from "../consensus/types.ts";
import { type MemberKeys, verifyCertificate } from "../crypto/bls.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import { checkKeys } from "../ledger/keys-check.ts";
import type { StagedKeys } from "../storage/staged-keys.ts";
import type { Checkpoint, Store } from "../storage/types.ts";
import { followTo, type StoredHandover } from "./handover-transfer.ts";
import { type Chain, ledgerFromCheckpoint } from "./ledger-port.ts";

/** What is wrong with a checkpoint: its shape, the way to its epoch, its certificate, the state, the executed keys, the blocks above it. */
export type CheckpointFault = "malformed" | "no-way" | "not-certified" | "wrong-state" | "wrong-keys" | "no-chain";

/** A part of its content, or why there is none: then it is the last. */
export type CheckpointPart =
  | { readonly kind: "state"; readonly content: Uint8Array }
  | { readonly kind: "keys"; readonly content: Uint8Array }
  | { readonly kind: "missing"; readonly reason: string }
  | { readonly kind: "malformed"; readonly reason: string };

export interface CheckpointClaim {
  readonly height: Height;
  /** The block whose header names the height with its root, and what finalizes it. */
  readonly proof: { readonly block: Block; readonly finalization: Certificate };
  /** Handovers from an epoch's set on, as `encodeHandovers` makes them; undefined: there are none. */
  readonly handovers: (from: number) => Promise<Uint8Array | undefined>;
  /** State first, then executed keys. Taken one after the other. */
  readonly parts: AsyncIterable<CheckpointPart>;
}

export type CheckpointCheck =
  | {
      readonly kind: "believed";
      readonly checkpoint: Checkpoint;
      readonly ledger: SettlementLedger;
      /** Of the epoch that it leads into. */
      readonly keys: MemberKeys;
      /** From the trusted epoch to that one; none when they are one. */
      readonly handovers: readonly StoredHandover[];
      /** The proof's. */
      readonly certificate: Verified<Certificate>;
    }
  | { readonly kind: "none"; readonly reason: string }
  /** No honest member makes this. */
  | { readonly kind: "dishonest"; readonly fault: CheckpointFault; readonly reason: string };

export interface CheckpointTrust {
  readonly chain: Chain;
  /** Of the epoch trusted so far. */
  readonly keys: MemberKeys;
  readonly store: Pick<Store, "keys" | "stageKeys">;
}

const none = (reason: string) => ({ kind: "none", reason }) as const;
const dishonest = (fault: CheckpointFault, reason: string) => ({ kind: "dishonest", fault, reason }) as const;

/**
 * Takes the parts and checks everything. The executed keys are added to the store's once they were found to be those of
 * the certified state. Rejects with `StorageFaultError` when the disk fails.
 */
export async function checkCheckpoint(trust: CheckpointTrust, claim: CheckpointClaim): Promise<CheckpointCheck> {
  const { chain, store } = trust;
  const { height, proof } = claim;
  const { block, finalization } = proof;
  const way = await followTo(block.header.epoch, trust.keys, claim.handovers);
  if (way.kind === "dishonest") return dishonest("no-way", way.reason);
  if (way.kind === "none") return none("it does not show the way to its checkpoint's epoch");
  const certificate = verifyCertificate(way.keys, finalization);
  if (!certificate) return dishonest("not-certified", "a checkpoint's finalization that does not verify");
  const named = block.header.rootHeight === height && block.header.chainId === chain.chainId;
  if (finalization.kind !== "finalize" || finalization.block !== block.hash || !named)
    return dishonest("not-certified", "a checkpoint's proof that is of another block");

  const state: Uint8Array[] = [];
  let ledger: SettlementLedger | undefined;
  let staged: StagedKeys | undefined;
  const opened = (): SettlementLedger | undefined => {
    ledger ??= ledgerFromCheckpoint(chain, store.keys, state);
    const certified = ledger?.executed.height === height && ledger.executed.root === block.header.root;
    return certified ? ledger : undefined;
  };
  const wrongState = dishonest("wrong-state", "a checkpoint whose state is not the certified one");
  try {
    for await (const part of claim.parts) {
      if (part.kind === "missing") return none(part.reason);
      if (part.kind === "malformed") return dishonest("malformed", part.reason);
      if (part.kind === "state") {
        if (staged) return dishonest("malformed", "a checkpoint's part that is none");
        state.push(part.content.slice());
        continue;
      }
      // The state comes first: it says from which block on there are keys.
      const certified = opened();
      if (!certified) return wrongState;
      staged ??= await store.stageKeys({ above: certified.forgotten, height });
      if ((await staged.add(part.content)) !== "ok") return dishonest("malformed", "executed keys that are none");
    }
    const certified = opened();
    if (!certified) return wrongState;
    const scan = () => staged?.parts() ?? noParts();
    const keysChecked = await checkKeys({ history: certified.history, above: certified.forgotten, scan });
    if (keysChecked.kind === "wrong")
      return dishonest("wrong-keys", `a checkpoint's executed keys: ${keysChecked.reason}`);
    if (certified.epochConfig.epoch !== block.header.epoch)
      return dishonest("wrong-state", "a checkpoint whose state is of another epoch than its proof");
    for await (const keysOf of scan()) await store.keys.import(keysOf, height);
    const checkpoint: Checkpoint = { height, root: block.header.root, proof, parts: state };
    const { keys, handovers } = way;
    return { kind: "believed", checkpoint, ledger: certified, keys, handovers, certificate };
  } finally {
    await staged?.discard();
  }
}

async function* noParts(): AsyncGenerator<Uint8Array> {}
