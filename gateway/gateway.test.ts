/** The gateway whole: HTTP in front, real settlement services behind. */
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RetryInfoSchema } from "../proto/google/rpc/error_details_pb.js";
import { SubmitResponse_Outcome as Outcome } from "../proto/validator/v1/validator_pb.js";
import { parseCreditTransfer } from "./iso20022/parse.ts";
import { uetrAt, writeFile } from "./testing/files.ts";
import { asSender, harness, until } from "./testing/harness.ts";

const it = harness();

test("a file is accepted, settles, is delivered to the creditor's bank and reported to the sender", async () => {
  const answer = await it.post(
    writeFile({ payments: [{}, { creditorAgent: "QSWBUS33XXX", amount: "12.34", currency: "USD" }] }),
  );
  expect(answer.status).toBe(202);
  expect(answer.headers.get("x-message-id")).toBe("FILE-1");
  const report = await answer.text();
  expect(report).toContain("urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10");
  expect(report).toContain("<GrpSts>ACTC</GrpSts>");
  expect(await it.statusOf()).toMatchObject({ status: "ACSP" });
  expect(await it.feedOf("QSWDSESSXXX")).toEqual([]);

  it.swarm.settle();
  await until(() => it.settledHeight() === 1);

  expect(await it.statusOf()).toMatchObject({ status: "ACSC", payments: [{ status: "ACSC" }, { status: "ACSC" }] });
  const [delivered, ...rest] = await it.feedOf("QSWDSESSXXX");
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
  expect((await it.feedOf("QSWBUS33XXX"))[0]!.xml).toContain('<IntrBkSttlmAmt Ccy="USD">12.34</IntrBkSttlmAmt>');
  const [final] = await it.feedOf("QSWADEFFXXX", "", "reports");
  expect(final!.xml).toContain("<GrpSts>ACSC</GrpSts>");
  expect(await (await it.get("/metrics")).text()).toContain('gateway_files_total{result="accepted"} 1');
});

test("the message that is signed carries nothing private, and its payload opens it", async () => {
  await it.post(writeFile());
  const [{ message, private: content }] = it.swarm.submissions as [(typeof it.swarm.submissions)[0]];
  expect(Buffer.from(message).includes("Mustermann")).toBe(false);
  expect(Buffer.from(message).includes("DE8937")).toBe(false);
  expect(Buffer.from(content).includes("Mustermann")).toBe(true);
});

test("a payment the ledger rejects is reported with its reason and not delivered", async () => {
  await it.post(writeFile({ payments: [{}, {}, {}] }));
  it.swarm.settle((payment) => (payment === 1 ? 9 : 0));
  await until(() => it.settledHeight() === 1);
  expect(await it.statusOf()).toMatchObject({
    status: "PART",
    payments: [{ status: "ACSC" }, { status: "RJCT", reason: { code: "AM04" } }, { status: "ACSC" }],
  });
  expect((await it.feedOf("QSWDSESSXXX"))[0]!.uetrs).toEqual([uetrAt(1), uetrAt(3)]);
  const xml = await (await it.get("/messages/FILE-1", "QSWADEFFXXX", { accept: "application/xml" })).text();
  expect(xml).toContain("<TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn>");
  expect(await (await it.get(`/payments/${uetrAt(2)}`)).json()).toMatchObject({
    status: "RJCT",
    payments: [{ reason: { code: "AM04" } }],
  });
});

test("a retry with the same message id gets the same answer, before and after settlement and a restart", async () => {
  const first = await (await it.post(writeFile())).text();
  expect(await (await it.post(writeFile())).text()).toBe(first);
  expect(it.swarm.submissions).toHaveLength(1);
  it.swarm.settle();
  await until(() => it.settledHeight() === 1);
  await it.stop();
  await it.start();
  const again = await it.post(writeFile());
  expect(again.status).toBe(202);
  expect(await again.text()).toBe(first);
  expect(await it.statusOf()).toMatchObject({ status: "ACSC" });
});

test("the same message id with other content is a duplicate", async () => {
  await it.post(writeFile());
  const answer = await it.post(writeFile({ payments: [{ amount: "1.00" }] }));
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("<Cd>DU01</Cd>");
});

test("a file whose first attempt failed is submitted again with the same bytes, after a restart too", async () => {
  for (const { seat } of it.swarm.validators) {
    it.swarm.scripts.set(seat, {
      submit() {
        throw new ConnectError("stopping", Code.Unavailable);
      },
    });
  }
  const refused = await it.post(writeFile());
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(new Set(it.swarm.submissions.map(({ seat }) => seat)).size).toBe(4);
  it.swarm.scripts.clear();
  await it.stop();
  await it.start();
  expect((await it.post(writeFile())).status).toBe(202);
  const [first, last] = [it.swarm.submissions[0]!, it.swarm.submissions.at(-1)!];
  expect(Buffer.compare(first.message, last.message)).toBe(0);
  expect(Buffer.compare(first.private, last.private)).toBe(0);
});

