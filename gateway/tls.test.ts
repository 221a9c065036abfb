/** The certificate names the institution, whatever a header says. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile as writeToDisk } from "node:fs/promises";
import type { Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import { createGatewayServer } from "./server.ts";
import { type Authority, authority, type Issued, issue } from "./testing/certificates.ts";
import { writeFile } from "./testing/files.ts";
import { BANKS, startSwarm, type TestSwarm } from "./testing/swarm.ts";

let folder: string;
let swarm: TestSwarm;
let gateway: Gateway;
let server: Server;
let root: Authority;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gateway-tls-"));
  swarm = await startSwarm();
  root = await authority();
  const own = await issue(root, "CN=gateway");
  await writeToDisk(join(folder, "cert"), own.cert);
  await writeToDisk(join(folder, "key"), own.key);
  await writeToDisk(join(folder, "ca"), root.cert);
  await writeToDisk(join(folder, "seed"), createHash("sha256").update("seed").digest("hex"));
  const config = parseConfig({
    listen: { port: 0, tls: { cert: join(folder, "cert"), key: join(folder, "key"), ca: join(folder, "ca") } },
    validators: swarm.validators,
    institutions: BANKS.map((bic) => ({ bic, keyFile: join(folder, "seed") })),
    dataDir: join(folder, "data"),
  });
  if (config.kind === "invalid") throw new Error(config.message);
  const opened = await openGateway(config.config, pino({ level: "silent" }));
  if (opened.kind === "invalid") throw new Error(opened.message);
  gateway = opened.gateway;
  server = createGatewayServer(gateway, pino({ level: "silent" }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  while (gateway.notReady() !== undefined) await new Promise((resolve) => setImmediate(resolve));
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await gateway.close();
  await swarm.close();
  await rm(folder, { recursive: true, force: true });
});

/** The answer's status, or `refused` when TLS lets nobody in. */
function post(issued: Partial<Issued>, headers: Record<string, string> = {}): Promise<number | "refused"> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve) => {
    const call = request(
      {
        host: "127.0.0.1",
        port,
        path: "/iso20022",
        method: "POST",
        ca: root.cert,
        agent: false,
        headers: { "content-type": "application/xml", ...headers },
        ...issued,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    call.on("error", () => resolve("refused"));
    call.end(writeFile());
  });
}

test("the registered certificate speaks for its institution", async () => {
  expect(await post(await issue(root, "CN=QSWADEFFXXX"))).toBe(202);
});

test("another institution's certificate does not send this one's file, whatever the header says", async () => {
  const stockholm = await issue(root, "CN=QSWDSESSXXX");
  expect(await post(stockholm)).toBe(422);
  expect(await post(stockholm, { "x-institution": "QSWADEFFXXX" })).toBe(403);
});

test("an unregistered subject is nobody", async () => {
  expect(await post(await issue(root, "CN=somebody"))).toBe(403);
});

test("no certificate, or another authority's, does not get in", async () => {
  expect(await post({})).toBe("refused");
  expect(await post(await issue(await authority(), "CN=QSWADEFFXXX"))).toBe("refused");
});
