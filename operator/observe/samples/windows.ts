/**
 * From two readings of every seat to what each did between them. Whatever cannot be told is left out: a seat that was not
 * read at both ends, whose process began anew, or whose counters went back, did nothing that counts.
 */
import type { Histogram, SeatWindow, Share, Window } from "../../analysis/window.ts";
import type { MemberViews, Reading } from "./reading.ts";

/** Every seat's reading at one moment, ms since the Unix epoch. */
export interface Round {
  readonly at: number;
  readonly readings: readonly Reading[];
}

export function windowBetween(before: Round, after: Round): Window {
  const seats = after.readings.flatMap((now) => {
    const then = before.readings.find(({ seat }) => seat === now.seat);
    return then && then.podUid === now.podUid && then.began === now.began ? [{ then, now }] : [];
  });
  return {
    from: before.at,
    to: after.at,
    seats: seats.map((pair): SeatWindow => {
      const { seat, lag } = pair.now;
      const views = viewsOf(seat, seats);
      return {
        seat,
        timeouts: views && share(views, views.gaveUp),
        missed: views && share(views, views.missed),
        rejections: rejectionsOf(pair),
        finality: finalityOf(pair),
        lag,
      };
    }),
  };
}

interface Pair {
  readonly then: Reading;
  readonly now: Reading;
}

const total = ({ voted, gaveUp, missed }: MemberViews) => voted + gaveUp + missed;
const share = (views: MemberViews, events: number): Share => ({ trials: total(views), events });

/**
 * What the others say of a seat: of the observers, sorted by the share of views it voted in, the one in the middle. So
 * many liars as are fewer than half move it nowhere, and the seat's own word is not asked.
 */
function viewsOf(seat: string, observers: readonly Pair[]): MemberViews | undefined {
  const said = observers
    .filter(({ now }) => now.seat !== seat)
    .flatMap(({ then, now }): readonly MemberViews[] => {
      const [a, b] = [then.views.get(seat), now.views.get(seat)];
      if (!a || !b) return [];
      const grown = { voted: b.voted - a.voted, gaveUp: b.gaveUp - a.gaveUp, missed: b.missed - a.missed };
      return Math.min(grown.voted, grown.gaveUp, grown.missed) < 0 || total(grown) === 0 ? [] : [grown];
    })
    .toSorted((a, b) => a.voted / total(a) - b.voted / total(b));
  return said[Math.floor((said.length - 1) / 2)];
}

function rejectionsOf({ then, now }: Pair): Share | undefined {
  const accepted = now.messages.accepted - then.messages.accepted;
  const rejected = now.messages.rejected - then.messages.rejected;
  return accepted < 0 || rejected < 0 ? undefined : { trials: accepted + rejected, events: rejected };
}

function finalityOf({ then, now }: Pair): Histogram | undefined {
  const [a, b] = [then.finality, now.finality];
  if (!a || !b || a.bounds.length !== b.bounds.length) return undefined;
  if (!a.bounds.every((bound, i) => bound === b.bounds[i])) return undefined;
  const counts = b.counts.map((count, i) => count - (a.counts[i] ?? 0));
  return counts.every((count) => count >= 0) ? { bounds: b.bounds, counts } : undefined;
}
