/** `submit`, `proof` and `verify-proof` where the command line says who is asked. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../gateway/config.ts";
import { openGateway } from "../gateway/gateway.ts";
import { createGatewayServer } from "../gateway/server.ts";
import { authority, issue } from "../gateway/testing/certificates.ts";
import { BANKS, startSwarm, type TestSwarm } from "../gateway/testing/swarm.ts";
import { until } from "../operator/kube/testing/until.ts";
import { shapes } from "./shapes.ts";
import { documented } from "./testing/cluster.ts";
import { createHome, type Home } from "./testing/run.ts";

const sample = join(import.meta.dirname, "../manifests/samples/pacs.008.xml");

let home: Home;
let swarm: TestSwarm;
let gateway: string;
let close: () => Promise<void>;

/** A gateway that knows its callers by certificates only. */
beforeAll(async () => {
  home = createHome();
  swarm = await startSwarm();
  const root = await authority();
  const write = (name: string, content: string) => writeFileSync(join(home.path, name), content);
  for (const [name, subject] of [
    ["gateway", "CN=gateway"],
    ["bank", "CN=QSWADEFFXXX"],
  ] as const) {
    const { cert, key } = await issue(root, subject);
    write(`${name}.pem`, cert);
    write(`${name}.key`, key);
  }
  write("ca.pem", root.cert);
  write("seed", createHash("sha256").update("seed").digest("hex"));
  mkdirSync(join(home.path, "data"));
  const at = (name: string) => join(home.path, name);
  const config = parseConfig({
    listen: { port: 0, tls: { cert: at("gateway.pem"), key: at("gateway.key"), ca: at("ca.pem") } },
    validators: swarm.validators,
    institutions: BANKS.map((bic) => ({ bic, keyFile: at("seed") })),
    dataDir: at("data"),
  });
  if (config.kind === "invalid") throw new Error(config.message);
  const opened = await openGateway(config.config, pino({ level: "silent" }));
  if (opened.kind === "invalid") throw new Error(opened.message);
  const server = createGatewayServer(opened.gateway, pino({ level: "silent" }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  await until(() => opened.gateway.notReady() === undefined);
  gateway = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = async () => {
    server.close();
    server.closeAllConnections();
    await opened.gateway.close();
    await swarm.close();
  };
});
afterAll(async () => {
  await close();
  home[Symbol.dispose]();
});

const tls = ["--cert", "bank.pem", "--key", "bank.key", "--ca", "ca.pem"];
const submit = (...more: string[]) => home.run(["submit", sample, "--output", "json", "--gateway", gateway, ...more]);

describe("submit --gateway", () => {
  test("waits until the file is settled", async () => {
    const running = home.start(["submit", sample, "--output", "json", "--gateway", gateway, ...tls]);
    const before = swarm.submissions.length;
    await until(() => swarm.submissions.length > before);
    swarm.settle();
    const { code, out, err } = await running.ended;
    expect([code, err]).toEqual([0, ""]);
    const result = documented(shapes.submit, out);
    expect(result.status).toBe("ACSC");
    expect(result.payments.length).toBeGreaterThan(0);
    expect(result.payments.every(({ status, reason }) => status === "ACSC" && reason === null)).toBe(true);
  });

  test("says when it takes too long, and does not wait when told so", async () => {
    const other = join(import.meta.dirname, "../manifests/samples/pacs.008.001.02.xml");
    const late = await home.run(["submit", other, "--gateway", gateway, ...tls, "--timeout", "0.2"]);
    expect(late).toMatchObject({ code: 5, err: "Not settled within 0.2 s; it is accepted and will settle.\n" });
    const { code, out } = await home.run([
      "submit",
      other,
      "--no-wait",
      "--output",
      "json",
      "--gateway",
      gateway,
      ...tls,
    ]);
    expect(code).toBe(0);
    expect(documented(shapes.submit, out).milliseconds).toBeNull();
  });

  test("needs the right certificates", async () => {
    expect(await submit()).toMatchObject({ code: 6, err: expect.stringMatching(/does not answer \(.*certificate/) });
    expect((await submit("--ca", "ca.pem")).code).toBe(6);
    expect(await submit("--cert", "none.pem", "--key", "bank.key")).toMatchObject({
      code: 2,
      err: expect.stringContaining("The certificate cannot be used: "),
    });
    expect(await submit("--as", "QSWBUS33XXX", ...tls)).toMatchObject({
      code: 4,
      err: "The gateway refuses: this gateway serves no such institution.\n",
    });
  });

  test("names a gateway or a swarm of this machine, by URL", async () => {
    expect(await submit("--swarm", "one")).toMatchObject({
      code: 2,
      err: expect.stringContaining("cannot be used with"),
    });
    expect(await home.run(["submit", sample, "--gateway", "127.0.0.1:8443"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("Use a URL such as"),
    });
    expect(await home.run(["submit", sample])).toMatchObject({
      code: 6,
      err: expect.stringMatching(
        /^There is no swarm on this machine .*Any gateway can be named with --gateway URL\.\n$/,
      ),
    });
  });
});

describe("proof --validator", () => {
  const uetr = "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3";

  test("needs the genesis document, to know whose payments there are", async () => {
    const url = swarm.validators[0]?.url ?? "";
    const without = await home.run(["proof", uetr, "--validator", url]);
    expect([without.code, without.err]).toEqual([
      2,
      "--validator needs --genesis FILE: it says whose payments there are.\n",
    ]);
    writeFileSync(join(home.path, "genesis.json"), "{}");
    const wrong = await home.run(["proof", uetr, "--validator", url, "--genesis", "genesis.json"]);
    expect(wrong).toMatchObject({ code: 2, err: expect.stringMatching(/^genesis\.json: /) });
  });

  test("verify-proof says what it cannot read", async () => {
    const none = await home.run(["verify-proof", "x.proof", "--genesis", "genesis.json"]);
    expect([none.code, none.err]).toEqual([2, "x.proof cannot be read.\n"]);
  });
});
