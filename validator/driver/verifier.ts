/** The core's questions about signatures, answered by `crypto/` and fed back. */
import type { Effect, Input, SeatIndex } from "../consensus/types.ts";
import { assemble, extend, type MemberKeys, verifyCertificate, verifyVote } from "../crypto/bls.ts";
import { measured } from "./measure.ts";
import type { Clock } from "./ports.ts";
import type { Observer } from "./services.ts";

export type Question = Extract<Effect, { kind: "assemble" | "extend" | "verify-certificate" | "verify-vote" }>;

export interface VerifierOptions {
  readonly clock: Clock;
  readonly observe: Observer;
  readonly keys: () => MemberKeys;
  readonly feed: (input: Input) => void;
  /** A member sent what only a dishonest one sends. */
  readonly penalize: (seat: SeatIndex, reason: string) => void;
}

export function createVerifier({
  clock,
  observe,
  keys,
  feed,
  penalize,
}: VerifierOptions): (question: Question) => void {
  const answer = (question: Question): Input => {
    switch (question.kind) {
      case "assemble":
      case "extend": {
        const made =
          question.kind === "assemble"
            ? assemble(keys(), question.ballot, question.votes)
            : extend(keys(), question.certificate, question.votes);
        if (made.kind === "assembled") return { kind: "assembled", certificate: made.certificate };
        for (const seat of made.bad) penalize(seat, "a vote with a bad signature");
        const ballot = question.kind === "assemble" ? question.ballot : question.certificate;
        return { kind: "assembly-refused", ballot, bad: made.bad };
      }
      case "verify-certificate": {
        const { certificate, from } = question;
        const verified = verifyCertificate(keys(), certificate);
        if (verified) return { kind: "certificate-verified", certificate: verified };
        if (from !== undefined) penalize(from, "a certificate that does not verify");
        return { kind: "certificate-refused", from, certificate };
      }
      case "verify-vote": {
        const verified = verifyVote(keys(), question.vote);
        return verified ? { kind: "vote-verified", vote: verified } : { kind: "vote-refused", vote: question.vote };
      }
    }
  };
  return (question) => feed(measured(clock, observe, "bls-verify", () => answer(question)));
}
