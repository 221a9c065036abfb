/**
 * Leader election by a Lease. Whoever leads stops acting before anybody else can take the lease, even when it hears
 * nothing from the API server.
 *
 * Times are never compared between machines. A candidate takes a lease that it has itself seen unchanged for
 * `leaseDurationMs`; a leader stops `renewDeadlineMs` after it *sent* the last renewal that was confirmed, which is
 * earlier than anybody can have seen that renewal. Clocks may be wrong by any amount; their rates may differ by the
 * factor `leaseDurationMs / (renewDeadlineMs + stopMs)`: 15 / (10 + 2) = 1.25 with the defaults, where real clocks
 * differ by less than 1.001.
 */
import type { ApiClient, ApiFailure } from "./api-client.ts";
import { type Clock, pause } from "./clock.ts";
import { leases } from "./kinds.ts";
import { type Lease, type LeaseClaim, leaseObject, microTime, readLease } from "./lease.ts";
import { pathOf } from "./objects.ts";

export interface ElectionTimes {
  /** How long a candidate waits after the last change it saw. */
  readonly leaseDurationMs: number;
  /** How long a leader goes on after sending its last confirmed renewal. */
  readonly renewDeadlineMs: number;
  /** Between two looks or renewals. */
  readonly retryMs: number;
  /** What an act already begun may take to end once the signal is aborted. */
  readonly stopMs: number;
}

export const defaultTimes: ElectionTimes = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
  stopMs: 2_000,
};

/** The right to act, for as long as it lasts. */
export interface Leadership {
  /** Aborted when the right ends: before the lease can be taken. */
  readonly signal: AbortSignal;
  /**
   * To be asked at once before each act. The signal's timer fires late in a process that was suspended or busy;
   * this compares the clocks themselves.
   */
  readonly mayAct: () => boolean;
  /** How often the lease changed hands, this time included: grows with every leader. */
  readonly transitions: number;
}

export type ElectionEvent =
  | { readonly kind: "leading"; readonly transitions: number }
  /** `deadline`: no renewal was confirmed in time; `taken`: another holds it; `released`: given up on shutdown. */
  | { readonly kind: "stopped"; readonly why: "deadline" | "taken" | "released" }
  | { readonly kind: "following"; readonly holder: string }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** `stuck`: `lead` did not end within `stopMs` of losing the lease: the process must end, nothing else stops it. */
export type ElectionEnd = { readonly kind: "stopped" } | { readonly kind: "stuck" };

export interface ElectionOptions {
  readonly api: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** Never used before: a restarted process must not take itself for its predecessor. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Called each time the lease is won. Ends after its signal was aborted and nothing it began is still going on. */
  readonly lead: (leadership: Leadership) => Promise<void>;
  readonly onEvent?: (event: ElectionEvent) => void;
  readonly times?: Partial<ElectionTimes>;
}

/** Why these times are no election, or undefined. */
export function timesFault(times: ElectionTimes): string | undefined {
  const { leaseDurationMs, renewDeadlineMs, retryMs, stopMs } = times;
  if (Math.min(leaseDurationMs, renewDeadlineMs, retryMs, stopMs) <= 0) return "all times must be above zero";
  if (leaseDurationMs < 1.1 * (renewDeadlineMs + stopMs))
    return "leaseDuration must be at least 1.1 times renewDeadline + stop, or the lease can be taken from an acting leader";
  if (renewDeadlineMs < 2 * retryMs)
    return "renewDeadline must be at least twice retry, or one lost request ends a term";
  return undefined;
}

