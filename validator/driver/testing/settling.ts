/** What tests of whole swarms ask again and again. */
import { expect } from "vitest";
import type { SimNetworkPort } from "../../simulator/ports/sim-network.ts";
import type { Network, StreamProtocol } from "../ports.ts";
import type { SubmitResult } from "../services.ts";
import type { Swarm } from "./swarm.ts";

export const everyone = [0, 1, 2, 3] as const;
export const allSettled =
  (swarm: Swarm, payments: number, who: readonly number[] = everyone) =>
  () =>
    who.every((i) => swarm.settled(i) === payments);

/** Runs until all of them stand at one executed height, and compares their roots there. */
export async function expectSameRoots(swarm: Swarm, who: readonly number[] = everyone): Promise<void> {
  const statuses = () => who.map((i) => swarm.driver(i).services.status());
  await swarm.until(() => new Set(statuses().map(({ executedHeight }) => executedHeight)).size === 1, 10_000);
  expect(new Set(statuses().map(({ stateRoot }) => stateRoot)).size).toBe(1);
}

/** Nodes that answer requests with something else than the truth. */
export const answering =
  (answer: (index: number, protocol: StreamProtocol, truth: Uint8Array) => Uint8Array) =>
  (index: number, port: SimNetworkPort): Network => ({
    ...port,
    onRequest: (handler) =>
      port.onRequest(async (from, protocol, bytes) => answer(index, protocol, await handler(from, protocol, bytes))),
  });

export async function submitted(swarm: Swarm, index: number, id: string): Promise<SubmitResult | undefined> {
  const sent = swarm.submit(index, swarm.message({ id }));
  await swarm.until(() => sent.result !== undefined, 20_000);
  return sent.result;
}

export async function settle(swarm: Swarm, index: number, id: string, payments = 10, amount = 1): Promise<void> {
  const sent = swarm.submit(index, swarm.message({ id, payments, amount }));
  await swarm.until(() => sent.result !== undefined, 10_000);
  expect(sent.result).toMatchObject({ kind: "accepted" });
}
