/**
 * Reports of a swarm's validators. Each pod has one connection on which it tells its status; chain reports, which carry
 * the proofs, are asked of all pods in one round when some status shows that there is something to learn, so that heights
 * are comparable and a swarm at rest costs next to nothing.
 */
import { type Clock, systemClock } from "../../kube/clock.ts";
import type { Report } from "../../plan/snapshot.ts";
import {
  type Connection,
  type ConnectionHandlers,
  type Credentials,
  connect,
  type ReportTarget,
} from "./connection.ts";
import { afterReport, dueAt, type Interest, noInterest, patientUntil } from "./interest.ts";
import { type Examined, type Followed, type Knowledge, openKnowledge } from "./knowledge.ts";
import { digestOf, type PodState, reportOf, unseen } from "./pod-report.ts";
import { withKnownShadow } from "./shadow.ts";
import { sentence } from "./words.ts";

export interface ReportersOptions {
  /** The operator's ed25519 key, hexadecimal: whose delegate it is. */
  readonly operatorKey: string;
  /** Called after something changed that the planner acts on; never from within a call of this module. */
  readonly onChange: (identity: string) => void;
  /** What `https` connections are made with, asked for at each: certificates are renewed. */
  readonly credentials?: Credentials | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Shortest time between two statuses of one pod, and between two rounds of chain reports, ms. */
  readonly statusEveryMs?: number;
  readonly roundEveryMs?: number;
  /** Longest between two attempts to reach a pod, ms. */
  readonly retryMs?: number;
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
  /** Of one moment: while the members go to a new epoch one after the other, as they were before, for up to `turnMs`. */
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

/** How long members may take to come to a new epoch and prove it, ms. Nothing is seen of the swarm meanwhile. */
const turnMs = 3_000;

/** The members go to a new epoch. */
interface Turn {
  readonly epoch: number;
  /** What was reported before. */
  readonly before: readonly Report[];
  readonly cancel: () => void;
}

interface Pod {
  state: PodState;
  readonly connection: Connection;
  trouble: string;
  /** Digest of the report told last. */
  told: string;
  interest: Interest;
  asking: boolean;
  /** Its connection is gone; its report goes soon. */
  leaving: { readonly cancel: () => void } | undefined;
}

export function createReporters(options: ReportersOptions): Reporters {
  const { operatorKey, clock = systemClock, random = Math.random, credentials } = options;
  const { statusEveryMs = 1_000, roundEveryMs = 3_000, retryMs = 4_000 } = options;
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
  /** The highest epoch that any member ever spoke of: each has one turn, however often a liar speaks of it. */
  let turned = -1;
  let turn: Turn | undefined;

  const reportsNow = () => [...pods.values()].flatMap(({ state }) => reportOf(state, knowledge, operatorKey) ?? []);

  /** Further ahead is nobody who tells the truth, but for those seen first by an operator that was just started. */
  const isNext = (epoch: number) =>
    epoch > turned && (turned < 0 || epoch <= (knowledge?.newest.config.epoch ?? 0) + 1);

  function beginTurn(epoch: number): void {
    turned = epoch;
    const before = turn?.before ?? reportsNow();
    turn?.cancel();
    const cancel = clock.after(turnMs, () => {
      turn = undefined;
      const [identity] = pods.keys();
      if (!closed && identity !== undefined) options.onChange(identity);
    });
    turn = { epoch, before, cancel };
  }

  /** Every member that speaks is in the turn's epoch and has proven it. */
  function isTurned({ epoch }: Turn): boolean {
    return [...pods.values()].every(
      ({ state: { words, examined } }) =>
        words?.role !== "validator" ||
        (words.epoch === epoch && examined.kind === "proven" && examined.header.epoch === epoch),
    );
  }

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
    /** Of the connection that speaks: what was said before may be forgotten while the next one opens. */
    let proven = unseen.keys;
    const handlers: ConnectionHandlers = {
      connected(keys) {
        proven = keys;
        pod.state = { ...pod.state, keys };
        pod.trouble = keys.kind === "verified" ? "" : "it does not prove that it holds its keys";
      },
      said(words) {
        pod.leaving?.cancel();
        pod.leaving = undefined;
        if (words.role === "validator" && isNext(words.epoch)) beginTurn(words.epoch);
        pod.state = { ...pod.state, keys: proven, words, saidAt: clock.wall() };
        tell(pod);
        planRound();
      },
      down(reason) {
        pod.trouble = reason;
        if (pod.leaving) return;
        const cancel = clock.after(graceMs, () => {
          pod.state = { target, ...unseen };
          // Going away earns nobody new trust.
          pod.interest = { ...noInterest, refusals: pod.interest.refusals };
          tell(pod);
        });
        pod.leaving = { cancel };
      },
    };
    const pod: Pod = {
      state: { target, ...unseen },
      connection: connect(target, handlers, { clock, random, statusEveryMs, retryMs, credentials }),
      trouble: "it has not answered yet",
      told: "",
      interest: noInterest,
      asking: false,
      leaving: undefined,
    };
    return pod;
  }