/** Takes part until the signal is aborted. Throws on times that are no election, and what `lead` throws. */
export async function runElection(options: ElectionOptions): Promise<ElectionEnd> {
  const { api, namespace, name, identity, clock, random, signal, lead, onEvent = () => {} } = options;
  const times = { ...defaultTimes, ...options.times };
  const fault = timesFault(times);
  if (fault !== undefined) throw new Error(fault);

  /** Of one request: a single one that hangs must not use up a term. */
  const requestMs = times.renewDeadlineMs / 2;
  /** The last state seen, and when it was first seen here. */
  let seen: { readonly lease: Lease; readonly at: number } | undefined;
  let following = "";

  while (!signal.aborted) {
    const won = await acquire();
    if (won === undefined) {
      // Jitter keeps candidates from asking in step.
      await pause(clock, times.retryMs * (1 + 0.2 * random()), signal);
      continue;
    }
    const end = await term(won.lease, won.sentAt);
    if (end.kind === "stuck") return end;
  }
  return { kind: "stopped" };

  interface Held {
    readonly lease: Lease;
    /** When the write that made us holder was sent. */
    readonly sentAt: Reading;
  }

  async function acquire(): Promise<Held | undefined> {
    const read = await readNow(signal);
    if (read.kind === "failed") return undefined;
    const lease = read.lease;
    if (lease) {
      if (!seen || !sameState(seen.lease, lease)) seen = { lease, at: clock.monotonic() };
      const waitMs = Math.max(times.leaseDurationMs, lease.durationMs);
      // Our own name there: a write of ours whose answer was lost, and no term runs here now.
      const free = lease.holder === "" || lease.holder === identity || clock.monotonic() - seen.at >= waitMs;
      if (!free) {
        if (following !== lease.holder) onEvent({ kind: "following", holder: lease.holder });
        following = lease.holder;
        return undefined;
      }
    }
    const now = microTime(clock.wall());
    const claim: LeaseClaim = {
      holder: identity,
      durationMs: times.leaseDurationMs,
      transitions: lease === undefined ? 0 : lease.transitions + (lease.holder === identity ? 0 : 1),
      acquireTime: now,
      renewTime: now,
    };
    const sentAt = reading(clock);
    const written = await write(claim, lease, requestMs, signal);
    return written.kind === "written" ? { lease: written.lease, sentAt } : undefined;
  }

  /** Leads until the right ends; then waits for `lead` to end. */
  async function term(won: Lease, wonAt: Reading): Promise<ElectionEnd> {
    following = "";
    const right = new AbortController();
    let lease = won;
    let confirmed = wonAt;
    let cancelDeadline = () => {};
    let why: "deadline" | "taken" | "released" = "released";
    const lose = (reason: typeof why) => {
      if (right.signal.aborted) return;
      why = reason;
      right.abort();
    };
    const left = () => times.renewDeadlineMs - elapsed(clock, confirmed);
    const armDeadline = () => {
      cancelDeadline();
      cancelDeadline = clock.after(Math.max(0, left()), () => lose("deadline"));
    };
    const onShutdown = () => lose("released");
    const renew = async (): Promise<LeaseWrite["kind"]> => {
      const sentAt = reading(clock);
      const renewed = { durationMs: times.leaseDurationMs, renewTime: microTime(clock.wall()) };
      const written = await write({ ...claimOf(lease), ...renewed }, lease, requestMs, right.signal);
      if (written.kind === "written") {
        lease = written.lease;
        confirmed = sentAt;
        if (!right.signal.aborted) armDeadline();
      }
      return written.kind;
    };
    armDeadline();
    signal.addEventListener("abort", onShutdown);
    if (signal.aborted) onShutdown();
    onEvent({ kind: "leading", transitions: won.transitions });
    const leading = lead({
      signal: right.signal,
      mayAct: () => !right.signal.aborted && left() > 0,
      transitions: won.transitions,
    });
    // A term without anybody leading it must not go on; what `lead` threw is thrown below.
    leading.then(
      () => lose("released"),
      () => lose("released"),
    );

    while (!right.signal.aborted) {
      await pause(clock, times.retryMs, right.signal);
      if (right.signal.aborted) break;
      if ((await renew()) !== "conflict" || right.signal.aborted) continue;
      // Somebody changed the object; perhaps we did, in a renewal whose answer was lost.
      const read = await readNow(right.signal);
      if (read.kind === "failed") continue;
      if (read.lease?.holder !== identity) lose("taken");
      else {
        lease = read.lease;
        await renew();
      }
    }
    cancelDeadline();
    signal.removeEventListener("abort", onShutdown);

    const ended = await endsWithin(leading, times.stopMs);
    onEvent({ kind: "stopped", why });
    if (!ended) return { kind: "stuck" };
    await leading;
    // Only what has ended gives the lease away early; a stuck term's lease runs out by itself.
    if (why === "released") await release(lease);
    else seen = undefined;
    return { kind: "stopped" };
  }

  async function endsWithin(leading: Promise<void>, milliseconds: number): Promise<boolean> {
    const late = new AbortController();
    const ended = leading.then(
      () => true,
      () => true,
    );
    const result = await Promise.race([ended, pause(clock, milliseconds, late.signal).then(() => false)]);
    late.abort();
    return result;
  }

  /** Best effort: when it fails, the others wait for the lease to run out. */
  async function release(lease: Lease): Promise<void> {
    const stop = new AbortController().signal;
    const giveUp = (over: Lease) =>
      write(
        { ...claimOf(over), holder: "", durationMs: 1_000, renewTime: microTime(clock.wall()) },
        over,
        times.stopMs,
        stop,
      );
    if ((await giveUp(lease)).kind !== "conflict") return;
    // A renewal that was cut short by the shutdown may have been written all the same.
    const read = await readNow(stop);
    if (read.kind === "read" && read.lease?.holder === identity) await giveUp(read.lease);
  }

  async function readNow(stop: AbortSignal): Promise<LeaseRead> {
    const path = pathOf(leases, namespace, name);
    const answer = await api.request({ method: "GET", path, signal: stop, deadlineMs: requestMs });
    if (answer.kind === "ok") return { kind: "read", lease: readLease(answer.body) };
    if (answer.failure.status === 404) return { kind: "read", lease: undefined };
    if (answer.failure.kind !== "aborted") onEvent({ kind: "failed", failure: answer.failure });
    return { kind: "failed" };
  }

  /** Only over exactly the state given: of two who try, one gets a conflict. */
  async function write(
    claim: LeaseClaim,
    over: Lease | undefined,
    deadlineMs: number,
    stop: AbortSignal,
  ): Promise<LeaseWrite> {
    const value = leaseObject(namespace, name, claim, over);
    const answer = await api.request({
      method: over ? "PUT" : "POST",
      path: over ? pathOf(leases, namespace, name) : pathOf(leases, namespace),
      body: { type: "application/json", value },
      signal: stop,
      deadlineMs,
    });
    const lease = answer.kind === "ok" ? readLease(answer.body) : undefined;
    if (lease) return { kind: "written", lease };
    if (answer.kind === "ok") return { kind: "failed" };
    if (answer.failure.status === 409 || answer.failure.status === 404) return { kind: "conflict" };
    if (answer.failure.kind !== "aborted") onEvent({ kind: "failed", failure: answer.failure });
    return { kind: "failed" };
  }
}

type LeaseRead = { readonly kind: "read"; readonly lease: Lease | undefined } | { readonly kind: "failed" };
type LeaseWrite = { readonly kind: "written"; readonly lease: Lease } | { readonly kind: "conflict" | "failed" };

interface Reading {
  readonly monotonic: number;
  readonly wall: number;
}

const reading = (clock: Clock): Reading => ({ monotonic: clock.monotonic(), wall: clock.wall() });

/**
 * The larger of the two clocks' opinions: the monotonic one stands still while a machine is suspended, and a wall
 * clock set forward only ends a term too early.
 */
function elapsed(clock: Clock, since: Reading): number {
  return Math.max(clock.monotonic() - since.monotonic, clock.wall() - since.wall);
}

function sameState(a: Lease, b: Lease): boolean {
  return a.holder === b.holder && a.renewTime === b.renewTime && a.transitions === b.transitions;
}

function claimOf({ holder, durationMs, transitions, acquireTime, renewTime }: Lease): LeaseClaim {
  return { holder, durationMs, transitions, acquireTime, renewTime };
}
