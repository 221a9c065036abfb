import "reflect-metadata";
import { Code, ConnectError } from "@connectrpc/connect";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SubmitResponse_Outcome as Outcome } from "../../proto/validator/v1/validator_pb.js";
import { subjectOf } from "./caller.ts";
import { allInstitutions } from "./settlement.ts";
import { type Authority, type Issued, issue, makeAuthority } from "./testing/certificates.ts";
import {
  clients,
  configFrom,
  paymentMessage,
  type Script,
  scriptedHost,
  scriptedServices,
  serve,
  type TestServer,
} from "./testing/servers.ts";

let server: TestServer;
let script: Script;
let authority: Authority;
let bankA: Issued;
let bankB: Issued;
let operator: Issued;

beforeAll(async () => {
  authority = await makeAuthority("CN=authority");
  const own = await issue(authority, "CN=validator one");
  [bankA, bankB, operator] = (await Promise.all(
    ["C=DE, O=Bank A, CN=gateway", "C=FR, O=Bank B, CN=gateway", "CN=operator"].map((name) => issue(authority, name)),
  )) as [Issued, Issued, Issued];
  script = scriptedServices();
  const tls = { cert: "c", key: "k", clientCa: "a", operators: ["CN=operator"], backups: ["CN=backup"] };
  server = await serve(scriptedHost(script.services), {
    config: configFrom({ rpc: { host: "127.0.0.1", port: 0, tls } }).rpc,
    tls: { cert: own.cert, key: own.key, clientCa: authority.cert },
  });
});
afterAll(() => server.rpc.close());

const as = (issued: Partial<Issued>) => clients(server.url, { ca: authority.cert, ...issued });

async function codeOf(call: Promise<unknown>): Promise<Code | "ok"> {
  return call.then(
    () => "ok" as const,
    (error: unknown) => ConnectError.from(error).code,
  );
}

describe("who may connect", () => {
  test("a certificate of the authority, over HTTP/2 with TLS", async () => {
    expect((await as(bankA).admin.getStatus({})).seat).toBe("one");
  });

  test("no certificate, no answer", async () => {
    expect(await codeOf(as({}).admin.getStatus({}))).not.toBe("ok");
  });

  test("another authority's certificate with the right subject, no answer", async () => {
    const other = await makeAuthority("CN=authority");
    const forged = await issue(other, "C=DE, O=Bank A, CN=gateway");
    const before = script.submitted.length;
    expect(await codeOf(as(forged).settlement.submit({ message: paymentMessage(0) }))).not.toBe("ok");
    expect(script.submitted.length).toBe(before);
  });
});

