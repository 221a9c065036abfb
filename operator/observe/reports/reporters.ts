/**
 * Reports of a swarm's validators. Each pod has one connection on which it tells its status; chain reports, which carry
 * the proofs, are asked of all pods in one round when some status shows that there is something to learn, so that heights
 * are comparable and a swarm at rest costs next to nothing.
 */
import { type Clock, systemClock } from "../../kube/clock.ts";
import type { Report } from "../../plan/snapshot.ts";
import { type Connection, type ConnectionHandlers, connect, type ReportTarget } from "./connection.ts";
import { type Examined, type Followed, type Knowledge, openKnowledge } from "./knowledge.ts";
import { digestOf, type PodState, reportOf, unseen } from "./pod-report.ts";
import { sentence } from "./words.ts";

export interface ReportersOptions {
  /** The operator's ed25519 key, hexadecimal: whose delegate it is. */
  readonly operatorKey: string;
  /** Called after something changed that the planner acts on; never from within a call of this module. */
  readonly onChange: (identity: string) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Shortest time between two statuses of one pod, and between two rounds of chain reports, ms. */
  readonly statusEveryMs?: number;
  readonly roundEveryMs?: number;
}

export type CallResult = { readonly kind: "done" } | { readonly kind: "failed"; readonly reason: string };

export interface Reporters {
  /** The pods to ask from now on; connections to others are closed. A pod with another uid or url is another pod. */
  readonly setTargets: (targets: readonly ReportTarget[]) => void;
  /** The trust anchor, once known: the same document again changes nothing. A sentence when it is none, else "". */
  readonly setGenesis: (document: string) => string;
  /** Transactions whose outcomes are wanted. */
  readonly follow: (transactions: readonly Followed[]) => void;
  readonly report: (identity: string) => Report | undefined;
  readonly reports: () => readonly Report[];
  /** Why the identity has no report, or no proven one; "" when nothing is wrong. */
  readonly trouble: (identity: string) => string;
  /** What is proven of the chain; undefined before genesis. */
  readonly knowledge: () => Knowledge | undefined;
  /** A round now, whatever the statuses say; resolves when every pod answered or failed to. */
  readonly refresh: () => Promise<void>;
  readonly provideGenesis: (identity: string, document: Uint8Array) => Promise<CallResult>;
  /** Hands a governance transaction to every validator that answers; done when one of them took it. */
  readonly submitGovernance: (transaction: Uint8Array) => Promise<CallResult>;
  readonly close: () => Promise<void>;
}

/** A pod that does not answer keeps its last report this long, ms: a connection may break and come back. */
const graceMs = 5_000;
/** Blocks after which a round is worth it: with a learner about, and without. */
const manyBlocks = { learning: 16, resting: 256 };
/** After this long a moved height is worth a round by itself, ms. */
const restingMs = 60_000;
/** A pod whose words its own chain report does not bear out is asked ever less often, but at least so often, ms. */
const mostDoubtMs = 300_000;
/** After a report that does not hold, ms; doubles with each. */
const refusedMs = 10_000;

interface Pod {
  state: PodState;
  readonly connection: Connection;
  trouble: string;
  /** Digest of the report told last. */
  told: string;
  /** Of its newest chain report: when it was asked for (monotonic), and the words it was asked after. */
  askedAt: number;
  asked: { readonly epoch: number; readonly height: number; readonly followed: number } | undefined;
  asking: boolean;
  /** Since when its reports have not borne out its words, monotonic: an honest one is between two epochs for seconds. */
  doubtedSince: number | undefined;
  /** Reports that did not hold; halved by each that bears out its words. */
  refusals: number;
  cancelGrace: () => void;
}

