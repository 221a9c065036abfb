/** Asks a process over HTTP whether it is ready, or alive. */
import { Agent, get } from "node:http";
import type { Clock } from "../../kube/clock.ts";
import type { ProbeSpec } from "./pod-spec.ts";

export interface ProbeOptions {
  readonly probe: ProbeSpec;
  readonly port: number;
  readonly clock: Clock;
  /** Until the first change of the verdict, ask this often at least, ms. */
  readonly eagerMs?: number;
  readonly initially: boolean;
  /**
   * Called when the verdict changes. `why`: what the last answer said, for people. Called again while it fails and
   * its words change, seldom: they may hold numbers that grow.
   */
  readonly onVerdict: (passes: boolean, why: string) => void;
}

export interface Probe {
  readonly stop: () => void;
}

interface Reply {
  readonly passes: boolean;
  /** False: nobody listens, as before a process is up. */
  readonly answered: boolean;
  readonly why: string;
}

const mostWords = 200;
const newWordsMs = 5_000;

/** The verdict follows `successThreshold` or `failureThreshold` equal answers in a row. */
export function startProbe(options: ProbeOptions): Probe {
  const { probe, port, clock, initially, onVerdict, eagerMs = 200 } = options;
  // A connection a probe would be a storm of its own on 127.0.0.1.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let verdict = initially;
  let row = 0;
  let last: boolean | undefined;
  // Only a process that is waited for is asked more often than its period says.
  let settled = initially;
  let told = "";
  let toldAt = Number.NEGATIVE_INFINITY;
  let stopped = false;
  // A process that has just begun is not ready, and not dead either.
  const patience = probe.initialDelaySeconds + (initially ? probe.periodSeconds : 0);
  let cancel = clock.after(patience * 1_000, ask);

  function ask(): void {
    void askOnce(probe, port, agent).then(({ passes, answered, why }) => {
      if (stopped) return;
      row = passes === last ? row + 1 : 1;
      last = passes;
      if (passes !== verdict && row >= (passes ? probe.successThreshold : probe.failureThreshold)) {
        verdict = passes;
        settled = true;
        tell(why);
      } else if (
        !passes &&
        !verdict &&
        (answered || settled) &&
        why !== told &&
        clock.monotonic() - toldAt >= newWordsMs
      )
        tell(why);
      if (stopped) return;
      const period = probe.periodSeconds * 1_000;
      cancel = clock.after(settled ? period : Math.min(eagerMs, period), ask);
    });
  }

  function tell(why: string): void {
    told = why;
    toldAt = clock.monotonic();
    onVerdict(verdict, why);
  }

  return {
    stop() {
      stopped = true;
      cancel();
      agent.destroy();
    },
  };
}

function askOnce({ httpGet, timeoutSeconds }: ProbeSpec, port: number, agent: Agent): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const request = get({ host: "127.0.0.1", port, path: httpGet.path, agent, timeout: timeoutSeconds * 1_000 });
  const patience = setTimeout(
    () => request.destroy(new Error(`no answer in ${timeoutSeconds} s`)),
    timeoutSeconds * 1_000,
  );
  const settle = (reply: Reply) => {
    clearTimeout(patience);
    resolve(reply);
  };
  request.once("error", ({ message }) => settle({ passes: false, answered: false, why: message }));
  request.once("response", (response) => {
    const status = response.statusCode ?? 0;
    let words = "";
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      words = (words + text).slice(0, mostWords);
    });
    response.once("error", ({ message }) => settle({ passes: false, answered: false, why: message }));
    response.once("end", () =>
      settle({
        passes: status >= 200 && status < 400,
        answered: true,
        why: `status ${status}${words === "" ? "" : `: ${words.trim()}`}`,
      }),
    );
  });
  return promise;
}
