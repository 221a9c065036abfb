import { expect, test } from "vitest";
import { checkAccusations } from "./accusations.ts";
import { checkConservation } from "./conservation.ts";
import { checkDurability } from "./durability.ts";
import { checkLiveness } from "./liveness.ts";
import { checkPayments } from "./payments.ts";
import { type Event, first, history, named } from "./testing/histories.ts";

const settled = (height: number, hash: string, codes: readonly number[] = [0], node = 0): Event => ({
  kind: "settled",
  node,
  height,
  receipts: "",
  messages: [{ hash, codes }],
});
const acknowledged: Event = { kind: "acknowledged", node: 1, message: "paid" };
const balances = (height: number, ...accounts: readonly bigint[]): Event => ({
  kind: "balances",
  node: 0,
  height,
  accounts,
});
const rules = (violations: readonly { readonly rule: string }[]) => violations.map(({ rule }) => rule);

test("an accepted message settles, whoever tells of it and however often", () => {
  expect(checkPayments(history([acknowledged, settled(3, "paid"), settled(3, "paid", [0], 2)]))).toEqual([]);
});

test("an accepted message that never settles is refused", () => {
  expect(rules(checkPayments(history([acknowledged, settled(3, "fresh")])))).toEqual(["accepted is never lost"]);
});

test("a message that settles in two blocks, or was never submitted, or has other payments, is refused", () => {
  expect(rules(checkPayments(history([settled(3, "paid"), settled(4, "paid")])))).toEqual(["settles once"]);
  expect(rules(checkPayments(history([settled(3, "invented")])))).toEqual(["settles once"]);
  expect(rules(checkPayments(history([settled(3, "paid", [0, 0])])))).toEqual(["settles once"]);
});

test("balances that follow from the settled payments up to their height are money conserved", () => {
  const facts = [settled(3, "paid"), settled(5, "fresh", [999])];
  expect(checkConservation(history([...facts, balances(2, 100n, 100n), balances(5, 93n, 107n)]))).toEqual([]);
});

test("money made, money lost and money in the wrong place are refused", () => {
  const paid = settled(3, "paid");
  expect(rules(checkConservation(history([paid, balances(3, 100n, 107n)])))).toEqual(["conservation"]);
  expect(rules(checkConservation(history([paid, balances(3, 93n, 100n)])))).toEqual(["conservation"]);
  expect(rules(checkConservation(history([paid, balances(3, 100n, 100n)])))).toEqual(["conservation"]);
  expect(rules(checkConservation(history([settled(3, "paid", [999]), balances(3, 93n, 107n)])))).toEqual([
    "conservation",
  ]);
});

test("a batch that a vote relied on and a power cut took is refused", () => {
  const lost: Event = { kind: "payload-missing", node: 2, block: first.hash, batch: named("batch") };
  expect(rules(checkDurability(history([lost])))).toEqual(["durable payload"]);
  expect(checkDurability(history([acknowledged]))).toEqual([]);
});

test("a correct member that is held at fault is refused; a faulty one that is, is not", () => {
  const accused = (of: number): Event => ({ kind: "accused", node: 0, of, why: "its nullify has a bad signature" });
  expect(rules(checkAccusations(history([accused(2)])))).toEqual(["no false accusation"]);
  expect(checkAccusations(history([accused(3)]))).toEqual([]);
});

const healed: Event = { kind: "healed", message: "fresh" };
const caughtUp = (node: number, height: number): Event => ({ kind: "caught-up", node, height });
const live = [healed, settled(7, "fresh"), ...[0, 1, 2].map((node) => caughtUp(node, 8))];

test("a world that settles the new message on every correct member in time is live", () => {
  expect(checkLiveness(history(live), 10)).toEqual([]);
});

test("a world that never heals, settles nothing new, settles too late, or leaves a member behind is refused", () => {
  expect(rules(checkLiveness(history(live.slice(1)), 10))).toEqual(["liveness"]);
  expect(rules(checkLiveness(history([healed, settled(7, "paid")]), 10))).toEqual(["liveness"]);
  expect(rules(checkLiveness(history(live), 0))).toEqual(["liveness"]);
  expect(rules(checkLiveness(history([...live.slice(0, 3), caughtUp(1, 6), caughtUp(2, 8)]), 10))).toEqual([
    "liveness",
  ]);
});
