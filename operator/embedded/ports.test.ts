import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { allocatePorts, describeConflicts, findConflicts } from "./ports.ts";
import type { Seat } from "./seats.ts";

const seat = (name: string): Seat => ({ name, identity: `${name}-g1`, region: "r", power: 1, zones: [] });

test("ports follow from the base alone, and no two are the same", () => {
  const ports = allocatePorts([seat("a"), seat("b")], 7400);
  expect(ports).toEqual(allocatePorts([seat("a"), seat("b")], 7400));
  const all = [
    ports.gateway,
    ports.console,
    ports.gatewayMetrics,
    ...[...ports.seats.values()].flatMap(({ p2p, rpc, metrics }) => [p2p, rpc, metrics]),
  ];
  expect(new Set(all).size).toBe(9);
});

test("a port that another program has is named with what it was for", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const base = address.port - 11;
  const conflicts = await findConflicts(allocatePorts([seat("swarm-eu-0")], base));
  expect(conflicts).toContainEqual({ port: address.port, use: "swarm-eu-0 (services)" });
  expect(describeConflicts([{ port: 7411, use: "swarm-eu-0 (services)" }], 7400)).toBe(
    "Port taken by another program: 7411 for swarm-eu-0 (services). Stop it, or choose others with --port-base N (now 7400).",
  );
  other.close();
});
