import { afterEach, expect, test } from "vitest";
import { type Issued, issue, makeAuthority } from "../../../validator/rpc/testing/certificates.ts";
import {
  configFrom,
  scriptedHost,
  scriptedServices,
  serve,
  type TestServer,
} from "../../../validator/rpc/testing/servers.ts";
import { createReporters, type Reporters } from "./reporters.ts";

const open: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const dns = "quickstart-eu-west-0-g1.quickstart-peers.default.svc";

/** Asks one pod over TLS; resolves at the first change, or when it is known not to answer. */
async function ask(server: TestServer, ca: string, own: Partial<Issued>, servername?: string): Promise<Reporters> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const reporters = createReporters({
    operatorKey: "00",
    onChange: () => resolve(),
    credentials: () => ({ ca, ...own }),
    statusEveryMs: 50,
  });
  open.push(reporters);
  const target = { identity: "one", podUid: "uid", url: `https://127.0.0.1:${server.rpc.port}` };
  reporters.setTargets([servername === undefined ? target : { ...target, servername }]);
  const refused = expect.poll(() => reporters.trouble("one"), { timeout: 5_000 }).not.toBe("it has not answered yet");
  await Promise.race([promise, refused]);
  return reporters;
}

test("a pod is asked over mutual TLS, under the name in its certificate", async () => {
  const [authority, stranger] = await Promise.all([makeAuthority("CN=authority"), makeAuthority("CN=stranger")]);
  const pod = await issue(authority, "CN=pod", dns);
  const operator = await issue(authority, "CN=operator");
  const tls = { cert: "c", key: "k", clientCa: "a", operators: ["CN=operator"] };
  const server = await serve(scriptedHost(scriptedServices().services), {
    config: configFrom({ rpc: { host: "127.0.0.1", port: 0, tls } }).rpc,
    tls: { cert: pod.cert, key: pod.key, clientCa: authority.cert },
  });
  open.push({ close: () => server.rpc.close() });

  const good = await ask(server, authority.cert, operator, dns);
  await expect.poll(() => good.report("one")).toMatchObject({ role: "validator", heard: ["one"] });
  expect(await good.provideGenesis("one", Buffer.from("{}"))).toEqual({ kind: "done" });
  for (const bad of [
    await ask(server, authority.cert, operator),
    await ask(server, authority.cert, operator, "another.pod"),
    await ask(server, authority.cert, {}, dns),
    await ask(server, stranger.cert, operator, dns),
  ]) {
    expect(bad.report("one")).toBeUndefined();
    expect(bad.trouble("one")).not.toBe("");
  }
});
