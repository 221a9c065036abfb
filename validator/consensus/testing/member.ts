/** One member on its own, whose peers the test plays. */
import { leader } from "../leader.ts";
import type { State } from "../state.ts";
import { startEpoch, step } from "../step.ts";
import type { Block, Certificate, Effect, EpochConfig, Input, Proposal, SeatIndex, Vote, VoteKind } from "../types.ts";
import { height, seatIndex, view, zeroDigest } from "../types.ts";
import { hashOf, testConfig, trust } from "./cluster.ts";

export const config = testConfig({ powers: [1, 1, 1, 1] });
export const coverage = { modeSeq: 0, degraded: [] };

/** One member fed by hand; collects what it did. */
export function member(self: SeatIndex, epochConfig: EpochConfig = config) {
  let state: State = startEpoch(epochConfig, self, { height: height(0), root: epochConfig.anchor.root, coverage });
  let monotonic = 0;
  const feed = (input: Input): readonly Effect[] => {
    const result = step(state, input, { monotonic, wall: 100_000 + monotonic });
    state = result.state;
    return result.effects.filter(
      (effect) => effect.kind !== "observe" && effect.kind !== "set-timer" && effect.kind !== "clear-timer",
    );
  };
  return {
    feed,
    /** What the last input was ignored for. */
    ignored(input: Input): string | undefined {
      const result = step(state, input, { monotonic, wall: 100_000 + monotonic });
      state = result.state;
      for (const effect of result.effects)
        if (effect.kind === "observe" && effect.event.kind === "ignored") return effect.event.reason;
      return undefined;
    },
    wait(ms: number): void {
      monotonic += ms;
    },
    state: () => state,
  };
}

export const leaderOfFirst = leader(config, view(1));
/** A member that does not lead view 1, so that the test plays its leader. */
export const self = seatIndex((leaderOfFirst + 1) % 4);
export const others = [0, 1, 2, 3].map(seatIndex).filter((seat) => seat !== self);

export function block(
  at: number,
  options: Partial<Block["header"]> & { readonly body?: Partial<Block["body"]> } = {},
): Block {
  const { body: content, ...fields } = options;
  const body = { batches: [], governance: [], coverage: [], ...content };
  const header = {
    chainId: config.chainId,
    epoch: config.epoch,
    view: view(at),
    height: height(1),
    parentView: view(0),
    parent: config.anchor.hash,
    time: 2_000,
    proposer: leader(config, view(at)),
    closing: false,
    rootHeight: height(0),
    root: config.anchor.root,
    bodyHash: hashOf(body),
    reveal: undefined,
    ...fields,
  };
  return { hash: hashOf(header), header, body };
}

export const proposal = (of: Block): Proposal => ({
  block: of,
  signature: new Uint8Array(64),
  finalization: undefined,
});
export const propose = (of: Block): Input => ({
  kind: "proposal",
  from: of.header.proposer,
  proposal: trust(proposal(of)),
});
export const vote = (kind: VoteKind, at: number, signer: SeatIndex, of: Block | undefined): Vote => ({
  kind,
  epoch: config.epoch,
  view: view(at),
  block: of?.hash ?? zeroDigest,
  signer,
  signature: new Uint8Array(96),
});
export const say = (from: SeatIndex, what: Vote): Input => ({ kind: "vote", from, vote: what });
export const certificate = (
  kind: VoteKind,
  at: number,
  of: Block | undefined,
  signers: readonly SeatIndex[] = others,
): Certificate => ({
  kind,
  epoch: config.epoch,
  view: view(at),
  block: of?.hash ?? zeroDigest,
  signers,
  signature: new Uint8Array(96),
});
export const casts = (effects: readonly Effect[]) =>
  effects.filter((effect) => effect.kind === "cast").map((effect) => `${effect.ballot.kind} ${effect.ballot.view}`);
export const started = (epochConfig?: EpochConfig, seat = self) => {
  const one = member(seat, epochConfig);
  one.feed({ kind: "start" });
  return one;
};
