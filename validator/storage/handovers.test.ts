import { expect, test } from "vitest";
import { createSimDisk } from "../simulator/ports/sim-disk.ts";
import { openHandovers } from "./handovers.ts";

const disk = () => createSimDisk(() => 0.5);

test("handovers come back in the order of their epochs; an epoch's first stays", async () => {
  const here = disk();
  await here.makeDirectory("/v");
  const first = await openHandovers(here, "/v/h");
  for (const epoch of [2, 10, 1]) await first.save(epoch, Uint8Array.of(epoch));
  await first.save(2, Uint8Array.of(99));
  const again = await openHandovers(here, "/v/h");
  expect([...again.all]).toEqual([1, 2, 10].map((epoch) => [epoch, Uint8Array.of(epoch)]));
});

test("a flipped byte is named", async () => {
  const here = disk();
  await here.makeDirectory("/v");
  const first = await openHandovers(here, "/v/h");
  await first.save(1, new Uint8Array(40));
  const [path] = [...here.files().keys()].filter((name) => name.endsWith(".handover"));
  here.flip(path!, 20, 1);
  await expect(openHandovers(here, "/v/h")).rejects.toMatchObject({ fault: { kind: "corrupt", path } });
});
