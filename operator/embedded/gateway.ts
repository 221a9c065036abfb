/** The gateway of a swarm on one machine: its configuration, and waiting until it answers. */
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ValidatorSwarm } from "../api/validator-swarm.ts";
import { institutionKeyFile } from "./genesis.ts";
import type { SwarmPorts } from "./ports.ts";
import type { Seat } from "./seats.ts";
import type { SwarmLayout } from "./volumes.ts";

/** The JSON of `gateway/main.ts --config`. Callers on this machine name their institution in a header. */
export function gatewayConfig(
  swarm: ValidatorSwarm,
  seats: readonly Seat[],
  ports: SwarmPorts,
  layout: SwarmLayout,
  name: string,
): object {
  return {
    listen: { host: "127.0.0.1", port: ports.gateway },
    validators: seats.map((seat) => ({
      seat: seat.name,
      url: `http://127.0.0.1:${ports.seats.get(seat.name)?.rpc ?? 0}`,
    })),
    institutions: swarm.spec.genesis.institutions
      // An institution that brings its own key signs for itself.
      .filter(({ key }) => key === undefined)
      .map(({ bic, zone }) => ({
        bic,
        keyFile: institutionKeyFile(layout, { bic }),
        ...(zone === undefined ? {} : { zone }),
      })),
    dataDir: join(layout.volumes, name),
    metrics: { host: "127.0.0.1", port: ports.gatewayMetrics },
    allowInsecureInstitutionHeader: true,
  };
}

/** Between two attempts, ms. */
const retryMs = 25;

/** Resolves when the gateway says that it is ready; rejects when `signal` aborts. */
export async function awaitGateway(ports: SwarmPorts, signal: AbortSignal): Promise<void> {
  while (!(await answersReady(`http://127.0.0.1:${ports.gatewayMetrics}/readyz`, signal)))
    await delay(retryMs, undefined, { signal });
}

function answersReady(url: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const call = request(url, { signal, agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  call.once("error", () => resolve(false));
  call.end();
  return promise;
}
