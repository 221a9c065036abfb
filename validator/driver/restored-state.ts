/**
 * The first state of a restored chain, as it comes to a member that waits for it: part by part, believed because the
 * genesis document names its root and the old chain's governance set signed for it, then kept as a checkpoint that the
 * validator starts from.
 */
import { digest, height as toHeight } from "../consensus/types.ts";
import { verifyBls, verifyPossession } from "../crypto/bls.ts";
import { verifyEd25519 } from "../crypto/ed25519.ts";
import { openLedger } from "../ledger/execute.ts";
import type { Recovery } from "../ledger/genesis.ts";
import { checkKeys } from "../ledger/keys-check.ts";
import { recoveryFault, restoredState } from "../ledger/recovery.ts";
import { decodeSnapshot, encodeSnapshot } from "../ledger/snapshot.ts";
import type { StagedKeys } from "../storage/staged-keys.ts";
import type { Store } from "../storage/types.ts";
import type { Chain } from "./ledger-port.ts";

/** `index` counts from 0, which begins anew: whoever sends may have been broken off. */
export interface StatePart {
  readonly index: number;
  readonly kind: "state" | "keys" | "end";
  readonly content: Uint8Array;
}

export type StateIntakeResult =
  | { readonly kind: "more" }
  /** On the volume. `root`: of the state on the old chain. */
  | { readonly kind: "restored"; readonly height: number; readonly root: string }
  | { readonly kind: "refused"; readonly reason: string };

export interface StateIntake {
  /** One call at a time. Rejects with `StorageFaultError` when the disk fails. */
  take(part: StatePart): Promise<StateIntakeResult>;
}

const crypto = { verifyEd25519, verifyBls, provesPossession: verifyPossession };
/** Of the small state, history and accounts together, bytes. */
const mostStateBytes = 1 << 30;
const refused = (reason: string) => ({ kind: "refused", reason }) as const;
const more: StateIntakeResult = { kind: "more" };

export function createStateIntake(chain: Chain, { statement, signatures }: Recovery, store: Store): StateIntake {
  let next = 0;
  let state: Uint8Array[] = [];
  let stateBytes = 0;
  let staged: StagedKeys | undefined;

  async function reset(): Promise<void> {
    next = 0;
    state = [];
    stateBytes = 0;
    await staged?.discard();
    staged = undefined;
  }

  /** The state on the old chain; undefined when it is not the one that the statement names. */
  function original() {
    const content = decodeSnapshot(state);
    if (content.kind === "refused" || content.value.state.chainId !== statement.chainId) return undefined;
    const old = { genesis: chain.genesis, chainId: digest(statement.chainId), keys: store.keys, crypto };
    const ledger = openLedger(old, content.value);
    const { height, root } = ledger.executed;
    const named = height === statement.height && root === statement.stateRoot;
    return named ? { content: content.value, ledger } : undefined;
  }

  async function finish(): Promise<StateIntakeResult> {
    const found = original();
    if (!found) return refused("the state is not the one that the recovery statement names");
    const { content, ledger } = found;
    const fault = recoveryFault({ statement, signatures }, content.state.governance, verifyEd25519);
    if (fault !== "") return refused(fault);
    const scan = () => staged?.parts() ?? noParts();
    const keys = await checkKeys({ history: ledger.history, above: ledger.forgotten, scan });
    if (keys.kind === "wrong") return refused(`the executed keys: ${keys.reason}`);
    const first = restoredState(content, chain.genesis, chain.chainId);
    if (first.kind === "refused") return first;
    const height = toHeight(statement.height);
    for await (const part of scan()) await store.keys.import(part, height);
    const started = openLedger({ ...chain, keys: store.keys, crypto }, first.content);
    const parts = encodeSnapshot(first.content);
    await store.saveCheckpoint({ height, root: started.executed.root, proof: undefined, parts });
    return { kind: "restored", height, root: statement.stateRoot };
  }

  return {
    async take({ index, kind, content }) {
      if (index === 0) await reset();
      if (index !== next) return refused(`part ${index} came where ${next} belongs`);
      next += 1;
      if (kind === "state") {
        stateBytes += content.length;
        if (staged || stateBytes > mostStateBytes) return refused("more state than a ledger has, or state after keys");
        state.push(content);
        return more;
      }
      if (kind === "keys") {
        const found = staged ? undefined : original();
        if (!staged && !found) return refused("the state is not the one that the recovery statement names");
        staged ??= await store.stageKeys({ above: found?.ledger.forgotten ?? 0, height: statement.height });
        return (await staged.add(content)) === "ok" ? more : refused("executed keys that are none");
      }
      try {
        return await finish();
      } finally {
        await reset();
      }
    },
  };
}

async function* noParts(): AsyncGenerator<Uint8Array> {}
