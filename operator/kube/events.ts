/**
 * Events of events.k8s.io/v1: what a person sees in `kubectl describe`. Best effort by design: reporting never waits,
 * never fails its caller and never floods the server. The same thing said again becomes a series of one Event.
 */
import type { ApiClient } from "./api-client.ts";
import { type Clock, pause } from "./clock.ts";
import { events } from "./kinds.ts";
import { microTime } from "./lease.ts";
import { apiVersionOf, pathOf, type StoredObject } from "./objects.ts";
import { createTokenBucket, type Rate, type TokenBucket } from "./token-bucket.ts";

export interface Report {
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase: why. */
  readonly reason: string;
  /** One word in CamelCase: what was done or tried. */
  readonly action: string;
  /** One sentence; cut at 1 KiB, the server's limit. */
  readonly note: string;
}

export interface EventRecorder {
  /** Says something about an object. */
  readonly report: (regarding: StoredObject, report: Report) => void;
  /** Resolves when everything that was reported so far has been sent or dropped. */
  readonly flush: () => Promise<void>;
  /** Reports not sent: too many, or refused by the server. */
  readonly dropped: () => number;
}

export interface EventRecorderOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** e.g. `validatorswarm.io/operator`. */
  readonly controller: string;
  /** This process, e.g. its pod's name. */
  readonly instance: string;
  /** Unique part of an Event's name: at least 32 random bits in hexadecimal. */
  readonly uniqueId: () => string;
  readonly limits?: Partial<EventLimits>;
}

export interface EventLimits {
  /** Of all requests. */
  readonly overall: Rate;
  /** Of new Events about one object. */
  readonly perObject: Rate;
  /** Series remembered, requests waiting: the oldest series is forgotten, the newest report dropped. */
  readonly remembered: number;
  readonly waiting: number;
  /** A series is written again at most so often. */
  readonly seriesMs: number;
  /** A series that was quiet for so long has ended: the same thing is a new Event. */
  readonly quietMs: number;
}

const defaultLimits: EventLimits = {
  overall: { perSecond: 5, burst: 50 },
  perObject: { perSecond: 1 / 60, burst: 25 },
  remembered: 1_024,
  waiting: 256,
  seriesMs: 60_000,
  quietMs: 360_000,
};

interface Series {
  readonly name: string;
  readonly namespace: string;
  readonly body: Readonly<Record<string, unknown>>;
  count: number;
  lastAt: number;
  lastWall: number;
  writtenAt: number;
  pending: boolean;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { api, clock, signal, controller, instance, uniqueId } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const overall = createTokenBucket(clock, limits.overall);
  /** In order of last use. */
  const known = new Map<string, Series>();
  const buckets = new Map<string, TokenBucket>();
  const waiting: (() => Promise<void>)[] = [];
  let sending: Promise<void> | undefined;
  let dropped = 0;

  function report(regarding: StoredObject, said: Report): void {
    if (signal.aborted) return void dropped++;
    const key = JSON.stringify([regarding.metadata.uid, said.type, said.reason, said.action, said.note]);
    const series = known.get(key);
    const now = clock.monotonic();
    if (series && now - series.lastAt < limits.quietMs) {
      series.count++;
      series.lastAt = now;
      series.lastWall = clock.wall();
      use(known, key, series, limits.remembered);
      return continueSeries(series);
    }
    const uid = regarding.metadata.uid;
    const bucket = buckets.get(uid) ?? createTokenBucket(clock, limits.perObject);
    use(buckets, uid, bucket, limits.remembered);
    if (!bucket.take()) return void dropped++;
    const fresh = newSeries(regarding, said, now);
    use(known, key, fresh, limits.remembered);
    enqueue(() => create(fresh));
  }

  function newSeries(regarding: StoredObject, said: Report, now: number): Series {
    const { name, namespace = "default", uid, resourceVersion } = regarding.metadata;
    // A name of an Event: the object's, cut to leave room, and something unique. A part must end in a letter or digit.
    const eventName = `${name.slice(0, 200).replace(/[^a-z0-9]+$/, "")}.${uniqueId()}`;
    const body = {
      apiVersion: apiVersionOf(events),
      kind: events.kind,
      metadata: { name: eventName, namespace },
      eventTime: microTime(clock.wall()),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      action: said.action.slice(0, 128),
      reason: said.reason.slice(0, 128),
      type: said.type,
      note: cut(said.note, 1_024),
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        name,
        ...(regarding.metadata.namespace === undefined ? {} : { namespace }),
        uid,
        resourceVersion,
      },
    };
    return {
      name: eventName,
      namespace,
      body,
      count: 1,
      lastAt: now,
      lastWall: clock.wall(),
      writtenAt: now,
      pending: false,
    };
  }

  /** Writes the count at once the first time, then after `seriesMs`, with all that came in between. */
  function continueSeries(series: Series): void {
    if (series.pending) return;
    series.pending = true;
    const wait = series.count === 2 ? 0 : Math.max(0, series.writtenAt + limits.seriesMs - clock.monotonic());
    const send = () => enqueue(() => patch(series));
    if (wait === 0) return send();
    const cancel = clock.after(wait, () => {
      signal.removeEventListener("abort", cancel);
      send();
    });
    signal.addEventListener("abort", cancel, { once: true });
  }

  async function create(series: Series): Promise<void> {
    const answer = await request("POST", pathOf(events, series.namespace), "application/json", series.body);
    if (answer.kind === "failed") dropped++;
  }

  async function patch(series: Series): Promise<void> {
    series.pending = false;
    series.writtenAt = clock.monotonic();
    const value = { series: { count: series.count, lastObservedTime: microTime(series.lastWall) } };
    const path = pathOf(events, series.namespace, series.name);
    const answer = await request("PATCH", path, "application/merge-patch+json", value);
    // Servers forget Events after an hour: the series goes on in an Event of the same name.
    if (answer.kind === "failed" && answer.failure.status === 404)
      await create({ ...series, body: { ...series.body, ...value } });
    else if (answer.kind === "failed") dropped++;
  }

  function request(
    method: "POST" | "PATCH",
    path: string,
    type: "application/json" | "application/merge-patch+json",
    value: unknown,
  ) {
    return api.request({ method, path, body: { type, value }, signal, deadlineMs: 10_000 });
  }

  function enqueue(send: () => Promise<void>): void {
    if (signal.aborted || waiting.length >= limits.waiting) return void dropped++;
    waiting.push(send);
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
  }

  async function sendAll(): Promise<void> {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const wait = overall.reserve();
      if (wait > 0) await pause(clock, wait, signal);
      if (signal.aborted) dropped++;
      else await next();
    }
  }

  return {
    report,
    flush: async () => {
      while (sending) await sending;
    },
    dropped: () => dropped,
  };
}

/** Moves a key to the newest end; forgets the oldest above the bound. */
function use<V>(map: Map<string, V>, key: string, value: V, bound: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > bound && oldest !== undefined) map.delete(oldest);
}

/** At most so many bytes of UTF-8, at a character's edge. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  let kept = text.slice(0, bytes);
  while (Buffer.byteLength(kept) > bytes - 3) kept = kept.slice(0, -1);
  return `${kept.replace(/[\uD800-\uDBFF]$/, "")}…`;
}