  function shut(identity: string, pod: Pod): void {
    pod.leaving?.cancel();
    pods.delete(identity);
    const closing = pod.connection.close().finally(() => closings.delete(closing));
    closings.add(closing);
  }

  function planRound(): void {
    if (closed || !knowledge) return;
    const known = new Set(knowledge.outcomes().map(({ id }) => id));
    const awaited = followed.some(({ id }) => !known.has(id));
    const learning = [...pods.values()].some(({ state }) => state.words?.role === "learner");
    const due = [...pods.values()].flatMap(({ asking, interest, state: { words } }) =>
      asking || !words ? [] : (dueAt(interest, words, { learning, awaited, followings }) ?? []),
    );
    const at = Math.max(Math.min(...due), lastRound + roundEveryMs);
    if (due.length === 0 || (planned && planned.at <= at)) return;
    planned?.cancel();
    const cancel = clock.after(Math.max(0, at - clock.monotonic()), () => {
      planned = undefined;
      void round();
    });
    planned = { at, cancel };
  }

  async function round(): Promise<void> {
    lastRound = clock.monotonic();
    // All at once, so that heights can be compared. Whose reports do not hold is asked in its own time.
    const asked = [...pods.values()].filter(({ state, asking, interest }) => {
      return state.words && !asking && patientUntil(interest) <= lastRound;
    });
    await Promise.all(asked.map(ask));
    planRound();
  }

  async function ask(pod: Pod): Promise<void> {
    const known = knowledge;
    const { words } = pod.state;
    if (!known || !words) return;
    pod.asking = true;
    pod.interest = { ...pod.interest, askedAt: clock.monotonic() };
    const [wanted, then] = [followed, followings];
    let shown: Examined | undefined;
    try {
      const hashes = wanted.slice(0, 16).map(({ hash }) => hash);
      shown = known.examine(await pod.connection.chainReport(known.newest.config.epoch, hashes), wanted);
    } catch (error) {
      // Too slow, too large, or cut off.
      pod.trouble = `it gave no chain report: ${sentence(error instanceof Error ? error.message : String(error))}`;
    } finally {
      pod.asking = false;
    }
    if (pods.get(pod.state.target.identity) !== pod || !pod.state.words) return;
    pod.interest = afterReport(pod.interest, words, shown, then);
    // What it proved before stays true.
    if (!shown || (shown.kind === "nothing" && pod.state.examined.kind === "proven")) return;
    const examined = withKnownShadow(shown, pod.state.examined);
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
      for (const pod of pods.values()) pod.interest = noInterest;
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
    reports() {
      if (turn && !isTurned(turn)) return turn.before;
      turn?.cancel();
      turn = undefined;
      return reportsNow();
    },
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
      turn?.cancel();
      for (const [identity, pod] of [...pods]) shut(identity, pod);
      await Promise.all(closings);
    },
  };
}
