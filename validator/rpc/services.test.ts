import { connect } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../proto/google/rpc/error_details_pb.js";
import {
  SubmitResponse_Outcome as Outcome,
  GetMessageResponse_State as State,
} from "../../proto/validator/v1/validator_pb.js";
import type { Metrics } from "./metrics.ts";
import { allInstitutions, largestMessage } from "./settlement.ts";
import {
  clients,
  configFrom,
  paymentMessage,
  type Script,
  scriptedHost,
  scriptedServices,
  serve,
  settledBlock,
  sha256,
  status,
  type TestServer,
} from "./testing/servers.ts";

const open: TestServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.rpc.close()));
});

async function start(options: Parameters<typeof serve>[1] = {}): Promise<TestServer & { readonly script: Script }> {
  const script = scriptedServices();
  const server = await serve(scriptedHost(script.services), options);
  open.push(server);
  return { ...server, script };
}

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call succeeded");
}

async function inFlight(metrics: Metrics): Promise<number> {
  return Number(/^ingress_in_flight_bytes\{.*\} (.*)$/m.exec((await metrics.scrape()).text)?.[1]);
}

for (const protocol of ["connect", "grpc"] as const) {
  describe(`over ${protocol}`, () => {
    test("a message and its private payload reach the validator byte for byte, and its acceptance comes back", async () => {
      const { url, script, metrics } = await start();
      const message = paymentMessage(0, 1_000);
      const answer = await clients(url, {}, protocol).settlement.submit({
        message,
        private: Uint8Array.of(7, 8),
        traceparent: "",
      });
      expect(answer.outcome).toBe(Outcome.ACCEPTED);
      expect(Buffer.from(answer.message)).toEqual(Buffer.from(sha256(message.subarray(0, 224))));
      expect(
        script.submitted.map(({ message, privatePayload }) => [
          Buffer.from(message),
          Buffer.from(privatePayload ?? []),
        ]),
      ).toEqual([[Buffer.from(message), Buffer.of(7, 8)]]);
      expect((await metrics.scrape()).text).toContain('ingress_messages_total{outcome="accepted",seat="one"} 1');
    });

    test("no private payload is not an empty one", async () => {
      const { url, script } = await start();
      await clients(url, {}, protocol).settlement.submit({ message: paymentMessage(0) });
      expect(script.submitted[0]?.privatePayload).toBeUndefined();
    });

    test("a refusal is an answer with a reason code, not an error", async () => {
      const { url, script } = await start();
      script.answerSubmit = async () => ({ kind: "refused", code: "DU01", reason: "message id used before" });
      const answer = await clients(url, {}, protocol).settlement.submit({ message: paymentMessage(0) });
      expect(answer).toMatchObject({ outcome: Outcome.REFUSED, reasonCode: "DU01", reason: "message id used before" });
    });

    test("a full queue is RESOURCE_EXHAUSTED with advice when to retry", async () => {
      const { url, script } = await start();
      script.answerSubmit = async () => ({ kind: "overloaded", retryAfterMs: 1_250 });
      const error = await failure(clients(url, {}, protocol).settlement.submit({ message: paymentMessage(0) }));
      expect(error.code).toBe(Code.ResourceExhausted);
      expect(error.metadata.get("retry-after-ms")).toBe("1250");
      expect(error.findDetails(RetryInfoSchema)[0]?.retryDelay).toMatchObject({ seconds: 1n, nanos: 250_000_000 });
    });

    test("a validator that cannot accept now is UNAVAILABLE and says why", async () => {
      const { url, script } = await start();
      script.answerSubmit = async () => ({ kind: "not-ready", reason: "quarantined" });
      const error = await failure(clients(url, {}, protocol).settlement.submit({ message: paymentMessage(0) }));
      expect([error.code, error.rawMessage, error.metadata.get("retry-after-ms")]).toEqual([
        Code.Unavailable,
        "quarantined",
        "1000",
      ]);
    });

    test("a bug answers INTERNAL without its details, which go to the log", async () => {
      const { url, script, lines } = await start();
      script.answerSubmit = async () => {
        throw new Error("table of secrets");
      };
      const error = await failure(clients(url, {}, protocol).settlement.submit({ message: paymentMessage(0) }));
      expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
      expect(lines).toContainEqual(
        expect.objectContaining({ event: "rpc-failed", method: "Submit", error: "table of secrets", level: "error" }),
      );
    });

    test("settlements come from a height on, and the validator's cursor closes when the client leaves", async () => {
      const { url, script } = await start();
      script.blocks.push(settledBlock(2), settledBlock(3));
      const leave = new AbortController();
      const seen: bigint[] = [];
      const watch = async (): Promise<void> => {
        for await (const block of clients(url, {}, protocol).settlement.watchSettlements(
          { fromHeight: 2n, institution: allInstitutions },
          { signal: leave.signal },
        )) {
          seen.push(block.height);
          expect(block.messages[0]).toMatchObject({ settled: 1, rejected: 1, creditors: [1] });
          expect([...(block.messages[0]?.reasons ?? [])]).toEqual([0, 4]);
          if (seen.length === 2) leave.abort();
        }
      };
      expect((await failure(watch())).code).toBe(Code.Canceled);
      expect(seen).toEqual([2n, 3n]);
      await expect.poll(script.ended).toBe(1);
    });
  });
}

