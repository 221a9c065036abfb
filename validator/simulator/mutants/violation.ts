/** What a scenario says when the code under it broke a promise: not an error of the scenario. */

/** Properties that scenarios check, in the words of docs/consensus-core.md. */
export type Property =
  | "one proposal a view"
  | "one notarize a view"
  | "never nullify and finalize"
  | "agreement"
  | "durable before sent"
  | "acknowledged is kept"
  | "only a certificate makes doubt"
  | "finality without execution"
  | "back-pressure"
  | "liveness"
  | "nobody fills another's slot"
  | "late votes cover"
  | "the root commits to receipts";

/** A property does not hold. Every other exception is a bug of the scenario or a mutant that breaks too much. */
export class Violation extends Error {
  readonly property: Property;
  constructor(property: Property, detail: string) {
    super(detail);
    this.name = "Violation";
    this.property = property;
  }
}

/** One directed world. Passes for every seed on the shipped source; throws a `Violation` where a rule is broken. */
export interface Scenario {
  readonly name: string;
  readonly run: (seed: number) => Promise<void>;
}
