/**
 * What the planner may ask a world to do. A closed union: a world performs each idempotently, in the order given, and
 * stops at the first that fails; the next plan starts from what is. Nothing is written that the API could not refuse:
 * creations fail when the name exists, deletions carry the uid, changes of permit and budgets the resourceVersion.
 */
import type { Claimed, PublicKeys, ValidatorSet } from "./snapshot.ts";
import type { MemberChange, Transaction } from "./transactions.ts";

/** Where an identity runs. */
export interface Place {
  readonly region: string;
  /** Value of the topology key that the pod must be in; undefined: any of the region. */
  readonly zone: string | undefined;
  /** Where the solver would have it: a preference. */
  readonly node: string | undefined;
}

interface Why {
  /** One word in CamelCase: the Event's. */
  readonly reason: string;
  /** One sentence. */
  readonly message: string;
}

interface OfIdentity {
  readonly identity: string;
  readonly seat: string;
  readonly generation: number;
}

export type Action = Why &
  (
    | { readonly kind: "add-finalizer" }
    | { readonly kind: "remove-finalizer" }
    | { readonly kind: "create-service"; readonly service: string; readonly role: "peers" | "clients" }
    | { readonly kind: "delete-service"; readonly service: string }
    /** Fails when a volume of this name exists. */
    | ({ readonly kind: "create-volume"; readonly place: Place } & OfIdentity)
    | { readonly kind: "delete-volume"; readonly identity: string; readonly uid: string }
    /** Records the public keys on the volume, once: refused when other keys are there. */
    | { readonly kind: "record-keys"; readonly identity: string; readonly uid: string; readonly keys: PublicKeys }
    /** With our finalizer. Fails when a pod of this name exists, or the volume is not the one named. */
    | ({
        readonly kind: "create-pod";
        readonly revision: string;
        readonly volumeUid: string;
        readonly place: Place;
      } & OfIdentity)
    /**
     * Asks for a graceful end; the object stays until it is released. With a version: refused when the object has changed
     * since, for a pod that is deleted because it is broken may have recovered.
     */
    | {
        readonly kind: "delete-pod";
        readonly identity: string;
        readonly uid: string;
        readonly version: string | undefined;
      }
    /** Removes our finalizer and the object of a pod that ended, or whose identity no set names. */
    | { readonly kind: "release-pod"; readonly identity: string; readonly uid: string }
    /** PodDisruptionBudget over the identity's pod, `minAvailable: 1`. */
    | { readonly kind: "create-budget"; readonly identity: string; readonly seat: string }
    | { readonly kind: "open-budget"; readonly identity: string; readonly version: string }
    | { readonly kind: "close-budget"; readonly identity: string; readonly version: string }
    | { readonly kind: "delete-budget"; readonly identity: string; readonly version: string }
    /** Immutable, created once; the world adds institutions, accounts and governance from the spec. */
    | { readonly kind: "write-genesis"; readonly members: readonly MemberChange[]; readonly set: ValidatorSet }
    | { readonly kind: "delete-genesis" }
    /** ProvideGenesis on a validator that waits for it. */
    | { readonly kind: "provide-genesis"; readonly identity: string; readonly podUid: string }
    /** Refused unless the permit's object still has this version and holds none. */
    | { readonly kind: "take-permit"; readonly claim: Claimed; readonly version: string }
    | { readonly kind: "clear-permit"; readonly id: string; readonly version: string }
    /** Signs and hands the permit's transaction to validators, then writes `submittedAt` into the permit of this version. */
    | { readonly kind: "submit-governance"; readonly transaction: Transaction; readonly version: string }
  );
