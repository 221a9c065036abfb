/**
 * The connection to one validator process: who it is, then its status for as long as both live. One HTTP/2 session at a
 * time; whatever the other side does costs at most one bounded message every half `statusEveryMs`, and is over after `silentMs`.
 */
import { randomBytes } from "node:crypto";
import type { SecureClientSessionOptions } from "node:http2";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService, type GetChainReportResponse } from "../../../proto/validator/v1/validator_pb.js";
import { challengeLength } from "../../../validator/crypto/challenge.ts";
import { backoffDelay } from "../../kube/backoff.ts";
import { type Clock, pause } from "../../kube/clock.ts";
import type { Claim, PublicKeys } from "../../plan/snapshot.ts";
import { openSession } from "./session.ts";
import { readKeys, readStatus, sentence, type Words } from "./words.ts";

/** A pod that is to be asked. */
export interface ReportTarget {
  /** The identity's name; for a member run elsewhere, the member's id. */
  readonly identity: string;
  /** "" for a member run elsewhere. */
  readonly podUid: string;
  /** `http://…` on the loopback address, `https://…` elsewhere. */
  readonly url: string;
  /** The name in the pod's certificate, when the url has another. */
  readonly servername?: string;
}

/** Authority of the validators' certificates, the operator's certificate and its key, PEM. */
export type Credentials = () => Pick<SecureClientSessionOptions, "ca" | "cert" | "key">;

export interface ConnectionHandlers {
  /** At every (re)connection. */
  readonly connected: (keys: Claim<PublicKeys>) => void;
  readonly said: (words: Words) => void;
  /** The connection is gone, or was never there; it is tried again. A sentence. */
  readonly down: (reason: string) => void;
}

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Shortest time between two statuses, ms. */
  readonly statusEveryMs: number;
  /** Longest between two attempts to connect, ms. */
  readonly retryMs: number;
  readonly credentials: Credentials | undefined;
}

export interface Connection {
  readonly target: ReportTarget;
  /** Rejects with `ConnectError`. */
  readonly chainReport: (trustedEpoch: number, transactions: readonly Uint8Array[]) => Promise<GetChainReportResponse>;
  readonly provideGenesis: (document: Uint8Array) => Promise<void>;
  readonly submitGovernance: (transaction: Uint8Array) => Promise<void>;
  /** Resolves when nothing of it is left. */
  readonly close: () => Promise<void>;
}

const callMs = 5_000;
/** Longest between two statuses of a chain that rests. */
const restingMs = 10_000;
/** Blocks that are news by themselves: what a learner's lag is measured in (`interest.ts`). */
const heightStep = 16;
/** Without any for this long the connection counts as dead: sooner than the planner takes the last one for old. */
const silentMs = 25_000;
/** Between two attempts: a pod that starts is there within seconds. */
const backoff = { initialMs: 250, floorMs: 100 };
/** A set of a thousand members with all keys ever used is a few MiB; a status is small. */
const largestReport = 8 << 20;
const largestStatus = 256 << 10;

/** Connects at once and again whenever it fails, until it is closed. */
export function connect(target: ReportTarget, handlers: ConnectionHandlers, options: ConnectionOptions): Connection {
  const { clock, random, statusEveryMs, retryMs } = options;
  const closing = new AbortController();
  let link = openLink(target, options);

  async function attempt(signal: AbortSignal, succeeded: () => void): Promise<string> {
    const challenge = randomBytes(challengeLength);
    const { small } = link;
    const identity = await small.getIdentity({ challenge }, { signal, timeoutMs: callMs });
    handlers.connected(readKeys(identity, challenge));
    const wanted = { intervalMs: restingMs, closestMs: statusEveryMs, heightStep };
    for await (const status of guarded(small.watchStatus(wanted, { signal }))) {
      handlers.said(readStatus(status));
      succeeded();
      // Honest validators keep `statusEveryMs`; whoever sends more is read no faster than twice as often.
      await pause(clock, statusEveryMs / 2, signal);
    }
    return "it closed the stream";
  }

  /** Ends the stream when nothing comes for `silentMs`. */
  async function* guarded<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    let cancel = clock.after(silentMs, () => link.end(`nothing for ${silentMs / 1_000} s`));
    try {
      for await (const item of items) {
        cancel();
        yield item;
        cancel = clock.after(silentMs, () => link.end(`nothing for ${silentMs / 1_000} s`));
      }
    } finally {
      cancel();
    }
  }

  async function run(): Promise<void> {
    const { signal } = closing;
    for (let failures = 0; !signal.aborted; ) {
      let reason: string;
      try {
        reason = await attempt(signal, () => {
          failures = 0;
        });
      } catch (error) {
        reason = ConnectError.from(error).rawMessage;
      }
      link.end("it is opened again");
      if (signal.aborted) return;
      handlers.down(sentence(reason));
      failures += 1;
      await pause(clock, backoffDelay({ ...backoff, maxMs: retryMs }, failures, random), signal);
      link = openLink(target, options);
    }
  }
  const ended = run();

  const call = { timeoutMs: callMs, signal: closing.signal };
  return {
    target,
    chainReport: (trustedEpoch, transactions) =>
      link.large.getChainReport({ trustedEpoch: BigInt(trustedEpoch), transactions: [...transactions] }, call),
    async provideGenesis(genesis) {
      await link.small.provideGenesis({ genesis }, call);
    },
    async submitGovernance(transaction) {
      await link.small.submitGovernance({ transaction }, call);
    },
    async close() {
      closing.abort();
      link.end("closed");
      await ended;
      link.end("closed");
    },
  };
}

interface Link {
  readonly small: Client<typeof AdminService>;
  /** For answers that may be large. */
  readonly large: Client<typeof AdminService>;
  readonly end: (reason: string) => void;
}

function openLink({ url, servername }: ReportTarget, { clock, credentials }: ConnectionOptions): Link {
  const tls = { ...credentials?.(), ...(servername === undefined ? {} : { servername }) };
  const session = openSession(url, tls, clock);
  const client = (readMaxBytes: number) =>
    createClient(
      AdminService,
      createConnectTransport({
        httpVersion: "2",
        baseUrl: url,
        sessionManager: session,
        readMaxBytes,
        acceptCompression: [],
      }),
    );
  return { small: client(largestStatus), large: client(largestReport), end: session.end };
}
