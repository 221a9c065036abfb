/** What becomes of files once they are accepted: agreement, deliveries, feeds and webhooks. */
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { clone } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { SubmitResponse_Outcome as Outcome, SettledBlockSchema } from "../proto/validator/v1/validator_pb.js";
import { type TestFile, uetrAt, writeFile } from "./testing/files.ts";
import { harness, until } from "./testing/harness.ts";

const it = harness();

test("an outcome counts only when more validators than may be faulty report it alike", async () => {
  const forged = (code: number): { report: (block: (typeof it.swarm.blocks)[0]) => (typeof it.swarm.blocks)[0] } => ({
    report(block) {
      const copy = clone(SettledBlockSchema, block);
      for (const message of copy.messages) message.reasons = new Uint8Array([code]);
      return copy;
    },
  });
  // One liar and two that say nothing: a single honest report is not enough.
  it.swarm.scripts.set("a", forged(9));
  it.swarm.scripts.set("b", { report: () => undefined });
  it.swarm.scripts.set("c", { report: () => undefined });
  await it.post(writeFile());
  it.swarm.settle();
  await until(() => it.gateway.institutions.get("QSWDSESSXXX")!.feed.end === 0 && it.swarm.blocks.length === 1);
  expect(it.settledHeight()).toBe(0);
  // The silent ones come back: two honest reports agree, and the lie never counted.
  it.swarm.scripts.delete("b");
  it.swarm.scripts.delete("c");
  it.swarm.disconnect();
  await until(() => it.settledHeight() === 1);
  expect(await it.statusOf()).toMatchObject({ status: "ACSC" });
});

test("a forged private payload is not delivered; the true one is once it is served", async () => {
  let forged = 0;
  it.swarm.forgePrivate = (content) => {
    forged += 1;
    const copy = Uint8Array.from(content);
    copy[copy.length - 3]! ^= 1;
    return copy;
  };
  await it.post(writeFile());
  it.swarm.settle();
  await until(() => forged >= 4);
  expect(it.gateway.institutions.get("QSWDSESSXXX")!.feed.end).toBe(0);
  it.swarm.forgePrivate = undefined;
  await until(() => it.settledHeight() === 1);
  expect((await it.feedOf("QSWDSESSXXX"))[0]!.xml).toContain("Erika Mustermann");
});

test("a feed is resumed by its cursor and survives restarts without repeating", async () => {
  for (let file = 1; file <= 3; file++) {
    await it.post(writeFile({ messageId: `FILE-${file}`, payments: [{ uetr: uetrAt(file) }] }));
    it.swarm.settle();
  }
  await until(() => it.settledHeight() === 3);
  const all = await it.feedOf("QSWDSESSXXX");
  expect(all.map(({ uetrs }) => uetrs[0])).toEqual([uetrAt(1), uetrAt(2), uetrAt(3)]);
  expect(await it.feedOf("QSWDSESSXXX", `?from=${all[0]!.cursor}`)).toEqual(all.slice(1));
  expect(await it.feedOf("QSWDSESSXXX", "?limit=2")).toEqual(all.slice(0, 2));
  expect((await it.get("/institutions/QSWDSESSXXX/feed?from=3", "QSWDSESSXXX")).status).toBe(400);
  expect((await it.get("/institutions/QSWDSESSXXX/feed", "QSWADEFFXXX")).status).toBe(403);
  await it.stop();
  // Without its record of heights the gateway acts on every block again: the feed takes none twice.
  await rm(join(it.folder, "data", "intake"), { recursive: true });
  await it.start();
  await until(() => it.settledHeight() === 3);
  expect(await it.feedOf("QSWDSESSXXX")).toEqual(all);
});

test("a long poll answers when something settles", async () => {
  await it.post(writeFile());
  const poll = it.feedOf("QSWDSESSXXX", "?wait=30");
  it.swarm.settle();
  expect(await poll).toHaveLength(1);
});

test("a webhook gets each delivery until it takes it, and goes on after a restart", async () => {
  const taken: string[] = [];
  let failures = 2;
  const hook = createServer((request, response) => {
    request.resume();
    response.statusCode = failures-- > 0 ? 500 : 204;
    if (response.statusCode === 204) taken.push(String(request.headers["x-message-name"]));
    response.end();
  });
  hook.listen(0, "127.0.0.1");
  await once(hook, "listening");
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  await it.stop();
  await it.start({}, url);
  await it.post(writeFile());
  it.swarm.settle();
  await until(() => taken.length === 1);
  await until(() => it.settledHeight() === 1);
  await it.stop();
  await it.start({}, url);
  await it.post(writeFile({ messageId: "FILE-2", payments: [{ uetr: uetrAt(2) }] }));
  it.swarm.settle();
  await until(() => taken.length === 2);
  expect(taken).toEqual(["pacs.008.001.08", "pacs.008.001.08"]);
  hook.close();
  hook.closeAllConnections();
});

test("a message that no block takes in time is reported as expired", async () => {
  // Accepted by the validators and never ordered.
  for (const { seat } of it.swarm.validators)
    it.swarm.scripts.set(seat, { submit: (message) => ({ outcome: Outcome.ACCEPTED, message }) });
  expect((await it.post(writeFile())).status).toBe(202);
  it.swarm.scripts.clear();
  await it.post(writeFile({ messageId: "FILE-2", payments: [{ uetr: uetrAt(2) }] }));
  it.swarm.settle();
  await until(() => it.settledHeight() === 1);
  expect(await it.statusOf()).toMatchObject({ status: "ACTC" });
  await it.post(writeFile({ messageId: "FILE-3", payments: [{ uetr: uetrAt(3) }] }));
  it.swarm.settle(() => 0, Date.now() + 2 * 60 * 60 * 1000);
  await until(() => it.settledHeight() === 2);
  expect(await it.statusOf()).toMatchObject({ status: "RJCT", payments: [{ reason: { code: "AB03" } }] });
  expect((await it.feedOf("QSWADEFFXXX", "", "reports")).map(({ xml }) => /<GrpSts>(\w+)</.exec(xml)?.[1])).toEqual([
    "ACSC",
    "ACSC",
    "RJCT",
  ]);
});

test("a message that nobody has a private payload of holds nothing else up", async () => {
  it.swarm.forgePrivate = () => {
    throw new ConnectError("none of it here", Code.NotFound);
  };
  await it.post(writeFile());
  it.swarm.settle();
  await until(() => it.settledHeight() === 1);
  expect(await it.statusOf()).toMatchObject({ status: "ACSC" });
  expect(await it.feedOf("QSWDSESSXXX")).toEqual([]);
  expect(await (await it.get("/metrics")).text()).toContain('gateway_deliveries_total{kind="undeliverable"} 1');
});

test("old versions without UETR settle under a derived one, the same at every attempt", async () => {
  const file: TestFile = { version: 2 };
  expect((await it.post(writeFile(file))).status).toBe(202);
  it.swarm.settle();
  await until(() => it.settledHeight() === 1);
  const [delivered] = await it.feedOf("QSWDSESSXXX");
  expect(delivered!.name).toBe("pacs.008.001.02");
  expect(delivered!.xml).not.toContain("UETR");
  expect(delivered!.uetrs[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  expect(await (await it.get(`/payments/${delivered!.uetrs[0]}`)).json()).toMatchObject({ status: "ACSC" });
});
