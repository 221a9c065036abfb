/** Candidates of one election over a real server, in a time that only the test lets pass. */
import { setImmediate } from "node:timers/promises";
import type { ApiClient } from "../api-client.ts";
import { aborted, pause } from "../clock.ts";
import {
  type ElectionEnd,
  type ElectionEvent,
  type ElectionTimes,
  type Leadership,
  runElection,
} from "../leader-election.ts";
import type { Fixture } from "./fixture.ts";
import { createManualTime } from "./manual-clock.ts";

export interface CandidateOptions {
  readonly name: string;
  readonly skew?: { readonly rate?: number; readonly offsetMs?: number };
  /** How long its work takes to end once it has to, by its clock. */
  readonly endsAfterMs?: number;
  readonly times?: Partial<ElectionTimes>;
}

export interface Candidate {
  readonly name: string;
  /** What it did last is going on. */
  readonly acting: () => boolean;
  readonly leadership: () => Leadership | undefined;
  readonly events: readonly ElectionEvent[];
  readonly stop: () => void;
  readonly end: Promise<ElectionEnd>;
}

export interface Election {
  readonly add: (options: CandidateOptions) => Candidate;
  readonly acting: () => readonly string[];
  /** Lets time pass in small steps, everything that follows from a step included; `look` is called after each. */
  readonly pass: (milliseconds: number, look?: () => void) => Promise<void>;
  /** Until every answer that will come has come. */
  readonly settle: () => Promise<void>;
}

const stepMs = 250;

export function createElection(world: Fixture): Election {
  const time = createManualTime();
  const candidates: Candidate[] = [];
  let open = 0;

  /** Counts requests, so that the test knows when nothing more happens by itself. */
  function counted(api: ApiClient): ApiClient {
    return {
      ...api,
      async request(request) {
        open++;
        try {
          return await api.request(request);
        } finally {
          open--;
        }
      },
    };
  }

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet = open === world.server.held() ? quiet + 1 : 0) await setImmediate();
  }

  function add({ name, skew = {}, endsAfterMs = 0, times }: CandidateOptions): Candidate {
    const clock = time.clock(skew);
    const stop = new AbortController();
    const events: ElectionEvent[] = [];
    let leadership: Leadership | undefined;
    const end = runElection({
      api: counted(world.client(name, clock)),
      namespace: "system",
      name: "operator",
      identity: name,
      clock,
      random: () => 0.5,
      signal: stop.signal,
      onEvent: (event) => events.push(event),
      ...(times ? { times } : {}),
      lead: async (right) => {
        leadership = right;
        await aborted(right.signal);
        await pause(clock, endsAfterMs, new AbortController().signal);
        leadership = undefined;
      },
    });
    const candidate: Candidate = {
      name,
      acting: () => leadership !== undefined,
      leadership: () => leadership,
      events,
      stop: () => stop.abort(),
      end,
    };
    candidates.push(candidate);
    return candidate;
  }

  return {
    add,
    settle,
    acting: () => candidates.filter((one) => one.acting()).map(({ name }) => name),
    async pass(milliseconds, look = () => {}) {
      await settle();
      for (let left = milliseconds; left > 0; left -= stepMs) {
        time.advance(Math.min(stepMs, left));
        await settle();
        look();
      }
    },
  };
}
