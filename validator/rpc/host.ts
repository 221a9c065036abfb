/** What the services need of the process around them; `main.ts` implements it. */
import type { StatePart } from "../driver/restored-state.ts";
import type { ValidatorServices } from "../driver/services.ts";

/** The public half of the seat's identity. */
export interface PublicIdentity {
  /** BLS12-381 in G1, compressed, 48 bytes. */
  readonly blsKey: Uint8Array;
  /** ed25519, 32 bytes. */
  readonly peerKey: Uint8Array;
  /** BLS signature, 96 bytes (`docs/formats.md`, kind `possession`). */
  readonly proofOfPossession: Uint8Array;
}

export type StateResult =
  | { readonly kind: "more" }
  /** The chain starts. `root`: on the chain that was restored, hexadecimal. */
  | { readonly kind: "restored"; readonly height: number; readonly root: string }
  /** Wrong, or none is waited for: a sentence. */
  | { readonly kind: "refused"; readonly reason: string };

export type GenesisResult =
  | { readonly kind: "taken"; readonly chainId: Uint8Array }
  /** Wrong, or another one is in the volume already: a sentence. */
  | { readonly kind: "refused"; readonly reason: string };

/** One process: with an identity from its start, with services once it has a chain. */
export interface Host {
  readonly seat: string;
  readonly region: string;
  readonly identity: PublicIdentity;
  /** Signs 32 bytes of a caller's with the peer key (`crypto/challenge.ts`). */
  readonly answerChallenge: (challenge: Uint8Array) => Uint8Array;
  /** Why the volume's record is not to be trusted: this identity signs nothing any more. "" while it is good. */
  readonly retired: () => string;
  /** Undefined while the process waits for its genesis, and when it is retired. */
  readonly services: () => ValidatorServices | undefined;
  /** Resolves when the chain runs, or the identity is found to be retired. */
  readonly started: Promise<void>;
  /** Keeps the document in the volume and starts the chain; the same bytes again are taken again. */
  readonly provideGenesis: (document: Uint8Array) => Promise<GenesisResult>;
  /** Takes the state that a restored chain begins with, part by part. */
  readonly provideState: (part: StatePart) => Promise<StateResult>;
  /** What a process waits for that has no chain yet. */
  readonly waitsFor: () => "genesis" | "state";
}

/** As a process says that has its genesis and begins with a restored state. */
export const waitsForState = "waits for the state that its chain is restored from";

/** What a process says of itself that runs no chain. */
export function withoutChain(host: Host): { readonly role: "waiting" | "retired"; readonly notReady: string } {
  const reason = host.retired();
  return reason === ""
    ? { role: "waiting", notReady: host.waitsFor() === "state" ? waitsForState : "waits for its genesis document" }
    : { role: "retired", notReady: `is retired: ${reason}` };
}
