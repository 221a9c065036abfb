/** Where samples come from: a port with two ways, the validators' own endpoints and a Prometheus that scrapes them. */
import type { Reading } from "./reading.ts";

/** One validator whose metrics are wanted. */
export interface SampleTarget {
  readonly seat: string;
  readonly identity: string;
  readonly podUid: string;
  /** Of its metrics, `host:port`; undefined while it has none. */
  readonly metrics: string | undefined;
}

/** What of a round could be read, and a sentence for what could not. */
export interface Read {
  readonly readings: readonly Reading[];
  /** Empty: everything was. */
  readonly problem: string;
}

/** Reads every target once. It never rejects: what fails is left out and named. */
export type SampleSource = (targets: readonly SampleTarget[], signal: AbortSignal) => Promise<Read>;

export type Fetched =
  | { readonly kind: "body"; readonly text: string }
  | { readonly kind: "failed"; readonly reason: string };

/** Most bytes of one answer. */
const mostBytes = 8 * 1_024 * 1_024;
/** An answer that takes longer is of another time, ms. */
const patience = 2_000;

/** One request, its answer bounded in size and time. What went wrong is said without what was answered. */
export async function fetchText(url: string, init: RequestInit, signal: AbortSignal): Promise<Fetched> {
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
    const response = await fetch(url, { ...init, redirect: "error", signal: within });
    if (!response.ok) {
      await response.body?.cancel();
      return { kind: "failed", reason: `answered ${response.status}` };
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > mostBytes) return { kind: "failed", reason: `answered more than ${mostBytes} bytes` };
      chunks.push(chunk);
    }
    return { kind: "body", text: Buffer.concat(chunks).toString("utf8") };
  } catch {
    return { kind: "failed", reason: "does not answer" };
  }
}
