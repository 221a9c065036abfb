/** Reads a swarm's seats again and again while the planner watches them, and keeps the last windows. */
import type { Window } from "../../analysis/window.ts";
import { type Clock, pause } from "../../kube/clock.ts";
import type { Watch } from "../../plan/canary.ts";
import type { Samples } from "../../plan/snapshot.ts";
import type { SampleSource, SampleTarget } from "./source.ts";
import { type Round, windowBetween } from "./windows.ts";

/** Whom to measure, how often, and where their samples come from. */
export interface Measuring extends Watch {
  readonly targets: readonly SampleTarget[];
  readonly source: SampleSource;
  /** Sources of the same name are the same. */
  readonly sourceName: string;
}

export interface Sampler {
  /** What is to be measured from now on; undefined: nothing, and what was measured is forgotten. */
  readonly measure: (measuring: Measuring | undefined) => void;
  readonly samples: () => Samples;
  /** Ends it; resolves when nothing is under way. */
  readonly close: () => Promise<void>;
}

interface Running {
  readonly current: { measuring: Measuring };
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Windows kept: the planner counts each when it comes, so that these are for one that was ended in between. */
const mostWindows = 32;

/** `onWindow` is called after each window, and when a problem comes or goes. */
export function createSampler(clock: Clock, onWindow: () => void): Sampler {
  let running: Running | undefined;
  let windows: readonly Window[] = [];
  let problem = "";

  async function run(of: () => Measuring, signal: AbortSignal): Promise<void> {
    let before: Round | undefined;
    while (!signal.aborted) {
      const began = clock.monotonic();
      const { source, targets, every } = of();
      const read = await source(targets, signal);
      if (signal.aborted) return;
      const round: Round = { at: clock.wall(), readings: read.readings };
      const news = read.problem !== problem;
      problem = read.problem;
      // A clock that was set back makes no window.
      if (before && round.at > before.at) windows = [...windows, windowBetween(before, round)].slice(-mostWindows);
      if (before || news) onWindow();
      before = round;
      await pause(clock, Math.max(0, every - (clock.monotonic() - began)), signal);
    }
  }

  function stop(): Promise<void> {
    const ended = running?.ended ?? Promise.resolve();
    running?.stop.abort();
    running = undefined;
    windows = [];
    problem = "";
    return ended;
  }

  return {
    measure(measuring) {
      const same =
        running?.current.measuring.every === measuring?.every &&
        running?.current.measuring.sourceName === measuring?.sourceName;
      if (running && measuring && same) {
        running.current.measuring = measuring;
        return;
      }
      void stop();
      if (!measuring) return;
      const controller = new AbortController();
      const current = { measuring };
      const ended = run(() => current.measuring, controller.signal);
      running = { current, stop: controller, ended };
    },
    samples: () => ({ windows, problem }),
    close: stop,
  };
}
