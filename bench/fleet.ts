/** This project as the benchmark runs it: a fresh chain of four validator processes. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { currencyOf } from "../gateway/iso20022/currencies.ts";
import type { ValidatorSwarm } from "../operator/api/validator-swarm.ts";
import { type Fleet, startFleet } from "../operator/embedded/fleet.ts";
import { letters } from "./figures/figure.ts";
import type { LoadTarget } from "./load/protocol.ts";
import { benchmarkSwarm } from "./manifest.ts";
import type { Chain, StartOptions, System } from "./system.ts";

export interface BenchFleet extends Chain {
  readonly fleet: Fleet;
  /** Process ids by position of the seat; `undefined` while one is down. */
  readonly pids: () => readonly (number | undefined)[];
  /** Directories of their data, by position of the seat. */
  readonly volumes: readonly string[];
}

export const ours: System = {
  name: "validator-swarm",
  description: "four validator processes, every region required, durable votes",
  figures: letters,
  start: startBenchFleet,
};

export interface BenchFleetOptions extends StartOptions {
  /** Absent: four seats, a thousand accounts, no gateway. */
  readonly swarm?: ValidatorSwarm;
  /** With the links of this machine between members. */
  readonly linked?: boolean;
  /** In the place of the validator's. */
  readonly program?: string;
}

export async function startBenchFleet(options: BenchFleetOptions): Promise<BenchFleet> {
  const { directory, portBase, signal, swarm = benchmarkSwarm("bench"), linked = false, program } = options;
  const own = mkdtempSync(join(directory, "chain-"));
  const programs = program === undefined ? {} : { validator: program };
  const started = await startFleet(swarm, { portBase, directory: own, direct: !linked, programs, signal });
  if (started.kind === "failed") throw new Error(`${started.reason} Logs: ${started.logs}`);
  const { fleet } = started;
  const { seats, layout, links } = fleet.view;
  let release = () => {};
  return {
    fleet,
    target: await targetOf(fleet),
    pids: () => seats.map(({ identity }) => fleet.pidOf(identity)),
    volumes: seats.map(({ identity }) => join(layout.volumes, identity)),
    async killLeader() {
      const status = await links[0]?.admin.getStatus({});
      const leader = seats.find(({ name }) => name === status?.leader);
      if (leader === undefined) throw new Error("nobody leads");
      release = fleet.hold([leader.identity]);
      return leader.name;
    },
    async close() {
      release();
      await fleet.close();
      rmSync(own, { recursive: true, force: true });
    },
  };
}

async function targetOf(fleet: Fleet): Promise<LoadTarget> {
  const { links, endpoints } = fleet.view;
  const [first] = links;
  if (first === undefined) throw new Error("a fleet without validators");
  const [directory, seeds] = await Promise.all([first.settlement.getDirectory({}), fleet.seeds()]);
  return {
    system: "validator-swarm",
    urls: endpoints.seats.map(({ rpc }) => rpc),
    chainId: Buffer.from(directory.chainId).toString("hex"),
    expiry: Date.now() + Number(directory.expiryWindow) / 2,
    settledBy: Number(directory.faultPower) + 1,
    institutions: directory.institutions.map(({ index, bic }) => ({
      index,
      seed: seeds.get(bic) ?? "",
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
