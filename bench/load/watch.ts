/** Follows what validators say about settlement and finality; counts a report once enough of them made it. */
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService, SettlementService } from "../../proto/validator/v1/validator_pb.js";

export interface WatchHandlers {
  /** The `settledBy`-th validator said so. `rejected` payments of the message did not settle. */
  readonly settled: (key: string, height: number, rejected: number) => void;
  /** Every height up to this one is final at `settledBy` validators. */
  readonly final: (height: number) => void;
}

export interface Watch {
  readonly close: () => void;
}

const allInstitutions = 0xffff_ffff;
/** WatchStatus answers no more often than this, ms: the resolution of commit latencies. */
export const statusEveryMs = 20;

/** Streams begin at the chain's first block: nothing is missed, however late they open. */
export function startWatch(
  urls: readonly string[],
  settledBy: number,
  finality: boolean,
  handlers: WatchHandlers,
): Watch {
  const closing = new AbortController();
  const { signal } = closing;
  const reports = new Map<string, Set<number>>();
  const heights = urls.map(() => 0);
  let finalHeight = 0;

  /** The same message of the same validator counts once: streams begin again after an error. */
  const report = (who: number, key: string, height: number, rejected: number): void => {
    const said = reports.get(key) ?? new Set();
    const before = said.size;
    said.add(who);
    reports.set(key, said);
    if (said.size === settledBy && before < settledBy) handlers.settled(key, height, rejected);
    if (said.size === urls.length) reports.delete(key);
  };

  const followSettlements = async (url: string, who: number): Promise<void> => {
    const client = createClient(SettlementService, createConnectTransport({ httpVersion: "2", baseUrl: url }));
    let from = 1;
    while (!signal.aborted) {
      try {
        const request = { fromHeight: BigInt(from), institution: allInstitutions };
        for await (const block of client.watchSettlements(request, { signal })) {
          const height = Number(block.height);
          from = height + 1;
          for (const { messageKey, rejected } of block.messages)
            report(who, Buffer.from(messageKey).toString("hex"), height, rejected);
        }
      } catch {
        await delay(50);
      }
    }
  };

  const followFinality = async (url: string, who: number): Promise<void> => {
    const client = createClient(AdminService, createConnectTransport({ httpVersion: "2", baseUrl: url }));
    while (!signal.aborted) {
      try {
        for await (const status of client.watchStatus({ intervalMs: statusEveryMs }, { signal })) {
          heights[who] = Math.max(heights[who] ?? 0, Number(status.finalizedHeight));
          const agreed = [...heights].sort((a, b) => b - a)[settledBy - 1] ?? 0;
          if (agreed <= finalHeight) continue;
          finalHeight = agreed;
          handlers.final(agreed);
        }
      } catch {
        await delay(50);
      }
    }
  };

  urls.forEach((url, who) => {
    void followSettlements(url, who);
    if (finality) void followFinality(url, who);
  });
  return { close: () => closing.abort() };
}
