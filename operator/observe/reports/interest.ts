/** When a chain report of a pod is worth asking for: its words show something new, and its reports have held so far. */
import type { Examined } from "./knowledge.ts";
import type { Words } from "./words.ts";

/** What is remembered of a pod's chain reports. Times are monotonic, ms. */
export interface Interest {
  readonly askedAt: number;
  /** What the last one showed; undefined: it is to be asked whatever its words are. */
  readonly shown:
    | { readonly epoch: number; readonly height: number; readonly followings: number; readonly diverged: boolean }
    | undefined;
  /** Since when its reports have not borne out its words: an honest one is between two epochs for seconds. */
  readonly doubtedSince: number | undefined;
  /** Reports that did not hold; halved by each that bears out its words. */
  readonly refusals: number;
}

export const noInterest: Interest = {
  askedAt: Number.NEGATIVE_INFINITY,
  shown: undefined,
  doubtedSince: undefined,
  refusals: 0,
};

/** What the swarm as a whole waits for. */
export interface Wanting {
  /** A learner is about: heights matter. */
  readonly learning: boolean;
  /** An outcome is not known yet: it comes with a new block. */
  readonly awaited: boolean;
  /** Counts the changes of what is followed. */
  readonly followings: number;
}

/** Blocks after which heights are worth comparing: with a learner about, and without. */
const manyBlocks = { learning: 16, resting: 256 };
/** After this long a moved height is worth a report by itself, ms. */
const restingMs = 60_000;
/** A pod whose reports do not bear out its words is asked ever less often, but at least so often, ms. */
const mostDoubtMs = 300_000;
/** After a report that does not hold, ms; doubles with each. */
const refusedMs = 10_000;
/** A height may be so far behind the words, which are newer. */
const lag = 64;

/** Not before this time, monotonic: what does not hold costs little when it is asked for seldom. */
export function patientUntil({ askedAt, doubtedSince, refusals }: Interest): number {
  const refused = refusals === 0 ? 0 : refusedMs * 2 ** Math.min(refusals - 1, 16);
  const doubted = doubtedSince === undefined ? 0 : (askedAt - doubtedSince) / 4;
  return askedAt + Math.min(mostDoubtMs, Math.max(refused, doubted));
}

/** From when on these words are reason to ask, monotonic; undefined when they are none. */
export function dueAt(
  interest: Interest,
  words: Words,
  { learning, awaited, followings }: Wanting,
): number | undefined {
  if (words.height === 0) return undefined;
  const { shown, askedAt } = interest;
  const now = patientUntil(interest);
  if (!shown || words.epoch !== shown.epoch || followings !== shown.followings) return now;
  if (words.role === "quarantined" && !shown.diverged) return now;
  const moved = words.height - shown.height;
  if (moved <= 0) return undefined;
  const worth = awaited || moved >= (learning ? manyBlocks.learning : manyBlocks.resting);
  return worth ? now : Math.max(now, askedAt + restingMs);
}

/** After a report that was asked for when these were the words; `examined` is undefined when none came. */
export function afterReport(
  interest: Interest,
  words: Words,
  examined: Examined | undefined,
  followings: number,
): Interest {
  const { askedAt, doubtedSince, refusals } = interest;
  const shown = examined?.kind === "proven" ? examined.header : undefined;
  if (shown && shown.epoch >= words.epoch && shown.height >= words.height - lag) {
    const height = Math.max(words.height, shown.height);
    return {
      askedAt,
      shown: { epoch: shown.epoch, height, followings, diverged: showsMismatch(examined) },
      doubtedSince: undefined,
      refusals: refusals >> 1,
    };
  }
  const refused = examined?.kind === "refused" ? 1 : 0;
  return { askedAt, shown: undefined, doubtedSince: doubtedSince ?? askedAt, refusals: refusals + refused };
}

/** Its first report may come before the header that shows what it says. */
function showsMismatch(examined: Examined | undefined): boolean {
  return (
    examined?.kind === "proven" && examined.shadow.kind === "verified" && examined.shadow.value.mismatch !== undefined
  );
}
