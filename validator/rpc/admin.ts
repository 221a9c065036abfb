/** The admin service: what operators and tools ask of a validator (proto/validator/v1/validator.proto). */
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { AdminService } from "../../proto/validator/v1/validator_pb.js";
import { challengeLength } from "../crypto/challenge.ts";
import { callerKey, mayOperate } from "./caller.ts";
import type { Calls } from "./calls.ts";
import { chainReportMessage, statusMessage } from "./convert.ts";
import { forbidden, invalid, noChain } from "./errors.ts";
import { type Host, withoutChain } from "./host.ts";
import type { Log } from "./logging.ts";
import type { Watchers } from "./watchers.ts";

export interface AdminOptions {
  readonly host: Host;
  readonly calls: Calls;
  readonly log: Log;
  readonly watchers: Watchers;
  /** Client subjects that may change something. */
  readonly operators: readonly string[];
  readonly settlementLatency: () => { readonly p50: number; readonly p99: number };
  /** Version of the software. */
  readonly release: string;
}

/** Closest two answers of WatchStatus come, ms: a fast chain is shown, not echoed. */
const closestMs = 20;
const defaultIntervalMs = 1_000;
/** Transactions of one chain report. */
const mostTransactions = 16;

/** Registers the service. Anyone with a certificate may read status and identity; both are public to members anyway. */
export function routeAdmin(router: ConnectRouter, options: AdminOptions): void {
  const { host, calls, log } = options;
  const { unary, stream } = calls;
  const requireOperator = (context: HandlerContext, what: string): void => {
    if (!mayOperate(context.values.get(callerKey), options.operators)) throw forbidden(what);
  };
  const status = (): ReturnType<typeof statusMessage> => {
    const services = host.services();
    const software = { release: options.release, residentMemoryBytes: BigInt(process.memoryUsage.rss()) };
    if (!services) return { seat: host.seat, region: host.region, ...withoutChain(host), ...software };
    return { ...statusMessage(services.status(), options.settlementLatency()), ...software };
  };

  router.rpc(AdminService.method.getStatus, unary(status));

  router.rpc(
    AdminService.method.watchStatus,
    stream(async function* (request, context) {
      const interval = Math.min(60_000, Math.max(closestMs, request.intervalMs || defaultIntervalMs));
      const closest = Math.min(interval, Math.max(closestMs, request.closestMs));
      const leave = options.watchers.enter();
      const change = createChange(host, context.signal);
      try {
        while (!context.signal.aborted) {
          const told = status();
          yield told;
          const due = performance.now() + interval;
          do {
            await change.rest(closest);
            await change.next(due - performance.now());
          } while (!context.signal.aborted && performance.now() < due && !isNews(told, status(), request.heightStep));
        }
      } finally {
        change.close();
        leave();
      }
    }),
  );

  router.rpc(
    AdminService.method.getIdentity,
    unary(({ challenge }) => {
      const { blsKey, peerKey, proofOfPossession } = host.identity;
      if (challenge.length !== 0 && challenge.length !== challengeLength)
        throw invalid("challenge", `is ${challengeLength} bytes, or none`);
      const signature = challenge.length === 0 ? challenge : host.answerChallenge(challenge);
      return { blsKey, peerKey, proofOfPossession, signature };
    }),
  );

  router.rpc(
    AdminService.method.provideGenesis,
    unary(async ({ genesis }, context) => {
      requireOperator(context, "provide the genesis document");
      if (genesis.length === 0) throw invalid("genesis", "is empty");
      const result = await host.provideGenesis(genesis);
      if (result.kind === "taken") return { chainId: result.chainId };
      log("genesis-refused", { reason: result.reason });
      throw new ConnectError(result.reason, Code.FailedPrecondition);
    }),
  );

  router.rpc(
    AdminService.method.submitGovernance,
    unary(async ({ transaction }, context) => {
      requireOperator(context, "submit governance transactions");
      const services = host.services();
      if (!services) throw noChain(withoutChain(host).notReady);
      const result = await services.submitGovernance(transaction);
      if (result.kind === "refused") throw invalid("transaction", result.reason);
      return { transactionHash: result.hash };
    }),
  );

  router.rpc(
    AdminService.method.getChainReport,
    unary(async ({ trustedEpoch, transactions }) => {
      const services = host.services();
      if (!services) throw noChain(withoutChain(host).notReady);
      if (trustedEpoch > Number.MAX_SAFE_INTEGER) throw invalid("trusted_epoch", "is above 2^53 − 1");
      if (transactions.length > mostTransactions) throw invalid("transactions", `at most ${mostTransactions}`);
      if (transactions.some(({ length }) => length !== 32)) throw invalid("transactions", "are 32 bytes each");
      return chainReportMessage(await services.chainReport(Number(trustedEpoch), transactions));
    }),
  );
}

type Told = ReturnType<typeof statusMessage>;

/** Is there something to tell a reader who was told `before`, and asked not to hear of fewer blocks than `heightStep`? */
function isNews(before: Told, now: Told, heightStep: number): boolean {
  if (heightStep === 0) return true;
  const moved = Number(now.finalizedHeight ?? 0) - Number(before.finalizedHeight ?? 0);
  const spoken = ({ role, voting, epoch, notReady, heard }: Told) =>
    [role, voting, epoch, notReady, ...(heard ?? [])].join();
  return moved >= heightStep || spoken(before) !== spoken(now);
}

interface Change {
  /** Waits that long, or until the call ends. */
  readonly rest: (ms: number) => Promise<void>;
  /** Resolves at the first change since it last did, or after the time. */
  readonly next: (ms: number) => Promise<void>;
  readonly close: () => void;
}

/** Follows a validator's changes for one slow reader: any number of them between two looks count as one. */
function createChange(host: Host, signal: AbortSignal): Change {
  let changed = false;
  let wake: (() => void) | undefined;
  let unsubscribe: (() => void) | undefined;
  const note = (): void => {
    changed = true;
    wake?.();
  };
  const subscribe = (): void => {
    unsubscribe ??= host.services()?.watchStatus(note);
  };
  subscribe();
  // A chain that starts is a change, too.
  if (!unsubscribe)
    void host.started.then(() => {
      if (signal.aborted) return;
      subscribe();
      note();
    });
  const pause = (ms: number, until: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        wake = undefined;
        resolve();
      };
      const timer = setTimeout(finish, Math.max(0, ms));
      signal.addEventListener("abort", finish, { once: true });
      if (signal.aborted || until()) return finish();
      wake = () => {
        if (until()) finish();
      };
    });
  return {
    rest: (ms) => pause(ms, () => false),
    next: async (ms) => {
      await pause(ms, () => changed);
      changed = false;
    },
    close: () => unsubscribe?.(),
  };
}