export function createReporters(options: ReportersOptions): Reporters {
  const { operatorKey, clock = systemClock, random = Math.random } = options;
  const { statusEveryMs = 1_000, roundEveryMs = 3_000 } = options;
  const pods = new Map<string, Pod>();
  const closings = new Set<Promise<void>>();
  let knowledge: Knowledge | undefined;
  let document = "";
  let followed: readonly Followed[] = [];
  /** Counts the changes of what is followed. */
  let followings = 0;
  let lastRound = Number.NEGATIVE_INFINITY;
  /** The next round, when one is planned: monotonic. */
  let planned: { readonly at: number; readonly cancel: () => void } | undefined;
  let closed = false;

  function tell(pod: Pod): void {
    const digest = digestOf(reportOf(pod.state, knowledge, operatorKey));
    if (digest === pod.told) return;
    pod.told = digest;
    const { identity } = pod.state.target;
    queueMicrotask(() => {
      if (!closed) options.onChange(identity);
    });
  }

  function open(target: ReportTarget): Pod {
    const handlers: ConnectionHandlers = {
      connected(keys) {
        pod.state = { ...pod.state, keys };
        pod.trouble = keys.kind === "verified" ? "" : "it does not prove that it holds its keys";
      },
      said(words) {
        pod.cancelGrace();
        pod.state = { ...pod.state, words, saidAt: clock.wall() };
        tell(pod);
        planRound();
      },
      down(reason) {
        pod.trouble = reason;
        pod.cancelGrace();
        pod.cancelGrace = clock.after(graceMs, () => {
          pod.state = { target, ...unseen };
          pod.asked = undefined;
          tell(pod);
        });
      },
    };
    const pod: Pod = {
      state: { target, ...unseen },
      connection: connect(target, handlers, { clock, random, statusEveryMs }),
      trouble: "it has not answered yet",
      told: "",
      askedAt: Number.NEGATIVE_INFINITY,
      asked: undefined,
      asking: false,
      doubtedSince: undefined,
      refusals: 0,
      cancelGrace: () => {},
    };
    return pod;
  }

  function shut(identity: string, pod: Pod): void {
    pod.cancelGrace();
    pods.delete(identity);
    const closing = pod.connection.close().finally(() => closings.delete(closing));
    closings.add(closing);
  }

  /** How long to leave the pod alone after it was asked, ms. */
  function patienceOf({ askedAt, doubtedSince, refusals }: Pod): number {
    const refused = refusals === 0 ? 0 : refusedMs * 2 ** Math.min(refusals - 1, 16);
    const doubted = doubtedSince === undefined ? 0 : (askedAt - doubtedSince) / 4;
    return Math.min(mostDoubtMs, Math.max(refused, doubted));
  }

  /** When this pod's words are reason for a round, monotonic; undefined when they are none. */
  function dueAt(pod: Pod, learning: boolean): number | undefined {
    const { words } = pod.state;
    const { asked, askedAt } = pod;
    if (!knowledge || !words || words.height === 0) return undefined;
    const patience = patienceOf(pod);
    if (!asked) return askedAt + patience;
    const moved = words.height - asked.height;
    const news = words.epoch !== asked.epoch || asked.followed !== followings;
    if (news || moved >= (learning ? manyBlocks.learning : manyBlocks.resting)) return askedAt + patience;
    // Outcomes wanted come with new blocks.
    if (moved > 0) return askedAt + (awaited() ? patience : Math.max(patience, restingMs));
    return undefined;
  }

  function awaited(): boolean {
    const known = new Set(knowledge?.outcomes().map(({ id }) => id));
    return followed.some(({ id }) => !known.has(id));
  }

  function planRound(): void {
    if (closed) return;
    const learning = [...pods.values()].some(({ state }) => state.words?.role === "learner");
    const due = [...pods.values()].flatMap((pod) => (pod.asking ? [] : (dueAt(pod, learning) ?? [])));
    if (due.length === 0) return;
    const at = Math.max(Math.min(...due), lastRound + roundEveryMs);
    if (planned && planned.at <= at) return;
    planned?.cancel();
    const cancel = clock.after(Math.max(0, at - clock.monotonic()), () => {
      planned = undefined;
      void round();
    });
    planned = { at, cancel };
  }

  async function round(): Promise<void> {
    lastRound = clock.monotonic();
    // Whose reports do not hold is asked in its own time, so that its answers cost little.
    const asked = [...pods.values()].filter(
      (pod) => pod.state.words && !pod.asking && pod.askedAt + patienceOf(pod) <= lastRound,
    );
    await Promise.all(asked.map(ask));
    planRound();
  }

  async function ask(pod: Pod): Promise<void> {
    const known = knowledge;
    const { words } = pod.state;
    if (!known || !words) return;
    pod.asking = true;
    pod.askedAt = clock.monotonic();
    const wanted = followed;
    pod.asked = { epoch: words.epoch, height: words.height, followed: followings };
    let examined: Examined | undefined;
    try {
      const hashes = wanted.slice(0, 16).map(({ hash }) => hash);
      examined = known.examine(await pod.connection.chainReport(known.newest.config.epoch, hashes), wanted);
    } catch (error) {
      // Too slow, too large, or cut off: what it proved before stays true.
      pod.trouble = `it gave no chain report: ${sentence(error instanceof Error ? error.message : String(error))}`;
    } finally {
      pod.asking = false;
    }
    if (pods.get(pod.state.target.identity) !== pod || !pod.state.words) return;
    const borne =
      examined?.kind === "proven" &&
      examined.header.epoch === words.epoch &&
      examined.header.height >= words.height - 64;
    pod.doubtedSince = borne ? undefined : (pod.doubtedSince ?? pod.askedAt);
    pod.refusals = examined?.kind === "refused" ? pod.refusals + 1 : borne ? pod.refusals >> 1 : pod.refusals;
    if (!borne) pod.asked = undefined;
    if (!examined) return;
    if (examined.kind === "refused") pod.trouble = examined.reason;
    else if (pod.state.keys.kind === "verified") pod.trouble = "";
    pod.state = { ...pod.state, examined };
    tell(pod);
  }

  async function call(work: Promise<void>): Promise<CallResult> {
    try {
      await work;
      return { kind: "done" };
    } catch (error) {
      return { kind: "failed", reason: sentence(error instanceof Error ? error.message : String(error)) };
    }
  }

  return {
    setTargets(targets) {
      const wanted = new Map(targets.map((target) => [target.identity, target]));
      for (const [identity, pod] of [...pods]) {
        const { podUid, url } = wanted.get(identity) ?? {};
        if (podUid !== pod.state.target.podUid || url !== pod.state.target.url) shut(identity, pod);
      }
      for (const [identity, target] of wanted) if (!pods.has(identity)) pods.set(identity, open(target));
    },
    setGenesis(text) {
      if (text === document) return "";
      const opened = openKnowledge(text);
      if (opened.kind === "invalid") return opened.reason;
      document = text;
      ({ knowledge } = opened);
      for (const pod of pods.values()) pod.asked = undefined;
      planRound();
      return "";
    },
    follow(transactions) {
      const same = (a: Followed, b: Followed | undefined) => a.id === b?.id && Buffer.compare(a.hash, b.hash) === 0;
      if (transactions.length === followed.length && transactions.every((each, i) => same(each, followed[i]))) return;
      followed = transactions;
      followings += 1;
      planRound();
    },
    report: (identity) => {
      const pod = pods.get(identity);
      return pod && reportOf(pod.state, knowledge, operatorKey);
    },
    reports: () => [...pods.values()].flatMap(({ state }) => reportOf(state, knowledge, operatorKey) ?? []),
    trouble: (identity) => pods.get(identity)?.trouble ?? "it has no pod",
    knowledge: () => knowledge,
    refresh: round,
    provideGenesis(identity, genesis) {
      const pod = pods.get(identity);
      if (!pod) return Promise.resolve({ kind: "failed", reason: `${identity} has no pod` });
      return call(pod.connection.provideGenesis(genesis));
    },
    async submitGovernance(transaction) {
      const validators = [...pods.values()].filter(({ state }) => state.words?.role === "validator");
      const results = await Promise.all(validators.map((pod) => call(pod.connection.submitGovernance(transaction))));
      const taken = results.find(({ kind }) => kind === "done");
      return taken ?? results[0] ?? { kind: "failed", reason: "no validator answers" };
    },
    async close() {
      closed = true;
      planned?.cancel();
      for (const [identity, pod] of [...pods]) shut(identity, pod);
      await Promise.all(closings);
    },
  };
}