test("an institution's stream has the messages it sent or receives, and empty blocks keep the order", async () => {
  const { url } = await start();
  const heights = async (institution: number): Promise<number[]> => {
    const leave = new AbortController();
    for await (const block of clients(url).settlement.watchSettlements(
      { fromHeight: 1n, institution },
      { signal: leave.signal },
    )) {
      const messages = block.messages.length;
      leave.abort();
      return [Number(block.height), messages];
    }
    return [];
  };
  expect(await heights(0)).toEqual([1, 1]);
  expect(await heights(1)).toEqual([1, 1]);
  expect(await heights(2)).toEqual([1, 0]);
});

test("watching from below what is kept is OUT_OF_RANGE", async () => {
  const { url } = await start();
  const watch = async (): Promise<void> => {
    for await (const _ of clients(url).settlement.watchSettlements({ fromHeight: 99n, institution: 0 })) return;
  };
  expect((await failure(watch())).code).toBe(Code.OutOfRange);
});

test("queries answer what the validator knows", async () => {
  const { settlement } = clients((await start()).url);
  expect(await settlement.getMessage({ institution: 0, messageKey: new Uint8Array(32) })).toMatchObject({
    state: State.SETTLED,
    height: 1n,
  });
  expect(await settlement.getMessage({ institution: 1, messageKey: new Uint8Array(32) })).toMatchObject({
    state: State.UNKNOWN,
  });
  expect(await settlement.getPayment({ institution: 0, uetr: new Uint8Array(16).fill(5) })).toMatchObject({
    state: State.SETTLED,
    reason: 0,
  });
  expect(Buffer.from((await settlement.getProof({ institution: 0, uetr: new Uint8Array(16) })).proof)).toEqual(
    Buffer.of(1, 2, 3),
  );
  expect((await failure(settlement.getProof({ institution: 1, uetr: new Uint8Array(16) }))).code).toBe(Code.NotFound);
  expect(Buffer.from((await settlement.getPrivate({ message: new Uint8Array(32).fill(2) })).signed)).toEqual(
    Buffer.of(8),
  );
  expect((await failure(settlement.getPrivate({ message: new Uint8Array(32) }))).code).toBe(Code.NotFound);
  const directory = await settlement.getDirectory({});
  expect(directory.institutions.map(({ bic }) => bic)).toEqual(["BANK0", "BANK1", "BANK2"]);
  expect(directory.accounts[0]).toMatchObject({ balance: -5n, debitCap: 10n, currency: "EUR" });
});

test("an institution the chain does not have is unknown, whatever its number", async () => {
  const { settlement } = clients((await start()).url);
  const institution = 0xffff_fffe;
  expect(await settlement.getMessage({ institution, messageKey: new Uint8Array(32) })).toMatchObject({
    state: State.UNKNOWN,
  });
  expect(await settlement.getPayment({ institution, uetr: new Uint8Array(16) })).toMatchObject({
    state: State.UNKNOWN,
  });
  expect((await failure(settlement.getProof({ institution, uetr: new Uint8Array(16) }))).code).toBe(Code.NotFound);
});

test("keys of a wrong length are refused by name", async () => {
  const { settlement } = clients((await start()).url);
  const errors = await Promise.all([
    failure(settlement.getPayment({ institution: 0, uetr: new Uint8Array(15) })),
    failure(settlement.getMessage({ institution: 0, messageKey: new Uint8Array(31) })),
    failure(settlement.getPrivate({ message: new Uint8Array(0) })),
    failure(settlement.getProof({ institution: 0, uetr: new Uint8Array(17) })),
  ]);
  expect(errors.map(({ code }) => code)).toEqual(Array(4).fill(Code.InvalidArgument));
  expect(errors.map(({ rawMessage }) => rawMessage.split(":")[0])).toEqual(["uetr", "message_key", "message", "uetr"]);
});

