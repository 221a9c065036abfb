import { utf8ToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { digest, height } from "../consensus/types.ts";
import { openLedger, restoreLedger } from "./execute.ts";
import { canonicalJson } from "./genesis.ts";
import { createHistory } from "./history.ts";
import { createMemoryKeys } from "./memory-keys.ts";
import { decodeSnapshot, encodeSnapshot, type SnapshotContent } from "./snapshot.ts";
import { batchOf, message, type TestChain, testChain } from "./testing/chain.ts";

const crypto = { verifyEd25519: () => true, verifyBls: () => true, provesPossession: () => true };
const optionsOf = ({ genesis, chainId }: TestChain) => ({ genesis, chainId, keys: createMemoryKeys(), crypto });

/** Two epochs, reveals, payments, a degraded region's worth of state. */
function lived(): TestChain {
  const chain = testChain();
  chain.execute([batchOf(message(chain, "a", [{ id: 1 }, { id: 2, amount: 0 }]))]);
  chain.execute([], {}, { reveal: new Uint8Array(96).fill(3), closing: true });
  chain.execute([batchOf(message(chain, "b", [{ id: 3 }]))]);
  return chain;
}

const partOf = (chain: TestChain): Uint8Array => {
  const [part, ...rest] = chain.ledger.snapshot();
  if (!part || rest.length > 0) throw new Error("not one part");
  return part;
};

function contentOf(chain: TestChain): SnapshotContent {
  const decoded = decodeSnapshot(chain.ledger.snapshot());
  if (decoded.kind === "refused") throw new Error(decoded.error.reason);
  return decoded.value;
}

describe("a snapshot", () => {
  test("restores to the root that was asked for, and to no other", () => {
    const chain = lived();
    const { root } = chain.ledger.executed;
    const restored = restoreLedger(optionsOf(chain), chain.ledger.snapshot(), root);
    expect(restored.kind).toBe("ok");
    if (restored.kind === "ok") expect(restored.value.epochConfig).toEqual(chain.ledger.epochConfig);
    expect(restoreLedger(optionsOf(chain), chain.ledger.snapshot(), digest("00".repeat(32)))).toMatchObject({
      kind: "refused",
      error: { reason: "snapshot: its root is not the one that was asked for" },
    });
  });

  test("taken at a closing block names the root after it as the next epoch's anchor", () => {
    const chain = testChain();
    chain.execute([], {}, { closing: true });
    const restored = restoreLedger(optionsOf(chain), chain.ledger.snapshot(), chain.ledger.executed.root);
    if (restored.kind === "refused") throw new Error(restored.error.reason);
    expect(restored.value.epochConfig).toEqual(chain.ledger.epochConfig);
    expect(restored.value.epochConfig.anchor.root).toBe(chain.ledger.executed.root);
  });

  test("with any byte changed, cut or added is refused or has another root, and never more", () => {
    const chain = lived();
    const part = partOf(chain);
    const { root } = chain.ledger.executed;
    const refuses = (bytes: Uint8Array, what: string) =>
      expect(restoreLedger(optionsOf(chain), [bytes], root).kind, what).toBe("refused");
    for (let at = 0; at < part.length; at += 5) {
      const flipped = part.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
      refuses(flipped, `byte ${at}`);
    }
    for (let length = 0; length < part.length; length += 101) refuses(part.subarray(0, length), `${length} bytes`);
    refuses(Uint8Array.of(...part, 0), "one more byte");
  });

  test("with any value of another type or size is refused or has another root: nothing of it is trusted before", () => {
    const chain = lived();
    const part = partOf(chain);
    const { root } = chain.ledger.executed;
    const view = new DataView(part.buffer, part.byteOffset);
    const smallLength = view.getUint32(4, true);
    const small: unknown = JSON.parse(new TextDecoder().decode(part.subarray(16, 16 + smallLength)));
    const rest = part.subarray(16 + smallLength);
    const strange = [null, -1, 1.5, 2 ** 60, "", "x", "00", [], {}, true, { ["__proto__"]: 1 }];
    let tried = 0;
    for (const path of pathsOf(small)) {
      for (const value of [...strange, undefined]) {
        const changed = canonicalJson(replaced(small, path, value));
        if (changed === canonicalJson(small)) continue;
        const bytes = utf8ToBytes(changed);
        const whole = new Uint8Array(16 + bytes.length + rest.length);
        whole.set(part.subarray(0, 16));
        new DataView(whole.buffer).setUint32(4, bytes.length, true);
        whole.set(bytes, 16);
        whole.set(rest, 16 + bytes.length);
        expect(restoreLedger(optionsOf(chain), [whole], root).kind, `${path.join(".")} = ${String(value)}`).toBe(
          "refused",
        );
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(1_000);
  });
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (value === null || typeof value !== "object") return [path];
  const keys = Array.isArray(value) ? [...value.keys()].slice(0, 2) : Object.keys(value);
  const fields = value as Record<string | number, unknown>;
  return [...(path.length > 0 ? [path] : []), ...keys.flatMap((key) => pathsOf(fields[key], [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: Path, leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value)) return value.map((each, i) => (i === key ? replaced(each, rest, leaf) : each));
  const fields = value as Record<string, unknown>;
  return { ...fields, [key]: replaced(fields[key], rest, leaf) };
}

test("the root commits to every kind of state that execution reads or writes", () => {
  const chain = lived();
  const rootOf = (changed: SnapshotContent) => openLedger(optionsOf(chain), changed).executed.root;
  const same = contentOf(chain);
  const { state } = same;
  const [first, ...accounts] = same.accounts;
  const [institution, ...institutions] = state.institutions;
  if (!first || !institution) throw new Error("an empty chain");
  const account = (change: Partial<typeof first>) => ({ ...same, accounts: [{ ...first, ...change }, ...accounts] });
  const inState = (change: Partial<typeof state>) => ({ ...same, state: { ...state, ...change } });
  const inSet = (change: Partial<typeof state.set>) => inState({ set: { ...state.set, ...change } });
  const inBeacon = (change: Partial<typeof state.beacon>) => inState({ beacon: { ...state.beacon, ...change } });
  const anchor = (change: Partial<typeof same.anchor>) => ({ ...same, anchor: { ...same.anchor, ...change } });
  const history = (leaves: number) => {
    const made = createHistory();
    for (let i = 0; i < 3; i++) made.append(new Uint8Array(32).fill(i === leaves ? 9 : 1));
    return { ...same, history: made };
  };
  const other = digest("ab".repeat(32));
  const changes: Readonly<Record<string, SnapshotContent>> = {
    balance: account({ balance: first.balance + 1 }),
    currency: account({ currency: 36 }),
    owner: account({ institution: 1 }),
    "debit cap": account({ debitCap: 1 }),
    "payment limit": account({ perPaymentLimit: 1 }),
    "day limit": account({ perDayLimit: 1 }),
    day: account({ day: first.day + 1 }),
    "day total": account({ dayTotal: first.dayTotal + 1 }),
    "one account more": { ...same, accounts: [...same.accounts, first] },
    receipts: history(-1),
    "other receipts": history(2),
    suspended: inState({ institutions: [{ ...institution, suspended: true }, ...institutions] }),
    "institution's key": inState({ institutions: [{ ...institution, key: "11".repeat(32) }, ...institutions] }),
    zones: inState({ zones: [] }),
    "expiry window": inState({ expiryWindow: 61_000 }),
    issued: inState({ issued: { ...state.issued, EUR: 1 } }),
    chain: inState({ chainId: other }),
    members: inSet({ members: state.set.members.slice(1) }),
    possession: inSet({ possession: state.set.possession.slice(1) }),
    parameters: inSet({ parameters: { ...state.set.parameters, epochBlocks: 7 } }),
    "required regions": inSet({ requiredRegions: {} }),
    "used keys": inSet({ usedKeys: [] }),
    predecessors: inSet({ predecessors: { x: { blsKey: "", peerKey: "" } } }),
    epoch: inSet({ epoch: 9 }),
    "governance keys": inState({ governance: { ...state.governance, keys: [] } }),
    "governance sequence": inState({ governance: { ...state.governance, sequence: 9 } }),
    "coverage mode": inState({ coverage: { ...state.coverage, modeSeq: 1 } }),
    "degraded regions": inState({ coverage: { ...state.coverage, degraded: ["eu-west"] } }),
    "beacon now": inBeacon({ current: other }),
    "beacon next": inBeacon({ next: other }),
    "reveals mixed": inBeacon({ mixed: other }),
    "reveals counted": inBeacon({ reveals: 3 }),
    time: { ...same, time: same.time + 1 },
    "times of heights": { ...same, times: [] },
    "anchor's hash": anchor({ hash: other }),
    "anchor's height": anchor({ height: height(1) }),
    "anchor's time": anchor({ time: 1 }),
    "anchor's root height": anchor({ rootHeight: height(1) }),
    "anchor's root": anchor({ root: other }),
  };
  const root = rootOf(same);
  expect(root).toBe(chain.ledger.executed.root);
  const roots = Object.values(changes).map(rootOf);
  expect(Object.keys(changes).filter((_, i) => roots[i] === root)).toEqual([]);
  expect(new Set(roots).size).toBe(roots.length);
  expect(encodeSnapshot(same)).toEqual(chain.ledger.snapshot());
});
