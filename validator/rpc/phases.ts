/** Times the phases of each view from what the driver reports. Bounded: it remembers a fixed number of views and heights. */
import type { DriverEvent } from "../driver/services.ts";

type Phase = "propose" | "prepare" | "commit" | "settle";

/** A phase that ended, or a proposal that became final, with its length in ms. */
export type PhaseTiming = { readonly phase: Phase | "finality"; readonly milliseconds: number };

interface ViewTimes {
  entered?: number;
  /** A valid proposal was known: made here, or voted for here. */
  proposed?: number;
  notarized?: number;
}

const remembered = 256;

/** A function that takes each event with the monotonic time it came at, and gives the phases it ended. */
export function createPhaseClock(): (event: DriverEvent, now: number) => readonly PhaseTiming[] {
  const views = new Map<number, ViewTimes>();
  const finals = new Map<number, number>();

  const timesOf = (view: number): ViewTimes => {
    const known = views.get(view);
    if (known) return known;
    const times: ViewTimes = {};
    views.set(view, times);
    dropOldest(views);
    return times;
  };
  const propose = (view: number, now: number): readonly PhaseTiming[] => {
    const times = timesOf(view);
    if (times.proposed !== undefined) return [];
    times.proposed = now;
    return times.entered === undefined ? [] : [{ phase: "propose", milliseconds: now - times.entered }];
  };
  const finalized = (view: number, now: number): readonly PhaseTiming[] => {
    const { proposed, notarized } = timesOf(view);
    const timings: PhaseTiming[] = [];
    if (notarized !== undefined) timings.push({ phase: "commit", milliseconds: now - notarized });
    if (proposed !== undefined) timings.push({ phase: "finality", milliseconds: now - proposed });
    return timings;
  };

  return (event, now) => {
    switch (event.kind) {
      case "vote-cast":
        return event.vote === "notarize" ? propose(event.view, now) : [];
      case "block-final":
        finals.set(event.height, now);
        dropOldest(finals);
        return [];
      case "block-settled": {
        // One settlement covers every height up to it.
        const timings = [...finals].filter(([height]) => height <= event.height);
        for (const [height] of timings) finals.delete(height);
        return timings.map(([, since]) => ({ phase: "settle", milliseconds: now - since }));
      }
      case "epoch":
        // View numbers restart.
        views.clear();
        return [];
      case "consensus":
        switch (event.event.kind) {
          case "entered-view":
            timesOf(event.event.view).entered ??= now;
            return [];
          case "proposed":
            return propose(event.event.view, now);
          case "notarized": {
            const times = timesOf(event.event.view);
            times.notarized ??= now;
            return times.proposed === undefined ? [] : [{ phase: "prepare", milliseconds: now - times.proposed }];
          }
          case "finalized":
            return finalized(event.event.view, now);
          default:
            return [];
        }
      default:
        return [];
    }
  };
}

function dropOldest<Value>(map: Map<number, Value>): void {
  if (map.size <= remembered) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
