/** The gateway whole: HTTP in front, real settlement services behind. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile as writeToDisk } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clone } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RetryInfoSchema } from "../proto/google/rpc/error_details_pb.js";
import { SubmitResponse_Outcome as Outcome, SettledBlockSchema } from "../proto/validator/v1/validator_pb.js";
import { parseConfig } from "./config.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import { parseCreditTransfer } from "./iso20022/parse.ts";
import { createGatewayServer } from "./server.ts";
import { type TestFile, uetrAt, writeFile } from "./testing/files.ts";
import { BANKS, startSwarm, type TestSwarm } from "./testing/swarm.ts";

const log = pino({ level: "silent" });
let folder: string;
let swarm: TestSwarm;
let gateway: Gateway;
let server: Server;
let base: string;
let more: Record<string, unknown> = {};

beforeEach(async () => {
  more = {};
  folder = await mkdtemp(join(tmpdir(), "gateway-"));
  swarm = await startSwarm();
  await Promise.all(
    BANKS.map((bic, at) => writeToDisk(join(folder, bic), createHash("sha256").update(String(at)).digest("hex"))),
  );
  await startGateway();
});

afterEach(async () => {
  await stopGateway();
  await swarm.close();
  await rm(folder, { recursive: true, force: true });
});

async function startGateway(webhook?: string): Promise<void> {
  const config = parseConfig({
    listen: { port: 0 },
    validators: swarm.validators,
    institutions: BANKS.map((bic) => ({
      bic,
      keyFile: join(folder, bic),
      ...(webhook !== undefined && bic === "QSWDSESSXXX" ? { webhook } : {}),
    })),
    dataDir: join(folder, "data"),
    allowInsecureInstitutionHeader: true,
    submitTimeout: 2000,
    ...more,
  });
  if (config.kind === "invalid") throw new Error(config.message);
  const opened = await openGateway(config.config, log);
  if (opened.kind === "invalid") throw new Error(opened.message);
  gateway = opened.gateway;
  server = createGatewayServer(gateway, log);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await until(() => gateway.notReady() === undefined);
}

async function stopGateway(): Promise<void> {
  server.close();
  server.closeAllConnections();
  await gateway.close();
}

/** Gives the event loop its turns until something holds; the test's own timeout bounds it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const asSender = { "x-institution": "QSWADEFFXXX" };

function post(body: string, headers: Record<string, string> = asSender): Promise<Response> {
  return fetch(`${base}/iso20022`, {
    method: "POST",
    body,
    headers: { "content-type": "application/xml", ...headers },
  });
}

function get(path: string, bic = "QSWADEFFXXX", headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${base}${path}`, { headers: { "x-institution": bic, ...headers } });
}

async function feedOf(
  bic: string,
  query = "",
  feed = "feed",
): Promise<readonly { cursor: string; uetrs: string[]; xml: string; name: string }[]> {
  const response = await get(`/institutions/${bic}/${feed}${query}`, bic);
  const text = await response.text();
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function statusOf(
  messageId = "FILE-1",
): Promise<{ status: string; payments: { status: string; reason?: { code: string } }[] }> {
  return (await get(`/messages/${messageId}`)).json() as never;
}

const settledHeight = (): number => gateway.intake.height;

test("a file is accepted, settles, is delivered to the creditor's bank and reported to the sender", async () => {
  const answer = await post(
    writeFile({ payments: [{}, { creditorAgent: "QSWBUS33XXX", amount: "12.34", currency: "USD" }] }),
  );
  expect(answer.status).toBe(202);
  expect(answer.headers.get("x-message-id")).toBe("FILE-1");
  const report = await answer.text();
  expect(report).toContain("urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10");
  expect(report).toContain("<GrpSts>ACTC</GrpSts>");
  expect(await statusOf()).toMatchObject({ status: "ACSP" });
  expect(await feedOf("QSWDSESSXXX")).toEqual([]);

  swarm.settle();
  await until(() => settledHeight() === 1);

  expect(await statusOf()).toMatchObject({ status: "ACSC", payments: [{ status: "ACSC" }, { status: "ACSC" }] });
  const [delivered, ...rest] = await feedOf("QSWDSESSXXX");
  expect(rest).toEqual([]);
  expect(delivered!.uetrs).toEqual([uetrAt(1)]);
  const parsed = parseCreditTransfer(Buffer.from(delivered!.xml));
  if (parsed.kind === "refused") throw new Error(parsed.finding.message);
  expect(parsed.transfer.group).toMatchObject({
    instructingAgent: "QSWADEFFXXX",
    instructedAgent: "QSWDSESSXXX",
    numberOfTransactions: "1",
  });
  expect(parsed.transfer.transactions[0]).toMatchObject({
    uetr: uetrAt(1),
    amount: "100.00",
    currency: "EUR",
    debtorName: "Erika Mustermann",
    creditorName: "Astrid & Co",
    creditorIban: "SE4550000000058398257466",
    findings: [],
  });
  expect(delivered!.xml).toContain("<RmtInf><Ustrd>Invoice 7</Ustrd></RmtInf>");
  expect((await feedOf("QSWBUS33XXX"))[0]!.xml).toContain('<IntrBkSttlmAmt Ccy="USD">12.34</IntrBkSttlmAmt>');
  const [final] = await feedOf("QSWADEFFXXX", "", "reports");
  expect(final!.xml).toContain("<GrpSts>ACSC</GrpSts>");
  expect(await (await get("/metrics")).text()).toContain('gateway_files_total{result="accepted"} 1');
});

test("the message that is signed carries nothing private, and its payload opens it", async () => {
  await post(writeFile());
  const [{ message, private: content }] = swarm.submissions as [(typeof swarm.submissions)[0]];
  expect(Buffer.from(message).includes("Mustermann")).toBe(false);
  expect(Buffer.from(message).includes("DE8937")).toBe(false);
  expect(Buffer.from(content).includes("Mustermann")).toBe(true);
});

test("a payment the ledger rejects is reported with its reason and not delivered", async () => {
  await post(writeFile({ payments: [{}, {}, {}] }));
  swarm.settle((payment) => (payment === 1 ? 9 : 0));
  await until(() => settledHeight() === 1);
  expect(await statusOf()).toMatchObject({
    status: "PART",
    payments: [{ status: "ACSC" }, { status: "RJCT", reason: { code: "AM04" } }, { status: "ACSC" }],
  });
  expect((await feedOf("QSWDSESSXXX"))[0]!.uetrs).toEqual([uetrAt(1), uetrAt(3)]);
  const xml = await (await get("/messages/FILE-1", "QSWADEFFXXX", { accept: "application/xml" })).text();
  expect(xml).toContain("<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn>");
  expect(await (await get(`/payments/${uetrAt(2)}`)).json()).toMatchObject({
    status: "RJCT",
    payments: [{ reason: { code: "AM04" } }],
  });
});

test("a retry with the same message id gets the same answer, before and after settlement and a restart", async () => {
  const first = await (await post(writeFile())).text();
  expect(await (await post(writeFile())).text()).toBe(first);
  expect(swarm.submissions).toHaveLength(1);
  swarm.settle();
  await until(() => settledHeight() === 1);
  await stopGateway();
  await startGateway();
  const again = await post(writeFile());
  expect(again.status).toBe(202);
  expect(await again.text()).toBe(first);
  expect(await statusOf()).toMatchObject({ status: "ACSC" });
});

test("the same message id with other content is a duplicate", async () => {
  await post(writeFile());
  const answer = await post(writeFile({ payments: [{ amount: "1.00" }] }));
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("<Cd>DU01</Cd>");
});

test("a file whose first attempt failed is submitted again with the same bytes, after a restart too", async () => {
  for (const { seat } of swarm.validators) {
    swarm.scripts.set(seat, {
      submit() {
        throw new ConnectError("stopping", Code.Unavailable);
      },
    });
  }
  const refused = await post(writeFile());
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(new Set(swarm.submissions.map(({ seat }) => seat)).size).toBe(4);
  swarm.scripts.clear();
  await stopGateway();
  await startGateway();
  expect((await post(writeFile())).status).toBe(202);
  const [first, last] = [swarm.submissions[0]!, swarm.submissions.at(-1)!];
  expect(Buffer.compare(first.message, last.message)).toBe(0);
  expect(Buffer.compare(first.private, last.private)).toBe(0);
});

test("full queues become 429 with the advice of the validator", async () => {
  const full = (): never => {
    throw new ConnectError("full", Code.ResourceExhausted, undefined, [
      { desc: RetryInfoSchema, value: { retryDelay: { seconds: 6n, nanos: 1 } } },
    ]);
  };
  for (const { seat } of swarm.validators) swarm.scripts.set(seat, { submit: full });
  const answer = await post(writeFile());
  expect(answer.status).toBe(429);
  expect(answer.headers.get("retry-after")).toBe("7");
});

test("one full validator is passed over", async () => {
  swarm.scripts.set(swarm.validators[0]!.seat, {
    submit() {
      throw new ConnectError("full", Code.ResourceExhausted);
    },
  });
  expect((await post(writeFile())).status).toBe(202);
});

test("a refusal by a validator rejects the file with its code", async () => {
  for (const { seat } of swarm.validators)
    swarm.scripts.set(seat, {
      submit: () => ({ outcome: Outcome.REFUSED, reasonCode: "DS0E", reason: "no such key" }),
    });
  const answer = await post(writeFile());
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("no such key");
});

test("an outcome counts only when more validators than may be faulty report it alike", async () => {
  const forged = (code: number): { report: (block: (typeof swarm.blocks)[0]) => (typeof swarm.blocks)[0] } => ({
    report(block) {
      const copy = clone(SettledBlockSchema, block);
      for (const message of copy.messages) message.reasons = new Uint8Array([code]);
      return copy;
    },
  });
  // One liar and two that say nothing: a single honest report is not enough.
  swarm.scripts.set("a", forged(9));
  swarm.scripts.set("b", { report: () => undefined });
  swarm.scripts.set("c", { report: () => undefined });
  await post(writeFile());
  swarm.settle();
  await until(() => gateway.institutions.get("QSWDSESSXXX")!.feed.end === 0 && swarm.blocks.length === 1);
  expect(settledHeight()).toBe(0);
  // The silent ones come back: two honest reports agree, and the lie never counted.
  swarm.scripts.delete("b");
  swarm.scripts.delete("c");
  swarm.disconnect();
  await until(() => settledHeight() === 1);
  expect(await statusOf()).toMatchObject({ status: "ACSC" });
});

test("a forged private payload is not delivered; the true one is once it is served", async () => {
  let forged = 0;
  swarm.forgePrivate = (content) => {
    forged += 1;
    const copy = Uint8Array.from(content);
    copy[copy.length - 3]! ^= 1;
    return copy;
  };
  await post(writeFile());
  swarm.settle();
  await until(() => forged >= 4);
  expect(gateway.institutions.get("QSWDSESSXXX")!.feed.end).toBe(0);
  swarm.forgePrivate = undefined;
  await until(() => settledHeight() === 1);
  expect((await feedOf("QSWDSESSXXX"))[0]!.xml).toContain("Erika Mustermann");
});

test("a feed is resumed by its cursor and survives restarts without repeating", async () => {
  for (let file = 1; file <= 3; file++) {
    await post(writeFile({ messageId: `FILE-${file}`, payments: [{ uetr: uetrAt(file) }] }));
    swarm.settle();
  }
  await until(() => settledHeight() === 3);
  const all = await feedOf("QSWDSESSXXX");
  expect(all.map(({ uetrs }) => uetrs[0])).toEqual([uetrAt(1), uetrAt(2), uetrAt(3)]);
  expect(await feedOf("QSWDSESSXXX", `?from=${all[0]!.cursor}`)).toEqual(all.slice(1));
  expect(await feedOf("QSWDSESSXXX", "?limit=2")).toEqual(all.slice(0, 2));
  expect((await get("/institutions/QSWDSESSXXX/feed?from=3", "QSWDSESSXXX")).status).toBe(400);
  expect((await get("/institutions/QSWDSESSXXX/feed", "QSWADEFFXXX")).status).toBe(403);
  await stopGateway();
  // Without its record of heights the gateway acts on every block again: the feed takes none twice.
  await rm(join(folder, "data", "intake"), { recursive: true });
  await startGateway();
  await until(() => settledHeight() === 3);
  expect(await feedOf("QSWDSESSXXX")).toEqual(all);
});

test("a long poll answers when something settles", async () => {
  await post(writeFile());
  const poll = feedOf("QSWDSESSXXX", "?wait=30");
  swarm.settle();
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
  await stopGateway();
  await startGateway(url);
  await post(writeFile());
  swarm.settle();
  await until(() => taken.length === 1);
  await until(() => settledHeight() === 1);
  await stopGateway();
  await startGateway(url);
  await post(writeFile({ messageId: "FILE-2", payments: [{ uetr: uetrAt(2) }] }));
  swarm.settle();
  await until(() => taken.length === 2);
  expect(taken).toEqual(["pacs.008.001.08", "pacs.008.001.08"]);
  hook.close();
  hook.closeAllConnections();
});

test("a message that no block takes in time is reported as expired", async () => {
  // Accepted by the validators and never ordered.
  for (const { seat } of swarm.validators) swarm.scripts.set(seat, { submit: (message) => ({ outcome: Outcome.ACCEPTED, message }) });
  expect((await post(writeFile())).status).toBe(202);
  swarm.scripts.clear();
  await post(writeFile({ messageId: "FILE-2", payments: [{ uetr: uetrAt(2) }] }));
  swarm.settle();
  await until(() => settledHeight() === 1);
  expect(await statusOf()).toMatchObject({ status: "ACTC" });
  await post(writeFile({ messageId: "FILE-3", payments: [{ uetr: uetrAt(3) }] }));
  swarm.settle(() => 0, Date.now() + 2 * 60 * 60 * 1000);
  await until(() => settledHeight() === 2);
  expect(await statusOf()).toMatchObject({ status: "RJCT", payments: [{ reason: { code: "AB03" } }] });
  expect((await feedOf("QSWADEFFXXX", "", "reports")).map(({ xml }) => /<GrpSts>(\w+)</.exec(xml)?.[1])).toEqual(["ACSC", "ACSC", "RJCT"]);
});

test("a message that nobody has a private payload of holds nothing else up", async () => {
  swarm.forgePrivate = () => {
    throw new ConnectError("none of it here", Code.NotFound);
  };
  await post(writeFile());
  swarm.settle();
  await until(() => settledHeight() === 1);
  expect(await statusOf()).toMatchObject({ status: "ACSC" });
  expect(await feedOf("QSWDSESSXXX")).toEqual([]);
  expect(await (await get("/metrics")).text()).toContain('gateway_deliveries_total{kind="undeliverable"} 1');
});

test("a file with one bad payment is accepted in part", async () => {
  const answer = await post(writeFile({ payments: [{}, { debtorIban: "DE00370400440532013000" }] }), {
    ...asSender,
    accept: "application/json",
  });
  expect(answer.status).toBe(202);
  expect(await answer.json()).toMatchObject({
    status: "PART",
    payments: [{ status: "ACTC" }, { status: "RJCT", reason: { code: "AC01" } }],
  });
});

test("all or none: refused with one bad payment, flagged in the message otherwise", async () => {
  const atomic = { ...asSender, "x-atomicity": "message" };
  expect((await post(writeFile({ payments: [{}, { currency: "XXX" }] }), atomic)).status).toBe(422);
  expect((await post(writeFile({ payments: [{}, {}] }), atomic)).status).toBe(202);
  expect(swarm.submissions[0]!.message[14]).toBe(1);
});

test("a large file is split into numbered messages and its status joins them", { timeout: 30_000 }, async () => {
  const payments = Array.from({ length: 8_001 }, () => ({ after: "" }));
  expect((await post(writeFile({ payments }))).status).toBe(202);
  expect(swarm.submissions.length).toBeGreaterThan(1);
  swarm.settle((payment, message) => (message === 1 && payment === 0 ? 7 : 0));
  await until(() => settledHeight() === 1);
  const status = await statusOf();
  expect(status.status).toBe("PART");
  expect(status.payments.filter((one) => one.status === "RJCT")).toHaveLength(1);
  expect((await feedOf("QSWDSESSXXX")).flatMap(({ uetrs }) => uetrs)).toHaveLength(8_000);
});

test("who may not ask is told so", async () => {
  expect((await fetch(`${base}/messages/FILE-1`)).status).toBe(401);
  expect((await get("/messages/FILE-1", "DEUTDEFFXXX")).status).toBe(403);
  expect((await get("/messages/FILE-1")).status).toBe(404);
  expect((await get("/nothing")).status).toBe(404);
  expect((await get("/messages/%ff")).status).toBe(400);
  expect((await fetch(`${base}/iso20022`, { headers: asSender })).status).toBe(405);
  expect((await post("{}", { ...asSender, "content-type": "application/json" })).status).toBe(415);
  expect((await get("/healthz")).status).toBe(200);
  expect((await get("/readyz")).status).toBe(200);
  expect((await get("/openapi.json")).status).toBe(200);
});

test("a payment's status is told to both parties and to nobody else, from the ledger when there is no record", async () => {
  await post(writeFile());
  swarm.settle();
  await until(() => settledHeight() === 1);
  expect(await (await get(`/payments/${uetrAt(1)}`, "QSWDSESSXXX")).json()).toMatchObject({
    status: "ACSC",
    from: "QSWADEFFXXX",
  });
  expect((await get(`/payments/${uetrAt(1)}`, "QSWCSGSGXXX")).status).toBe(404);
  expect((await get("/payments/nonsense")).status).toBe(400);
});

test("old versions without UETR settle under a derived one, the same at every attempt", async () => {
  const file: TestFile = { version: 2 };
  expect((await post(writeFile(file))).status).toBe(202);
  swarm.settle();
  await until(() => settledHeight() === 1);
  const [delivered] = await feedOf("QSWDSESSXXX");
  expect(delivered!.name).toBe("pacs.008.001.02");
  expect(delivered!.xml).not.toContain("UETR");
  expect(delivered!.uetrs[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  expect(await (await get(`/payments/${delivered!.uetrs[0]}`)).json()).toMatchObject({ status: "ACSC" });
});

test("a file above the limit is refused", async () => {
  await stopGateway();
  more = { limits: { maxFileBytes: 4096 } };
  await startGateway();
  const answer = await post(
    writeFile({ payments: [{ after: `<RmtInf><Ustrd>${"x".repeat(5000)}</Ustrd></RmtInf>` }] }),
  );
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("<Cd>FF01</Cd>");
});
