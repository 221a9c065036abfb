/** What is wrong with an object, as sentences that name the field and the fix. */
import type { z } from "zod";
import { sentence } from "./spec/fields.ts";

/** One thing wrong: where, what, and what to do, as a sentence. */
export interface Problem {
  /** Dotted path such as `spec.regions.0.name`; "" for the whole document. */
  readonly field: string;
  readonly message: string;
}

/** The problems that a zod issue stands for. The parse must have run with `reportInput`. */
export function explain(issue: z.core.$ZodIssue): readonly Problem[] {
  const field = issue.path.map(String).join(".");
  const at = (message: string): Problem[] => [{ field, message }];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        field: field === "" ? key : `${field}.${key}`,
        message: "Unknown field. Remove it or correct its spelling.",
      }));
    case "invalid_type":
      return at(
        issue.input === undefined
          ? `Missing. Add ${kindName(issue.expected)}.`
          : `Must be ${kindName(issue.expected)}.`,
      );
    case "invalid_value":
      return at(
        issue.input === undefined && issue.values.length > 1
          ? `Missing. Add ${issue.values.map(String).join(" or ")}.`
          : `Must be ${issue.values.map(String).join(" or ")}.`,
      );
    case "too_small":
      return at(`Too small: at least ${issue.minimum}${unitOf(issue.origin, issue.minimum)}.`);
    case "too_big":
      return at(`Too large: at most ${issue.maximum}${unitOf(issue.origin, issue.maximum)}.`);
    case "invalid_union":
      return at("Must be text or a whole number.");
    case "invalid_key":
      return at(sentence(`the key ${issue.issues[0]?.message ?? "is wrong"}`));
    default:
      return at(sentence(issue.message));
  }
}

const kindNames: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a map of fields",
  record: "a map of names to values",
};
const kindName = (expected: string) => kindNames[expected] ?? expected;
const units: Readonly<Record<string, readonly [one: string, more: string]>> = {
  string: [" character", " characters"],
  array: [" entry", " entries"],
};
const unitOf = (origin: string, count: number | bigint) => units[origin]?.[Number(count) === 1 ? 0 : 1] ?? "";
