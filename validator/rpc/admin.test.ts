import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "vitest";
import {
  clients,
  type Script,
  scriptedHost,
  scriptedServices,
  serve,
  type status,
  type TestServer,
} from "./testing/servers.ts";

const open: TestServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.rpc.close()));
});

async function start(): Promise<{ readonly script: Script; readonly admin: ReturnType<typeof clients>["admin"] }> {
  const script = scriptedServices();
  const server = await serve(scriptedHost(script.services));
  open.push(server);
  return { script, admin: clients(server.url).admin };
}

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "none",
    (error: unknown) => Code[ConnectError.from(error).code],
  );

describe("a watcher that asked for news", () => {
  test("hears at once that the chain has started", async () => {
    const server = await serve(scriptedHost(undefined));
    open.push(server);
    const { admin } = clients(server.url);
    const watch = admin.watchStatus({ intervalMs: 60_000, closestMs: 20, heightStep: 16 })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ role: "waiting" });
    await admin.provideGenesis({ genesis: new TextEncoder().encode("{}") });
    expect((await watch.next()).value).toMatchObject({ role: "validator" });
  });

  test("is not told of blocks until they are many, and of everything else soon", async () => {
    const { script, admin } = await start();
    const leave = new AbortController();
    const wanted = { intervalMs: 60_000, closestMs: 20, heightStep: 3 };
    const watch = admin.watchStatus(wanted, { signal: leave.signal })[Symbol.asyncIterator]();
    const tell = (change: Partial<typeof status>) => {
      script.status = { ...script.status, ...change };
      script.changed();
    };
    expect((await watch.next()).value).toMatchObject({ finalizedHeight: 5n, heard: ["one"] });
    await expect.poll(script.watching).toBe(1);
    for (const finalizedHeight of [6, 7]) tell({ finalizedHeight, view: finalizedHeight + 2 });
    tell({ heard: [] });
    expect((await watch.next()).value).toMatchObject({ finalizedHeight: 7n, heard: [] });
    for (const finalizedHeight of [8, 9, 10]) tell({ finalizedHeight });
    expect((await watch.next()).value).toMatchObject({ finalizedHeight: 10n });
    leave.abort();
    await expect.poll(script.watching).toBe(0);
  });

  test("hears from time to time that nothing is new", async () => {
    const { admin } = await start();
    const watch = admin.watchStatus({ intervalMs: 40, heightStep: 3 })[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i++) expect((await watch.next()).value).toMatchObject({ view: 7n });
  });
});

test("a challenge is answered with a signature, and only one of its length", async () => {
  const { admin } = await start();
  expect((await admin.getIdentity({})).signature.length).toBe(0);
  expect((await admin.getIdentity({ challenge: new Uint8Array(32) })).signature.length).toBe(64);
  expect(await refusal(admin.getIdentity({ challenge: new Uint8Array(31) }))).toBe("InvalidArgument");
});

describe("a chain report", () => {
  test("starts at the epoch that the caller trusts", async () => {
    const { admin } = await start();
    expect((await admin.getChainReport({ trustedEpoch: 7n })).handovers).toEqual([Uint8Array.of(7)]);
  });

  test("is of at most sixteen transactions, each a hash, and of an epoch that can be", async () => {
    const { admin } = await start();
    const hash = new Uint8Array(32);
    for (const request of [
      { transactions: Array.from({ length: 17 }, () => hash) },
      { transactions: [new Uint8Array(31)] },
      { trustedEpoch: 2n ** 53n },
    ])
      expect(await refusal(admin.getChainReport(request))).toBe("InvalidArgument");
  });

  test("waits for a chain", async () => {
    const server = await serve(scriptedHost(undefined));
    open.push(server);
    const { admin } = clients(server.url);
    expect(await admin.getStatus({})).toMatchObject({ role: "waiting", notReady: "waits for its genesis document" });
    expect(await refusal(admin.getChainReport({}))).toBe("Unavailable");
  });
});