describe("bounds", () => {
  test("a message of the largest size passes, one byte more is refused", async () => {
    const { url, script } = await start();
    const { settlement } = clients(url);
    expect((await settlement.submit({ message: new Uint8Array(largestMessage) })).outcome).toBe(Outcome.ACCEPTED);
    expect((await failure(settlement.submit({ message: new Uint8Array(largestMessage + 1) }))).code).toBe(
      Code.InvalidArgument,
    );
    expect(script.submitted.length).toBe(1);
  });

  for (const protocol of ["connect", "grpc"] as const)
    test(`a request above every bound is refused over ${protocol} and the connection lives on`, async () => {
      const { url, script, metrics } = await start();
      const { settlement } = clients(url, {}, protocol);
      const huge = new Uint8Array(6 << 20);
      const error = await failure(settlement.submit({ message: paymentMessage(0), private: huge }));
      expect([error.code, error.rawMessage.split(":")[0]]).toEqual([Code.InvalidArgument, "request"]);
      expect((await settlement.submit({ message: paymentMessage(0) })).outcome).toBe(Outcome.ACCEPTED);
      expect(script.submitted.length).toBe(1);
      await expect.poll(() => inFlight(metrics)).toBe(0);
    });

  test("small methods take small requests only", async () => {
    const { admin, settlement } = clients((await start()).url);
    const errors = await Promise.all([
      failure(settlement.getPrivate({ message: new Uint8Array(8_192) })),
      failure(admin.submitGovernance({ transaction: new Uint8Array(70_000) })),
    ]);
    expect(errors.map(({ code }) => code)).toEqual([Code.InvalidArgument, Code.InvalidArgument]);
  });

  test("submissions under way are bounded in bytes: the next is told to retry, and passes once they are answered", async () => {
    const { url, script, metrics } = await start({
      config: configFrom({ rpc: { host: "127.0.0.1", port: 0, limits: { inFlightBytes: 8_388_608 } } }).rpc,
    });
    const { settlement } = clients(url);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    script.answerSubmit = async () => {
      await released;
      return { kind: "accepted", messageHash: new Uint8Array(32) };
    };
    // Three of 3 MiB exceed 8 MiB: two are held, one is refused.
    const answers = [1, 2, 3].map(() =>
      settlement.submit({ message: paymentMessage(0), private: new Uint8Array(3 << 20) }).then(
        () => "accepted",
        (error: unknown) => ConnectError.from(error).metadata.get("retry-after-ms"),
      ),
    );
    expect(await Promise.race(answers)).toBe("50");
    await expect.poll(() => script.submitted.length).toBe(2);
    release();
    expect((await Promise.all(answers)).sort()).toEqual(["50", "accepted", "accepted"]);
    await expect.poll(() => inFlight(metrics)).toBe(0);
    expect((await settlement.submit({ message: paymentMessage(0) })).outcome).toBe(Outcome.ACCEPTED);
  });

  test("watchers are bounded, and a place is free again when one leaves", async () => {
    const { url } = await start({
      config: configFrom({ rpc: { host: "127.0.0.1", port: 0, limits: { watchers: 1 } } }).rpc,
    });
    const { admin } = clients(url);
    const leave = new AbortController();
    const first = admin.watchStatus({ intervalMs: 50 }, { signal: leave.signal })[Symbol.asyncIterator]();
    expect((await first.next()).value).toMatchObject({ seat: "one" });
    const second = async (): Promise<string> => {
      for await (const { seat } of admin.watchStatus({ intervalMs: 50 })) return seat;
      return "";
    };
    expect((await failure(second())).code).toBe(Code.ResourceExhausted);
    leave.abort();
    await expect.poll(() => second().catch(() => "")).toBe("one");
  });
});

