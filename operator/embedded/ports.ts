/** Which TCP ports a swarm on one machine uses: the same at every start, all from one base. */
import { createServer } from "node:net";
import type { Seat } from "./seats.ts";

export const defaultPortBase = 7400;

interface SeatPorts {
  readonly p2p: number;
  readonly rpc: number;
  readonly metrics: number;
}

export interface SwarmPorts {
  readonly gateway: number;
  readonly gatewayMetrics: number;
  /** The page. */
  readonly console: number;
  readonly seats: ReadonlyMap<string, SeatPorts>;
}

/** Gateway, page and gateway metrics first; from `base + 10` on three for each seat. */
export function allocatePorts(seats: readonly Seat[], base: number, gateway = base): SwarmPorts {
  return {
    gateway,
    console: base + 1,
    gatewayMetrics: base + 2,
    seats: new Map(
      seats.map(({ name }, i) => {
        const first = base + 10 + 3 * i;
        return [name, { p2p: first, rpc: first + 1, metrics: first + 2 }];
      }),
    ),
  };
}

/** Highest base that leaves room for all ports of a swarm. */
export function highestPortBase(seats: number): number {
  return 65_535 - 10 - 3 * seats;
}

/** A port that something else listens on. */
export interface PortConflict {
  readonly port: number;
  /** What the swarm wants it for. */
  readonly use: string;
}

/** Tries to listen on each port of the loopback address; returns those that are taken. */
export async function findConflicts(ports: SwarmPorts): Promise<readonly PortConflict[]> {
  const wanted: PortConflict[] = [
    { port: ports.gateway, use: "the gateway" },
    { port: ports.console, use: "the page" },
    { port: ports.gatewayMetrics, use: "the gateway's metrics" },
    ...[...ports.seats].flatMap(([seat, { p2p, rpc, metrics }]) => [
      { port: p2p, use: `${seat} (peers)` },
      { port: rpc, use: `${seat} (services)` },
      { port: metrics, use: `${seat} (metrics)` },
    ]),
  ];
  const free = await Promise.all(wanted.map(({ port }) => isFree(port)));
  return wanted.filter((_, i) => !free[i]);
}

const mostNamed = 3;

/** A sentence with the way out. */
export function describeConflicts(conflicts: readonly PortConflict[], base: number): string {
  const first = conflicts.slice(0, mostNamed).map(({ port, use }) => `${port} for ${use}`);
  const others = conflicts.length - first.length;
  const named = [...first, ...(others > 0 ? [`${others} more`] : [])].join(", ");
  const plural = conflicts.length === 1 ? "Port" : "Ports";
  return `${plural} taken by another program: ${named}. Stop it, or choose others with --port-base N (now ${base}).`;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}
