/** A gateway over HTTP in front of a small swarm, fresh for each test. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile as writeToDisk } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach } from "vitest";
import { parseConfig } from "../config.ts";
import { type Gateway, openGateway } from "../gateway.ts";
import { createGatewayServer } from "../server.ts";
import { BANKS, startSwarm, type TestSwarm } from "./swarm.ts";

export const asSender = { "x-institution": "QSWADEFFXXX" };

interface ReadEntry {
  readonly cursor: string;
  readonly uetrs: readonly string[];
  readonly xml: string;
  readonly name: string;
}

interface ReadStatus {
  readonly status: string;
  readonly payments: readonly { readonly status: string; readonly reason?: { readonly code: string } }[];
}

export interface Harness {
  readonly swarm: TestSwarm;
  readonly gateway: Gateway;
  readonly folder: string;
  readonly base: string;
  start(more?: Record<string, unknown>, webhook?: string): Promise<void>;
  stop(): Promise<void>;
  post(body: string, headers?: Record<string, string>): Promise<Response>;
  get(path: string, bic?: string, headers?: Record<string, string>): Promise<Response>;
  feedOf(bic: string, query?: string, feed?: "feed" | "reports"): Promise<readonly ReadEntry[]>;
  statusOf(messageId?: string): Promise<ReadStatus>;
  settledHeight(): number;
}

/** Gives the event loop its turns until something holds; the test's own timeout bounds it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Sets up before each test of the file that calls it; Stockholm takes the webhook. */
export function harness(): Harness {
  const log = pino({ level: "silent" });
  let folder: string;
  let swarm: TestSwarm;
  let gateway: Gateway;
  let server: Server;
  let base: string;

  const it: Harness = {
    get swarm() {
      return swarm;
    },
    get gateway() {
      return gateway;
    },
    get folder() {
      return folder;
    },
    get base() {
      return base;
    },
    async start(more = {}, webhook) {
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
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await gateway.close();
    },
    post: (body, headers = asSender) =>
      fetch(`${base}/iso20022`, { method: "POST", body, headers: { "content-type": "application/xml", ...headers } }),
    get: (path, bic = "QSWADEFFXXX", headers = {}) =>
      fetch(`${base}${path}`, { headers: { "x-institution": bic, ...headers } }),
    async feedOf(bic, query = "", feed = "feed") {
      const text = await (await it.get(`/institutions/${bic}/${feed}${query}`, bic)).text();
      return text
        .split("\n")
        .filter(Boolean)
        .map((line): ReadEntry => JSON.parse(line));
    },
    async statusOf(messageId = "FILE-1") {
      const status: ReadStatus = JSON.parse(await (await it.get(`/messages/${messageId}`)).text());
      return status;
    },
    settledHeight: () => gateway.intake.height,
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gateway-"));
    swarm = await startSwarm();
    await Promise.all(
      BANKS.map((bic, at) => writeToDisk(join(folder, bic), createHash("sha256").update(String(at)).digest("hex"))),
    );
    await it.start();
  });
  afterEach(async () => {
    await it.stop();
    await swarm.close();
    await rm(folder, { recursive: true, force: true });
  });
  return it;
}
