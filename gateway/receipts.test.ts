/** Reason codes: the ledger's, the validators' and this gateway's own, against the one table. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { receiptTable } from "../validator/ledger/receipts.ts";
import { isReasonCode, REASONS } from "./iso20022/reasons.ts";
import { reasonOf } from "./receipts.ts";

const here = import.meta.dirname;
const validator = join(here, "..", "validator");

/** The text of what may give a code out: this gateway, the ledger's receipts, the validators' ingress. */
function sources(): string {
  const gateway = [here, join(here, "iso20022")].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".ts") && !/\.test\.ts$|\.bench\.ts$|^reasons\.ts$/.test(name))
      .map((name) => join(folder, name)),
  );
  const others = ["ledger/receipts.ts", "driver/ingress.ts", "driver/payload.ts"].map((path) => join(validator, path));
  return [...gateway, ...others].map((path) => readFileSync(path, "utf8")).join("\n");
}

test("every receipt of the ledger but the settled one has a reason of the table, and institutions are told it", () => {
  for (const { code, name, reason, help } of receiptTable) {
    if (name === "settled") continue;
    expect(isReasonCode(reason), `${name}: ${reason}`).toBe(true);
    expect(reasonOf(code)).toEqual({ code: reason, message: help });
  }
  const reasons = receiptTable.map(({ reason }) => reason);
  expect(new Set(reasons).size, "two receipts with one reason").toBe(reasons.length);
  expect(reasonOf(receiptTable.length).code).toBe("NARR");
});

test("every code that a validator refuses a message with is of the table", () => {
  const codes = [...sources().matchAll(/(?:refuse\(|code: )"([A-Z]{2}[A-Z0-9]{2})"/g)].map(([, code]) => code ?? "");
  expect(codes).toContain("DS17");
  expect(codes.filter((code) => !isReasonCode(code))).toEqual([]);
});

test("every code of the table is given out by something", () => {
  const text = sources();
  const unused = Object.keys(REASONS).filter(
    (code) => !text.includes(`"${code}"`) && !text.includes(`REASONS.${code}`),
  );
  expect(unused).toEqual([]);
});
