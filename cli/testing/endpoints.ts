/** What an operator leaves on its machine. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeEndpoints } from "../../operator/embedded/endpoints.ts";
import { takeLock } from "../../operator/embedded/lock.ts";

/**
 * A swarm whose operator lives (it is this process). Nothing listens where its validators should, but for the metrics
 * given by identity.
 */
export function writeTestEndpoints(
  directory: string,
  swarm: string,
  metrics: Readonly<Record<string, string>> = { [`${swarm}-eu-0-g1`]: nowhere },
): void {
  mkdirSync(join(directory, swarm), { recursive: true });
  takeLock(join(directory, "lock"));
  writeEndpoints(join(directory, swarm, "endpoints.json"), {
    swarm,
    chainId: "ab".repeat(32),
    pid: process.pid,
    faultPower: 0,
    gateway: nowhere,
    console: nowhere,
    genesis: join(directory, swarm, "genesis.json"),
    seats: Object.entries(metrics).map(([identity, url]) => ({
      seat: identity.replace(/-g\d+$/, ""),
      identity,
      region: "eu",
      power: 1,
      rpc: nowhere,
      metrics: url,
      log: "",
    })),
    institutions: [{ bic: "QSWADEFFXXX", name: "" }],
  });
}

/** The discard service: nothing listens there. */
const nowhere = "http://127.0.0.1:9";