describe("what a certificate allows", () => {
  test("an institution submits its own messages and nobody else's", async () => {
    expect((await as(bankA).settlement.submit({ message: paymentMessage(0) })).outcome).toBe(Outcome.ACCEPTED);
    const before = script.submitted.length;
    expect(await codeOf(as(bankB).settlement.submit({ message: paymentMessage(0) }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(operator).settlement.submit({ message: paymentMessage(0) }))).toBe(Code.PermissionDenied);
    expect(script.submitted.length).toBe(before);
    expect((await server.metrics.scrape()).text).toContain('ingress_messages_total{outcome="forbidden",seat="one"} 2');
  });

  test("an institution without a registered certificate, or that does not exist, is nobody's", async () => {
    expect(await codeOf(as(bankA).settlement.submit({ message: paymentMessage(2) }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(bankA).settlement.submit({ message: paymentMessage(4_000_000_000) }))).toBe(
      Code.PermissionDenied,
    );
  });

  test("bytes that are no payment message are refused before they count for anyone", async () => {
    expect(await codeOf(as(bankA).settlement.submit({ message: new Uint8Array(300) }))).toBe(Code.InvalidArgument);
  });

  test("private payloads go to the sender and to those it credited", async () => {
    const message = new Uint8Array(32).fill(2);
    expect(await codeOf(as(bankA).settlement.getPrivate({ message }))).toBe("ok");
    expect(await codeOf(as(bankB).settlement.getPrivate({ message }))).toBe("ok");
    expect(await codeOf(as(operator).settlement.getPrivate({ message }))).toBe(Code.NotFound);
  });

  test("messages, payments and proofs are read by their parties and by operators", async () => {
    const stranger = await issue(authority, "CN=stranger");
    const uetr = new Uint8Array(16);
    for (const party of [bankA, bankB, operator]) {
      expect(await codeOf(as(party).settlement.getPayment({ institution: 0, uetr }))).toBe("ok");
      expect(await codeOf(as(party).settlement.getProof({ institution: 0, uetr }))).toBe("ok");
    }
    expect(await codeOf(as(stranger).settlement.getPayment({ institution: 0, uetr }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(stranger).settlement.getProof({ institution: 0, uetr }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(stranger).settlement.getMessage({ institution: 0, messageKey: new Uint8Array(32) }))).toBe(
      Code.PermissionDenied,
    );
  });

  test("all settlements are an operator's to watch, an institution's its own", async () => {
    const first = async (who: Issued, institution: number): Promise<void> => {
      for await (const _ of as(who).settlement.watchSettlements({ fromHeight: 1n, institution })) return;
    };
    expect(await codeOf(first(operator, allInstitutions))).toBe("ok");
    expect(await codeOf(first(bankB, 1))).toBe("ok");
    expect(await codeOf(first(bankB, 0))).toBe(Code.PermissionDenied);
    expect(await codeOf(first(bankB, allInstitutions))).toBe(Code.PermissionDenied);
  });

  test("genesis and governance are the operators'", async () => {
    expect(await codeOf(as(bankA).admin.provideGenesis({ genesis: Buffer.from("{}") }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(bankA).admin.submitGovernance({ transaction: Uint8Array.of(1, 2) }))).toBe(
      Code.PermissionDenied,
    );
    expect(await codeOf(as(operator).admin.provideGenesis({ genesis: Buffer.from("{}") }))).toBe("ok");
    expect(await codeOf(as(operator).admin.submitGovernance({ transaction: Uint8Array.of(1, 2) }))).toBe("ok");
  });
});

describe("the backup role", () => {
  const read = async (who: Issued, replay = 1): Promise<void> => {
    for await (const _ of as(who).admin.readCheckpoint({ height: 0n, replay })) return;
  };

  test("checkpoints are read by who is named for it and by operators, and by no institution", async () => {
    const backup = await issue(authority, "CN=backup");
    // Allowed, and this validator has none.
    expect(await codeOf(read(backup))).toBe(Code.Unavailable);
    expect(await codeOf(read(operator))).toBe(Code.Unavailable);
    expect(await codeOf(read(bankA))).toBe(Code.PermissionDenied);
    expect(await codeOf(read(backup, 100_000))).toBe(Code.InvalidArgument);
  });

  test("it may give a restored state, and nothing else that an operator may", async () => {
    const backup = await issue(authority, "CN=backup");
    const part = { case: "state", value: Uint8Array.of(1) } as const;
    expect(await codeOf(as(backup).admin.provideState({ index: 0, part }))).toBe(Code.FailedPrecondition);
    expect(await codeOf(as(backup).admin.provideState({ index: 0 }))).toBe(Code.InvalidArgument);
    expect(await codeOf(as(bankA).admin.provideState({ index: 0, part }))).toBe(Code.PermissionDenied);
    expect(await codeOf(as(backup).admin.provideGenesis({ genesis: Buffer.from("{}") }))).toBe(Code.PermissionDenied);
  });
});

test("a subject is written as RFC 4514 does, so that no value can pass for two", async () => {
  const certificate = async (subject: string): Promise<string> =>
    subjectOf(new Uint8Array(x509.PemConverter.decodeFirst((await issue(authority, subject)).cert)));
  expect(await certificate("C=DE, O=Bank A, CN=gateway")).toBe("CN=gateway,O=Bank A,C=DE");
  expect(await certificate("C=DE, O=Bank\\, A, CN=gate\\+way")).toBe("CN=gate\\+way,O=Bank\\, A,C=DE");
});

test("a renewed certificate is shown to new connections; what is no certificate changes nothing", async () => {
  const next = await makeAuthority("CN=next authority");
  const [own, caller] = await Promise.all([issue(next, "CN=validator one"), issue(next, "CN=operator")]);
  const open = as(operator);
  expect(await codeOf(open.admin.getStatus({}))).toBe("ok");
  const withNext = () => clients(server.url, { ca: next.cert, ...caller });
  expect(() => server.rpc.renew({ cert: own.cert, key: operator.key, clientCa: next.cert })).toThrow();
  expect(await codeOf(withNext().admin.getStatus({}))).not.toBe("ok");
  server.rpc.renew({ cert: own.cert, key: own.key, clientCa: next.cert });
  expect(await codeOf(withNext().admin.getStatus({}))).toBe("ok");
  expect(await codeOf(as(operator).admin.getStatus({}))).not.toBe("ok");
  expect(await codeOf(open.admin.getStatus({}))).toBe("ok");
});
