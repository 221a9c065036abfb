import { expect, test } from "vitest";
import { encodeBatchPush } from "../codec/exchange.ts";
import { defaultNetworkLimits } from "../network/limits.ts";
import { createSimClock, createSimWorld } from "../simulator/ports/sim-clock.ts";
import { defaultLimits } from "./limits.ts";
import { createSealer, type Sealed } from "./sealing.ts";
import type { Pending } from "./submissions.ts";

const world = createSimWorld(1);
const clock = createSimClock(world);

/** A submission of this many payments: only its size and zone matter here. */
function pending(count: number, zone = "", privateBytes = 0): Pending {
  const bytes = new Uint8Array(224 + 64 * count);
  const header = {
    kind: 1,
    institution: 0,
    zone: zone === "" ? 0 : 1,
    atomic: false,
    messageKey: new Uint8Array(32),
    chainId: new Uint8Array(32),
    expiry: 0,
    count,
    recordsRoot: new Uint8Array(32),
    privateRoot: new Uint8Array(32),
    signature: new Uint8Array(64),
  };
  const message = { bytes, header, records: bytes.subarray(224) };
  const submission = {
    message,
    hash: new Uint8Array(32),
    private: privateBytes > 0 ? { message: "00".repeat(32), content: new Uint8Array(privateBytes) } : undefined,
    key: new Uint8Array(32),
    zone,
    traceparent: "",
  };
  return { submission, batch: undefined, acceptedAt: undefined, waiting: [] };
}

function sealer(changes: { readonly inFlight?: number; readonly room?: () => boolean } = {}) {
  const made: Sealed[] = [];
  const sealing = createSealer({
    clock,
    inFlight: changes.inFlight ?? 4,
    batchBytes: 512 * 1024,
    batchPayments: 100,
    batchPrivateBytes: defaultLimits.batchPrivateBytes,
    room: changes.room ?? (() => true),
    sealed: (sealed) => made.push(sealed),
  });
  const sizes = () => made.map(({ batch }) => batch.payments);
  return { ...sealing, sizes, made };
}

test("a message alone is sealed at once; what comes while it travels waits together", async () => {
  const { add, arrived, sizes } = sealer();
  add(pending(1));
  await world.runFor(0);
  expect(sizes()).toEqual([1]);
  for (let i = 0; i < 5; i++) add(pending(2));
  await world.runFor(0);
  expect(sizes()).toEqual([1]);
  arrived();
  expect(sizes()).toEqual([1, 10]);
});

test("a full batch does not wait for the others, up to the bound of those on their way", async () => {
  const { add, arrived, sizes } = sealer({ inFlight: 2 });
  add(pending(1));
  await world.runFor(0);
  for (let i = 0; i < 7; i++) add(pending(50));
  await world.runFor(0);
  expect(sizes()).toEqual([1, 100]);
  arrived();
  expect(sizes()).toEqual([1, 100, 100]);
  arrived();
  expect(sizes()).toEqual([1, 100, 100, 100]);
  arrived();
  arrived();
  expect(sizes()).toEqual([1, 100, 100, 100, 50]);
});

test("zones never share a batch", async () => {
  const { add, arrived, made } = sealer();
  add(pending(1, "EU"));
  add(pending(2));
  add(pending(4, "EU"));
  await world.runFor(0);
  arrived();
  expect(made.map(({ zone, batch }) => [zone, batch.zone, batch.payments])).toEqual([
    ["EU", 1, 5],
    ["", 0, 2],
  ]);
});

test("without room nothing is sealed, and what waited fills one batch", async () => {
  let room = false;
  const { add, look, sizes } = sealer({ room: () => room });
  for (let i = 0; i < 10; i++) add(pending(3));
  await world.runFor(0);
  expect(sizes()).toEqual([]);
  room = true;
  look();
  expect(sizes()).toEqual([30]);
});

test("what travels with a batch fits one frame: private payloads close it earlier", async () => {
  const { add, arrived, made } = sealer();
  const big = 1_500_000;
  for (let i = 0; i < 10; i++) add(pending(1, "", big));
  await world.runFor(0);
  while (made.reduce((sum, { entries }) => sum + entries.length, 0) < 10) arrived();
  expect(made.map(({ entries }) => entries.length)).toEqual([4, 4, 2]);
  const { batchBytes, batchPrivateBytes } = defaultLimits;
  // The most messages of one payment a batch holds, each with its share of the private bytes.
  const most = Math.floor(batchBytes / (224 + 64));
  const push = encodeBatchPush({
    batch: new Uint8Array(batchBytes),
    privates: Array.from({ length: most }, () => ({
      message: new Uint8Array(32),
      content: new Uint8Array(Math.floor(batchPrivateBytes / most)),
    })),
  });
  expect(push.length).toBeLessThan(defaultNetworkLimits.frameBytes);
});
