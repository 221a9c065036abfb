/**
 * A rule that looks at more than one field, or at more than one version of the object. It is written once: the API
 * server evaluates `cel`, everything offline evaluates `holds`, and both say the same sentence.
 */
import type { Problem } from "../problems.ts";

/** What is said when a rule is broken: always the same, or with the numbers in it. */
export type Sentence<Subject> =
  | string
  | {
      /** For an API server that cannot evaluate `cel`. */
      readonly plain: string;
      /**
       * CEL over `self`, of type string: the same text as `of`. Texts are put together with `format`: an API server
       * takes `'…' + string(number)` for a text of any length, and refuses it as too expensive.
       */
      readonly cel: string;
      readonly of: (subject: Subject) => string;
    };

/** Over one version of the subject. */
export interface Rule<Subject> {
  /** From the subject, without list positions, such as `placement.surviveRegionLoss`; "" for the subject. */
  readonly field: string;
  /** CEL over `self`: true when the rule holds. */
  readonly cel: string;
  readonly sentence: Sentence<Subject>;
  readonly holds: (subject: Subject) => boolean;
}

/** Over two versions of the subject. */
export interface ChangeRule<Subject> {
  readonly field: string;
  /** CEL over `self` and `oldSelf`. */
  readonly cel: string;
  readonly sentence: string;
  readonly holds: (now: Subject, before: Subject) => boolean;
}

/** The broken ones of some rules, each at its field under `root`. */
export function broken<Subject>(rules: readonly Rule<Subject>[], subject: Subject, root: string): readonly Problem[] {
  return rules
    .filter((rule) => !rule.holds(subject))
    .map(({ field, sentence }) => ({
      field: under(root, field),
      message: typeof sentence === "string" ? sentence : sentence.of(subject),
    }));
}

/** The rules that a change breaks, each at its field under `root`. */
export function brokenByChange<Subject>(
  rules: readonly ChangeRule<Subject>[],
  now: Subject,
  before: Subject,
  root: string,
): readonly Problem[] {
  return rules
    .filter((rule) => !rule.holds(now, before))
    .map(({ field, sentence }) => ({ field: under(root, field), message: sentence }));
}

/** Joins two dotted paths; either may be empty. */
export const under = (root: string, field: string) => [root, field].filter((part) => part !== "").join(".");