describe("malformed requests", () => {
  const send = (
    url: string,
    headers: Record<string, string>,
    body: Uint8Array,
  ): Promise<{ readonly status: number; readonly body: string }> =>
    new Promise((resolve, reject) => {
      const session = connect(url);
      session.on("error", reject);
      const stream = session.request({ ":method": "POST", ...headers });
      let code = 0;
      const chunks: Buffer[] = [];
      stream.on("response", (response) => {
        code = Number(response[":status"]);
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => {});
      stream.on("close", () => {
        session.close();
        resolve({ status: code, body: Buffer.concat(chunks).toString() });
      });
      stream.end(body);
    });
  const submit = "/validator.v1.SettlementService/Submit";

  test.each([
    // Connect's own answer to bytes that are not the message.
    ["truncated protobuf", { ":path": submit, "content-type": "application/proto" }, Uint8Array.of(0x0a, 0xff), 500],
    ["an unknown content type", { ":path": submit, "content-type": "text/html" }, new Uint8Array(0), 415],
    [
      "compressed, which nobody offered",
      { ":path": submit, "content-type": "application/proto", "content-encoding": "gzip" },
      Uint8Array.of(1),
      501,
    ],
    [
      "an unknown method",
      { ":path": "/validator.v1.SettlementService/Steal", "content-type": "application/proto" },
      new Uint8Array(0),
      404,
    ],
    // HTTP/2 itself resets the stream.
    [
      "a length that is not the body's",
      { ":path": submit, "content-type": "application/proto", "content-length": "9999999" },
      new Uint8Array(0),
      0,
    ],
    ["JSON that is none", { ":path": submit, "content-type": "application/json" }, Buffer.from("{"), 400],
    ["GET", { ":method": "GET", ":path": submit }, new Uint8Array(0), 405],
  ])("%s", async (_, headers, body, expected) => {
    const { url, script } = await start();
    expect((await send(url, headers, body)).status).toBe(expected);
    expect(script.submitted).toEqual([]);
    expect((await clients(url).settlement.submit({ message: paymentMessage(0) })).outcome).toBe(Outcome.ACCEPTED);
  });
});

describe("administration", () => {
  test("status carries every field", async () => {
    const { admin } = clients((await start()).url);
    expect(await admin.getStatus({})).toMatchObject({
      seat: "one",
      region: "eu-west",
      finalizedHeight: 5n,
      settledHeight: 4n,
      settledPayments: 1_000n,
      degradedRegions: ["us-east"],
      peers: [{ seat: "two", connected: false, rttMs: 1.5 }],
      settlementP50: 5,
      settlementP99: 12,
      blockPayments: 9,
      blockView: 4n,
    });
  });

  test("a watcher sees the status at once, after a change, and when nothing happens for its interval", async () => {
    const { url, script } = await start();
    const leave = new AbortController();
    const watch = clients(url)
      .admin.watchStatus({ intervalMs: 60_000 }, { signal: leave.signal })
      [Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ view: 7n });
    await expect.poll(script.watching).toBe(1);
    script.status = { ...status, view: 8 };
    script.changed();
    expect((await watch.next()).value).toMatchObject({ view: 8n });
    leave.abort();
    await expect.poll(script.watching).toBe(0);
    const heartbeat = clients(url).admin.watchStatus({ intervalMs: 30 })[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) expect((await heartbeat.next()).value).toMatchObject({ view: 8n });
  });

  test("identity and genesis are served before there is a chain, everything else waits", async () => {
    const server = await serve(scriptedHost(undefined));
    open.push(server);
    const { admin, settlement } = clients(server.url);
    expect((await admin.getIdentity({})).blsKey.length).toBe(48);
    expect((await admin.getStatus({})).notReady).toBe("waits for its genesis document");
    expect((await failure(settlement.submit({ message: paymentMessage(0) }))).code).toBe(Code.Unavailable);
    expect((await failure(admin.provideGenesis({}))).code).toBe(Code.InvalidArgument);
    expect((await failure(admin.provideGenesis({ genesis: Buffer.from("[]") }))).code).toBe(Code.FailedPrecondition);
    expect((await admin.provideGenesis({ genesis: Buffer.from("{}") })).chainId.length).toBe(32);
    expect((await settlement.submit({ message: paymentMessage(0) })).outcome).toBe(Outcome.ACCEPTED);
  });

  test("governance answers with the hash or the reason", async () => {
    const { admin } = clients((await start()).url);
    expect((await admin.submitGovernance({ transaction: Uint8Array.of(1, 2) })).transactionHash.length).toBe(32);
    const error = await failure(admin.submitGovernance({ transaction: Uint8Array.of(1) }));
    expect([error.code, error.rawMessage]).toEqual([
      Code.InvalidArgument,
      "transaction: not signed by the governance set",
    ]);
  });
});

test("closing ends open streams with UNAVAILABLE and frees the port", async () => {
  const script = scriptedServices();
  const server = await serve(scriptedHost(script.services));
  const stream = clients(server.url)
    .settlement.watchSettlements({ fromHeight: 1n, institution: 0 })
    [Symbol.asyncIterator]();
  await stream.next();
  const end = failure(stream.next());
  await server.rpc.close();
  expect((await end).code).toBe(Code.Unavailable);
  expect(script.ended()).toBe(1);
});

test("without TLS only a loopback address is bound", async () => {
  const config = { ...configFrom().rpc, host: "0.0.0.0" };
  await expect(serve(scriptedHost(undefined), { config })).rejects.toThrow("TLS is required");
});
