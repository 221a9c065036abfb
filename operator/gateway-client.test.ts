import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { isFinal, readCreditTransfer, submitFile } from "./gateway-client.ts";
import { sampleFiles } from "./sample.ts";
import { paymentTable, thousands } from "./terminal.ts";

test("every sample file is read with its parties, and each payment has a UETR", () => {
  for (const file of sampleFiles()) {
    const read = readCreditTransfer(readFileSync(file));
    if (read.kind === "unreadable") throw new Error(`${file}: ${read.reason}`);
    expect(read.institution).toBe("QSWADEFFXXX");
    for (const { uetr, from, to, amount } of read.payments) {
      expect(uetr).toMatch(/^[0-9a-f-]{36}$/);
      expect([from, to].every((bic) => bic.length === 11)).toBe(true);
      expect(Number(amount)).toBeGreaterThan(0);
    }
  }
});

test("what is no pacs.008 says why", () => {
  expect(readCreditTransfer(Buffer.from("hello"))).toMatchObject({
    kind: "unreadable",
    reason: expect.stringMatching(/^FF01 /),
  });
});

test.each<[number, Record<string, string>, string, object]>([
  [
    202,
    { "x-message-id": "A%20B" },
    '{"status":"ACTC","payments":[{"status":"ACTC"}]}',
    { kind: "accepted", messageId: "A B" },
  ],
  [422, {}, '{"status":"RJCT","reasons":[{"code":"AM10","message":"sum"}]}', { kind: "rejected" }],
  [
    429,
    { "retry-after": "3" },
    '{"status":429,"detail":"full"}',
    { kind: "busy", retryAfterSeconds: 3, reason: "full" },
  ],
  [
    403,
    {},
    '{"status":403,"detail":"no such institution"}',
    { kind: "failed", reason: "The gateway refuses: no such institution." },
  ],
  [202, {}, "<html>", { kind: "failed", reason: "The gateway's answer cannot be read." }],
  [500, {}, "", { kind: "failed", reason: "The gateway refuses: HTTP 500." }],
])("an answer of %i with %j", async (status, headers, body, expected) => {
  const server = createServer((request, response) => {
    request.resume().once("end", () => response.writeHead(status, headers).end(body));
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  expect(await submitFile(`http://127.0.0.1:${port}`, "QSWADEFFXXX", Buffer.from("<x/>"))).toMatchObject(expected);
  server.closeAllConnections();
  server.close();
});

test("nobody listens", async () => {
  const submission = await submitFile("http://127.0.0.1:9", "QSWADEFFXXX", Buffer.from("<x/>"));
  expect(submission).toMatchObject({ kind: "unreachable", reason: expect.stringContaining("does not answer") });
});

test("a file is final when each of its payments is", () => {
  const status = (...each: string[]) => ({
    status: "PART",
    reasons: [],
    heights: [],
    payments: each.map((one) => ({ status: one })),
  });
  expect(isFinal(status("ACSC", "RJCT"))).toBe(true);
  expect(isFinal(status("ACSC", "ACSP"))).toBe(false);
});

test("a table says what became of each payment", () => {
  const payment = {
    uetr: "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3",
    from: "QSWADEFFXXX",
    to: "QSWBUS33XXX",
    currency: "EUR",
  };
  const lines = paymentTable(
    [
      { ...payment, amount: "48250.00" },
      { ...payment, amount: "1500000.5" },
    ],
    {
      status: "PART",
      reasons: [],
      heights: [7],
      payments: [{ status: "ACSC" }, { status: "RJCT", reason: { code: "AM04", message: "No money." } }],
    },
    21.4,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are not what is tested
  expect(lines.map((line) => line.replace(/\u001b\[\d+m/g, ""))).toEqual(
    [
      "UETR                                  from         to                 amount  finality ms  status",
      "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3  QSWADEFFXXX  QSWBUS33XXX     48,250.00 EUR           21  ACSC settled",
      "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3  QSWADEFFXXX  QSWBUS33XXX  1,500,000.5 EUR               RJCT rejected, AM04 No money.",
    ].map((line) => expect.stringMatching(new RegExp(`^${line.replace(/[.,]/g, "\\$&").replace(/ +/g, " +")}$`))),
  );
});

test("thousands are set apart, decimals are not", () => {
  expect(["1", "999", "1000", "1234567.8901"].map(thousands)).toEqual(["1", "999", "1,000", "1,234,567.8901"]);
});
