/** A fresh chain of four validator processes for one measurement. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { currencyOf } from "../gateway/iso20022/currencies.ts";
import { type Fleet, startFleet } from "../operator/embedded/fleet.ts";
import type { LoadTarget } from "./load/protocol.ts";
import { benchmarkSwarm } from "./manifest.ts";

export interface BenchFleet {
  readonly fleet: Fleet;
  /** What the load generator needs to know. */
  readonly target: LoadTarget;
  /** Process ids by position of the seat; `undefined` while one is down. */
  readonly pids: () => readonly (number | undefined)[];
  /** Ends the processes and removes their data. */
  readonly close: () => Promise<void>;
}

export interface BenchFleetOptions {
  /** Where data directories are made. */
  readonly directory: string;
  readonly portBase: number;
  readonly signal: AbortSignal;
}

const name = "bench";

export async function startBenchFleet({ directory, portBase, signal }: BenchFleetOptions): Promise<BenchFleet> {
  const own = mkdtempSync(join(directory, "chain-"));
  const started = await startFleet(benchmarkSwarm(name), { portBase, directory: own, progress: () => {}, signal });
  if (started.kind === "failed") throw new Error(`${started.reason} Logs: ${started.logs}`);
  const { fleet } = started;
  return {
    fleet,
    target: await targetOf(fleet),
    pids: () =>
      fleet.seats.map(({ identity }) => {
        const state = fleet.runtime.observe(identity);
        return state?.kind === "running" ? state.pid : undefined;
      }),
    async close() {
      await fleet.close();
      rmSync(own, { recursive: true, force: true });
    },
  };
}

async function targetOf(fleet: Fleet): Promise<LoadTarget> {
  const [first] = fleet.links;
  if (first === undefined) throw new Error("a fleet without validators");
  const directory = await first.settlement.getDirectory({});
  return {
    urls: fleet.endpoints.seats.map(({ rpc }) => rpc),
    chainId: Buffer.from(directory.chainId).toString("hex"),
    expiry: Date.now() + Number(directory.expiryWindow) / 2,
    settledBy: Number(directory.faultPower) + 1,
    institutions: directory.institutions.map(({ index, bic }) => ({
      index,
      seed: readFileSync(join(fleet.layout.institutions, `${bic}.hex`), "utf8").trim(),
    })),
    accounts: directory.accounts.map(({ index, institution, currency }) => ({
      index,
      institution,
      code: isoNumeric(currency),
    })),
  };
}

function isoNumeric(currency: string): number {
  const found = currencyOf(currency);
  if (found === undefined) throw new Error(`${currency} is no ISO 4217 currency`);
  return found.numeric;
}
