/** The data plane's front: a signed message in, one answer out, the same for the same message. */
import { toHex } from "../codec/bytes.ts";
import type { Digest } from "../consensus/types.ts";
import { signedBy } from "./authenticity.ts";
import type { ChainView } from "./chain-view.ts";
import { type Dissemination, tracesOf } from "./dissemination.ts";
import { checkSubmission, type Submission } from "./ingress.ts";
import { batchesOfOneMember, type Limits } from "./limits.ts";
import { measured } from "./measure.ts";
import type { Membership } from "./membership.ts";
import type { MessageIndex } from "./message-index.ts";
import type { Clock } from "./ports.ts";
import { createSealer, type Sealed } from "./sealing.ts";
import type { Observer, SubmitResult } from "./services.ts";
import type { Pending, Submissions } from "./submissions.ts";

export interface Payload {
  /** Own batches became final: there may be room for more. */
  ordered(): void;
  submit(message: Uint8Array, privatePayload: Uint8Array | undefined, traceparent: string): Promise<SubmitResult>;
}

export interface PayloadOptions {
  readonly clock: Clock;
  readonly observe: Observer;
  readonly membership: () => Membership;
  readonly chain: () => ChainView;
  readonly submissions: Submissions;
  readonly index: MessageIndex;
  readonly dissemination: Dissemination;
  readonly limits: Limits;
  /** A message of this key, or rejected whole with this hash, that a block has already: its hash (hexadecimal) and whether any of its payments settled. */
  readonly executed: (
    institution: number,
    messageKey: Uint8Array,
    hash: Uint8Array,
  ) => Promise<{ readonly hash: string; readonly settled: number } | undefined>;
  /** Used up before the chain's first block. */
  readonly executedBefore: (institution: number, messageKey: Uint8Array) => boolean;
  /** Do members with F + 1 power hold the batch, as far as is known here? */
  readonly isAvailable: (digest: Digest) => boolean;
  /** Why nothing can be accepted now; "" when it can. */
  readonly notReady: () => string;
}

export function createPayload(options: PayloadOptions): Payload {
  const { clock, observe, membership, chain, submissions, index, dissemination, limits } = options;
  const sealer = createSealer({
    clock,
    inFlight: limits.batchesInFlight,
    batchBytes: limits.batchBytes,
    batchPayments: limits.batchPayments,
    batchPrivateBytes: limits.batchPrivateBytes,
    room: () => dissemination.size < batchesOfOneMember(membership().seats.length) / 2,
    sealed: (sealed) => void spread(sealed),
  });

  async function spread(sealed: Sealed): Promise<void> {
    const { digest, messages, payments, bytes } = sealed.batch;
    const traceparents = tracesOf(sealed);
    observe({ kind: "batch-sealed", digest, messages: messages.length, payments, bytes: bytes.length, traceparents });
    index.add(sealed.batch);
    await dissemination.spread(sealed);
    const now = clock.now().monotonic;
    for (const entry of sealed.entries) submissions.accept(entry, now);
    sealer.arrived();
  }

  /** Answers when the message is accepted, or says that it still is not after the time allowed; it stays queued. */
  function whenAccepted(entry: Pending): Promise<SubmitResult> {
    if (entry.acceptedAt !== undefined)
      return Promise.resolve({ kind: "accepted", messageHash: entry.submission.hash });
    return new Promise((resolve) => {
      const cancel = clock.after(limits.acceptTimeoutMs, () => {
        entry.waiting.splice(entry.waiting.indexOf(answer), 1);
        resolve({ kind: "not-ready", reason: "too few members have reported the message's batch durable" });
      });
      const answer = (result: SubmitResult) => {
        cancel();
        resolve(result);
      };
      entry.waiting.push(answer);
    });
  }

  /** The answer for a message key that is known already; undefined when it is new. */
  async function repeated({ message, hash }: Submission): Promise<SubmitResult | undefined> {
    const { institution, messageKey } = message.header;
    const name = toHex(hash);
    const duplicate: SubmitResult = {
      kind: "refused",
      code: "DU01",
      reason: "another message of this institution has this message id",
    };
    const pending = submissions.find(institution, messageKey);
    if (pending) return toHex(pending.submission.hash) === name ? whenAccepted(pending) : duplicate;
    const held = index.find(institution, messageKey);
    if (held && held.hash !== name) return duplicate;
    if (held) {
      if (options.isAvailable(held.batch)) return { kind: "accepted", messageHash: hash };
      return { kind: "not-ready", reason: "the message came by another member, and too few hold it yet" };
    }
    const done = await options.executed(institution, messageKey, hash);
    if (done?.hash === name) return { kind: "accepted", messageHash: hash };
    if (!done && options.executedBefore(institution, messageKey)) return duplicate;
    // Only executed payments use a message id up.
    return done && done.settled > 0 ? duplicate : undefined;
  }

  return {
    ordered: sealer.look,
    async submit(bytes, privatePayload, traceparent) {
      const reason = options.notReady();
      if (reason !== "") return { kind: "not-ready", reason };
      if (submissions.payments >= limits.queuePayments || submissions.bytes >= limits.queueBytes)
        return { kind: "overloaded", retryAfterMs: limits.retryAfterMs };
      const { config, self, inZone } = membership();
      const context = {
        chainId: config.chainId,
        chain: chain(),
        wall: clock.now().wall,
        maxClockDrift: config.parameters.maxClockDrift,
        maxBatchMessageBytes: limits.batchBytes,
        maxBatchPrivateBytes: limits.batchPrivateBytes,
        inZone: (zone: string) => self !== undefined && inZone(self, zone),
        verifySignature: signedBy,
      };
      const checked = measured(clock, observe, "ingress-check", () =>
        checkSubmission(bytes, privatePayload, traceparent, context),
      );
      if (checked.kind === "refused") return checked;
      const known = await repeated(checked.submission);
      if (known) return known;
      // Another call with the same key may have come while the log was asked.
      const { institution, messageKey } = checked.submission.message.header;
      if (submissions.find(institution, messageKey)) return (await repeated(checked.submission)) ?? overloaded();
      const entry = submissions.add(checked.submission);
      if (!entry) return overloaded();
      sealer.add(entry);
      return whenAccepted(entry);
    },
  };

  function overloaded(): SubmitResult {
    return { kind: "overloaded", retryAfterMs: limits.retryAfterMs };
  }
}