test("full queues become 429 with the advice of the validator", async () => {
  const full = (): never => {
    throw new ConnectError("full", Code.ResourceExhausted, undefined, [
      { desc: RetryInfoSchema, value: { retryDelay: { seconds: 6n, nanos: 1 } } },
    ]);
  };
  for (const { seat } of it.swarm.validators) it.swarm.scripts.set(seat, { submit: full });
  const answer = await it.post(writeFile());
  expect(answer.status).toBe(429);
  expect(answer.headers.get("retry-after")).toBe("7");
});

test("one full validator is passed over", async () => {
  it.swarm.scripts.set(it.swarm.validators[0]!.seat, {
    submit() {
      throw new ConnectError("full", Code.ResourceExhausted);
    },
  });
  expect((await it.post(writeFile())).status).toBe(202);
});

test("a refusal by a validator rejects the file with its code", async () => {
  for (const { seat } of it.swarm.validators)
    it.swarm.scripts.set(seat, {
      submit: () => ({ outcome: Outcome.REFUSED, reasonCode: "DS0E", reason: "no such key" }),
    });
  const answer = await it.post(writeFile());
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("no such key");
});

test("a file with one bad payment is accepted in part", async () => {
  const answer = await it.post(writeFile({ payments: [{}, { debtorIban: "DE00370400440532013000" }] }), {
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
  expect((await it.post(writeFile({ payments: [{}, { currency: "XXX" }] }), atomic)).status).toBe(422);
  expect((await it.post(writeFile({ payments: [{}, {}] }), atomic)).status).toBe(202);
  expect(it.swarm.submissions[0]!.message[14]).toBe(1);
});

test("a large file is split into numbered messages and its status joins them", { timeout: 30_000 }, async () => {
  const payments = Array.from({ length: 8_001 }, () => ({ after: "" }));
  expect((await it.post(writeFile({ payments }))).status).toBe(202);
  expect(it.swarm.submissions.length).toBeGreaterThan(1);
  it.swarm.settle((payment, message) => (message === 1 && payment === 0 ? 7 : 0));
  await until(() => it.settledHeight() === 1);
  const status = await it.statusOf();
  expect(status.status).toBe("PART");
  expect(status.payments.filter((one) => one.status === "RJCT")).toHaveLength(1);
  expect((await it.feedOf("QSWDSESSXXX")).flatMap(({ uetrs }) => uetrs)).toHaveLength(8_000);
});

test("who may not ask is told so", async () => {
  expect((await fetch(`${it.base}/messages/FILE-1`)).status).toBe(401);
  expect((await it.get("/messages/FILE-1", "DEUTDEFFXXX")).status).toBe(403);
  expect((await it.get("/messages/FILE-1")).status).toBe(404);
  expect((await it.get("/nothing")).status).toBe(404);
  expect((await it.get("/messages/%ff")).status).toBe(400);
  expect((await fetch(`${it.base}/iso20022`, { headers: asSender })).status).toBe(405);
  expect((await it.post("{}", { ...asSender, "content-type": "application/json" })).status).toBe(415);
  expect((await it.get("/healthz")).status).toBe(200);
  expect((await it.get("/readyz")).status).toBe(200);
  expect((await it.get("/openapi.json")).status).toBe(200);
});

test("a payment's status is told to both parties and to nobody else, from the ledger when there is no record", async () => {
  await it.post(writeFile());
  it.swarm.settle();
  await until(() => it.settledHeight() === 1);
  expect(await (await it.get(`/payments/${uetrAt(1)}`, "QSWDSESSXXX")).json()).toMatchObject({
    status: "ACSC",
    from: "QSWADEFFXXX",
  });
  expect((await it.get(`/payments/${uetrAt(1)}`, "QSWCSGSGXXX")).status).toBe(404);
  expect((await it.get("/payments/nonsense")).status).toBe(400);
});

test("a file above the limit is refused", async () => {
  await it.stop();
  await it.start({ limits: { maxFileBytes: 4096 } });
  const answer = await it.post(
    writeFile({ payments: [{ after: `<RmtInf><Ustrd>${"x".repeat(5000)}</Ustrd></RmtInf>` }] }),
  );
  expect(answer.status).toBe(422);
  expect(await answer.text()).toContain("<Cd>FF01</Cd>");
});
