/** A final block on its way: into the log, to those who waited for it, into execution. */
import type { State } from "../consensus/state.ts";
import type { Block, Certificate } from "../consensus/types.ts";
import type { Store } from "../storage/types.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { ClockGuard } from "./clock-guard.ts";
import type { Dissemination } from "./dissemination.ts";
import type { Executor } from "./executor.ts";
import type { Membership } from "./membership.ts";
import type { Proofs } from "./proofs.ts";
import type { Receiving } from "./receiving.ts";
import type { Observer } from "./services.ts";
import type { Shadow } from "./shadow.ts";
import type { Status } from "./status.ts";

export interface CommitsOptions {
  readonly store: Store;
  readonly state: () => State;
  readonly membership: () => Membership;
  readonly clockGuard: ClockGuard;
  readonly receiving: Receiving;
  readonly dissemination: Dissemination;
  readonly checkpoints: Checkpoints;
  readonly proofs: Proofs;
  readonly shadow: Shadow;
  readonly status: Status;
  readonly executor: Executor;
  /** Some batches left the way. */
  readonly ordered: () => void;
  readonly observe: Observer;
}

export interface Commits {
  commit(block: Block, finalization: Certificate): void;
  keepCertificate(certificate: Certificate): void;
}

export function createCommits(options: CommitsOptions): Commits {
  const { store, state, membership, clockGuard, receiving, dissemination, checkpoints, proofs, shadow, status } =
    options;

  /** What finalizes a closing block may be an empty block behind it: peers that catch up need both. */
  function keepCarriers(closing: Block, finalization: Certificate): void {
    const { blocks } = state();
    for (let at = blocks.get(finalization.block); at && at.hash !== closing.hash; at = blocks.get(at.header.parent))
      store.keep({ kind: "block", block: at });
  }

  return {
    commit(block, finalization) {
      const { height, view, proposer, time, closing } = block.header;
      store.keep({ kind: "block", block });
      if (closing) keepCarriers(block, finalization);
      store.keep({ kind: "final", height, hash: block.hash, finalization });
      if (proposer !== membership().self) clockGuard.observeBlockTime(time);
      const digests = block.body.batches.map((batch) => batch.digest);
      receiving.done(digests);
      for (const digest of digests) dissemination.done(digest);
      if (digests.length > 0) options.ordered();
      checkpoints.final(block, finalization);
      if (finalization.block === block.hash) proofs.finalized(block, finalization);
      const payments = block.body.batches.reduce((sum, batch) => sum + batch.payments, 0);
      options.observe({ kind: "block-final", height, view, block: block.hash, batches: digests, payments });
      status.final(block);
      options.executor.enqueue(block);
      shadow.finalized(block, finalization);
    },
    keepCertificate(certificate) {
      store.keep({ kind: "certificate", certificate });
      const block = certificate.kind === "finalize" ? state().blocks.get(certificate.block) : undefined;
      if (!block) return;
      proofs.finalized(block, certificate);
      if (block.header.height <= state().finalized.height) shadow.finalized(block, certificate);
    },
  };
}
