/** When an outcome counts. */
import { expect, test } from "vitest";
import { type Agreement, agreement } from "./agreement.ts";
import { agreeOnDirectory } from "./directory.ts";
import { testDirectory } from "./testing/swarm.ts";

const four = new Map([
  ["a", 1],
  ["b", 1],
  ["c", 1],
  ["d", 1],
]);

function start(powers: ReadonlyMap<string, number> = four, faultPower = 1): Agreement<string> {
  const agreed = agreement<string>(0);
  agreed.weigh(powers, faultPower);
  return agreed;
}

function say(agreed: Agreement<string>, seat: string, height: number, block: string): string | undefined {
  agreed.report({ seat, height, identity: block, block });
  return agreed.next();
}

test("one report is not enough, two alike are, the third is late", () => {
  const agreed = start();
  expect(say(agreed, "a", 1, "x")).toBeUndefined();
  expect(say(agreed, "a", 1, "x")).toBeUndefined();
  expect(say(agreed, "b", 1, "x")).toBe("x");
  expect(say(agreed, "c", 1, "y")).toBeUndefined();
  expect(agreed.height).toBe(1);
  expect(agreed.pending).toBe(0);
});

test("a liar neither makes an outcome nor stops one", () => {
  const agreed = start();
  expect(say(agreed, "a", 1, "lie")).toBeUndefined();
  expect(say(agreed, "b", 1, "x")).toBeUndefined();
  expect(say(agreed, "c", 1, "x")).toBe("x");
});

test("strangers have no power", () => {
  const agreed = start();
  for (const seat of ["x", "y", "z"]) expect(say(agreed, seat, 1, "x")).toBeUndefined();
});

test("power counts, not heads", () => {
  const agreed = start(
    new Map([
      ["big", 4],
      ["s1", 1],
      ["s2", 1],
      ["s3", 1],
    ]),
    2,
  );
  expect(say(agreed, "s1", 1, "x")).toBeUndefined();
  expect(say(agreed, "s2", 1, "x")).toBeUndefined();
  expect(say(agreed, "s3", 1, "x")).toBe("x");
  expect(say(agreed, "big", 2, "y")).toBe("y");
});

test("a height that one honest seat has reported is waited for", () => {
  const agreed = start();
  expect(say(agreed, "b", 1, "one")).toBeUndefined();
  expect(say(agreed, "a", 2, "two")).toBeUndefined();
  expect(say(agreed, "b", 2, "two")).toBeUndefined();
  expect(say(agreed, "c", 1, "one")).toBe("one");
  expect(agreed.next()).toBe("two");
});

test("blocks without messages are left out, and the heights between are none", () => {
  const agreed = start();
  for (const seat of ["a", "b"]) agreed.report({ seat, height: 7, identity: "x", block: "x" });
  expect(agreed.next()).toBe("x");
  expect(agreed.height).toBe(7);
});

test("a height that a liar made up is passed over once all but the faulty power is past it", () => {
  const agreed = start();
  agreed.report({ seat: "a", height: 3, identity: "lie", block: "lie" });
  agreed.report({ seat: "b", height: 5, identity: "x", block: "x" });
  agreed.report({ seat: "c", height: 5, identity: "x", block: "x" });
  expect(agreed.next()).toBeUndefined();
  expect(say(agreed, "d", 5, "x")).toBe("x");
});

test("a directory is believed when more than the faulty power says it, balances aside", () => {
  const honest = testDirectory();
  const moved = testDirectory();
  moved.accounts[0]!.balance = 5n;
  const forged = testDirectory();
  forged.institutions[0]!.bic = "DEUTDEFFXXX";
  expect(agreeOnDirectory([{ seat: "a", response: honest }])).toBeUndefined();
  expect(
    agreeOnDirectory([
      { seat: "a", response: honest },
      { seat: "a", response: honest },
    ]),
  ).toBeUndefined();
  expect(
    agreeOnDirectory([
      { seat: "a", response: forged },
      { seat: "b", response: honest },
    ]),
  ).toBeUndefined();
  expect(
    agreeOnDirectory([
      { seat: "a", response: forged },
      { seat: "b", response: honest },
      { seat: "c", response: moved },
    ])?.institution("QSWADEFFXXX"),
  ).toBe(0);
});
