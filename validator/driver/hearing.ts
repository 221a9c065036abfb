/** Which members' votes were seen here lately: what this validator can say of others being alive. */
import type { Round } from "../consensus/round.ts";
import type { State } from "../consensus/state.ts";
import type { SeatIndex } from "../consensus/types.ts";

/** A member counts as heard for this many views after its last vote. */
const hearingViews = 8;

export interface Hearing {
  /** Ids of the members of whom a vote was seen in the last views, this one's own among them; ascending. */
  heard(state: State): readonly string[];
  /** The next epoch begins with what was heard in the last views of this one. */
  epochChanged(previous: State): void;
}

type HeardState = Pick<State, "config" | "view" | "rounds">;

export function createHearing(): Hearing {
  /** Views that had passed since each member's last vote when the epoch before ended. */
  let before: ReadonlyMap<string, number> = new Map();

  function ages({ config, view, rounds }: HeardState): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    // An epoch's views count from 1.
    for (const [id, age] of before) if (age + view - 1 <= hearingViews) found.set(id, age + view - 1);
    for (const round of rounds.values()) {
      const age = Math.max(0, view - round.view);
      if (age > hearingViews) continue;
      for (const seat of votersIn(round)) {
        const id = config.members[seat]?.id;
        if (id !== undefined) found.set(id, Math.min(age, found.get(id) ?? age));
      }
    }
    return found;
  }

  return {
    heard: (state) => [...ages(state).keys()].sort(),
    epochChanged(previous) {
      before = ages(previous);
    },
  };
}

/** Seats with a vote in the view, seen as such or inside a certificate. */
function* votersIn({ votes, notarization, nullification, finalization }: Round): Generator<SeatIndex> {
  for (const slot of Object.values(votes)) yield* slot.keys();
  for (const certificate of [notarization, nullification, finalization]) yield* certificate?.signers ?? [];
}
