/** The first payments of a swarm: the files of `manifests/samples/`, sent through the gateway like any bank's. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Live } from "./embedded/live.ts";
import type { SwarmView } from "./embedded/swarm-view.ts";
import {
  awaitSettlement,
  type FilePayment,
  type FileStatus,
  readCreditTransfer,
  type Submission,
  submitFile,
} from "./gateway-client.ts";

/** What became of one file. */
export interface SampleResult {
  readonly file: string;
  readonly institution: string;
  readonly messageId: string;
  readonly payments: readonly FilePayment[];
  readonly status: FileStatus;
  /** From sending the file to the settlement of its last block as a validator told of it, ms; `undefined` for a repeated file. */
  readonly milliseconds: number | undefined;
}

export type SampleOutcome =
  | { readonly kind: "settled"; readonly results: readonly SampleResult[] }
  /** A sentence: which file did not get through, and why. */
  | { readonly kind: "failed"; readonly reason: string };

const samples = join(import.meta.dirname, "../manifests/samples");
const settleMs = 30_000;
const attempts = 20;

/** The sample files, the plain one first. */
export function sampleFiles(): readonly string[] {
  return readdirSync(samples)
    .filter((name) => name.endsWith(".xml"))
    .sort((a, b) => a.length - b.length || a.localeCompare(b))
    .map((name) => join(samples, name));
}

/** Sends the files one after the other and waits until each is final. `done` hears of each. */
export async function sendSamples(
  fleet: SwarmView,
  live: Live,
  done: (result: SampleResult) => void,
): Promise<SampleOutcome> {
  const results: SampleResult[] = [];
  for (const file of sampleFiles()) {
    const sent = await sendSample(fleet.endpoints.gateway, file, live);
    if (typeof sent === "string") return { kind: "failed", reason: `${basename(file)}: ${sent}` };
    results.push(sent);
    done(sent);
  }
  return { kind: "settled", results };
}

/** The result, or a sentence why there is none. */
async function sendSample(gateway: string, file: string, live: Live): Promise<SampleResult | string> {
  const content = readFileSync(file);
  const read = readCreditTransfer(content);
  if (read.kind === "unreadable") return read.reason;
  const { institution, payments } = read;
  const started = performance.now();
  const submission = await submitPatiently(gateway, institution, content);
  const result = (messageId: string, status: FileStatus): SampleResult => ({
    file: basename(file),
    institution,
    messageId,
    payments,
    status,
    milliseconds: finality(status.heights, started, live),
  });
  switch (submission.kind) {
    case "accepted": {
      const settled = await awaitSettlement(gateway, institution, submission.messageId, settleMs);
      if (settled.kind === "final") return result(submission.messageId, settled.status);
      return `not settled after ${settleMs / 1000} s (${settled.status?.status ?? "no status"})`;
    }
    case "rejected":
      return result(read.messageId, submission.status);
    case "busy":
    case "unreachable":
    case "failed":
      return submission.reason;
  }
}

function finality(heights: readonly number[], started: number, live: Live): number | undefined {
  const settled = heights.map((height) => live.settledAt(height) ?? 0);
  const last = Math.max(...settled);
  return settled.length > 0 && last > started ? last - started : undefined;
}

async function submitPatiently(gateway: string, institution: string, content: Uint8Array): Promise<Submission> {
  let submission = await submitFile(gateway, institution, content);
  for (let attempt = 1; submission.kind === "busy" && attempt < attempts; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
    submission = await submitFile(gateway, institution, content);
  }
  return submission;
}

export type Agreement =
  | { readonly kind: "agreed"; readonly height: number }
  | { readonly kind: "differs"; readonly height: number }
  | { readonly kind: "late"; readonly reason: string };

/**
 * Waits until every validator has settled up to the highest block of the samples and all report one state root at or
 * above it.
 */
export async function awaitAgreement(
  fleet: SwarmView,
  results: readonly SampleResult[],
  timeoutMs: number,
): Promise<Agreement> {
  const target = Math.max(0, ...results.flatMap(({ status }) => status.heights));
  const { state } = fleet;
  const agreed = state.until(
    () =>
      state.divergedAt() !== undefined ||
      (state.agreedHeight() >= target &&
        state.seats().every(({ status }) => status !== undefined && status.settledHeight >= target)),
  );
  const timeout = Promise.withResolvers<"late">();
  const timer = setTimeout(() => timeout.resolve("late"), timeoutMs);
  const outcome = await Promise.race([agreed, timeout.promise]);
  clearTimeout(timer);
  const diverged = state.divergedAt();
  if (diverged !== undefined) return { kind: "differs", height: diverged };
  if (outcome !== "late") return { kind: "agreed", height: state.agreedHeight() };
  const behind = state
    .seats()
    .filter(({ status }) => (status?.settledHeight ?? 0) < target)
    .map(
      ({ seat, status, trouble }) =>
        `${seat.name} settled ${status?.settledHeight ?? 0}${trouble === "" ? "" : ` (${trouble})`}`,
    );
  return {
    kind: "late",
    reason: `block ${target} is not settled everywhere after ${timeoutMs / 1000} s: ${behind.join(", ") || "no root reported by all"}`,
  };
}
