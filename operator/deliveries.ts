/** The end of a payment's way: what the gateway delivered to the creditors' institutions, read from their feeds. */
import { z } from "zod";
import type { SampleResult } from "./sample.ts";

/** Settled payments to one institution, and how many of them its feed has. */
export interface Delivery {
  readonly institution: string;
  readonly expected: number;
  readonly delivered: number;
}

const entrySchema = z.object({ cursor: z.string(), uetrs: z.array(z.string()) });

/** UETRs of the settled payments by the institution they go to. */
export function expectedDeliveries(results: readonly SampleResult[]): ReadonlyMap<string, ReadonlySet<string>> {
  const expected = new Map<string, Set<string>>();
  for (const { payments, status } of results)
    payments.forEach(({ to, uetr }, i) => {
      if (status.payments[i]?.status !== "ACSC") return;
      expected.set(to, (expected.get(to) ?? new Set()).add(uetr));
    });
  return expected;
}

/** Reads each institution's feed from its beginning until all is there or the time is over. */
export function awaitDeliveries(
  gateway: string,
  expected: ReadonlyMap<string, ReadonlySet<string>>,
  timeoutMs: number,
): Promise<readonly Delivery[]> {
  const signal = AbortSignal.timeout(timeoutMs);
  return Promise.all(
    [...expected].map(async ([institution, uetrs]) => {
      const delivered = await countDelivered(gateway, institution, uetrs, signal);
      return { institution, expected: uetrs.size, delivered };
    }),
  );
}

async function countDelivered(
  gateway: string,
  institution: string,
  uetrs: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<number> {
  const seen = new Set<string>();
  try {
    for (let from = "0"; seen.size < uetrs.size; ) {
      const url = `${gateway}/institutions/${institution}/feed?from=${from}&wait=5`;
      const response = await fetch(url, { headers: { "x-institution": institution }, signal });
      if (!response.ok) break;
      for (const line of (await response.text()).split("\n").filter((text) => text !== "")) {
        const entry = entrySchema.parse(JSON.parse(line));
        from = entry.cursor;
        for (const uetr of entry.uetrs) if (uetrs.has(uetr)) seen.add(uetr);
      }
    }
  } catch {
    // The time is over: what was seen is what is told.
  }
  return seen.size;
}
