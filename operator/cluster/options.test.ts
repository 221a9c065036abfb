import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { exitCodes, type OperatorSettings, parseOptions } from "./options.ts";

const directory = mkdtempSync(join(tmpdir(), "options-"));
afterAll(() => rmSync(directory, { recursive: true }));
const kubeconfig = join(directory, "kubeconfig");
writeFileSync(
  kubeconfig,
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "one",
    contexts: [{ name: "one", context: { cluster: "one", user: "one", namespace: "settlement" } }],
    clusters: [{ name: "one", cluster: { server: "https://127.0.0.1:6443" } }],
    users: [{ name: "one", user: { token: "t" } }],
  }),
);

function settings(args: readonly string[], env: NodeJS.ProcessEnv = {}): OperatorSettings {
  const parsed = parseOptions(["--kubeconfig", kubeconfig, "--image", "image:1", ...args], env);
  if (parsed.kind !== "run") throw new Error(`exit ${parsed.code}`);
  return parsed.settings;
}

/** What is said on standard error, and the exit code. */
function refused(args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  const parsed = parseOptions(args, env);
  write.mockRestore();
  expect(parsed).toEqual({ kind: "exit", code: exitCodes.usage.code });
  return said.join("");
}

test("without options: the whole cluster, one address, the lease in the context's namespace", () => {
  expect(settings([])).toMatchObject({
    scope: { kind: "cluster" },
    lease: { namespace: "settlement", name: "validatorswarm.io-operator" },
    image: "image:1",
    addresses: [{ host: "0.0.0.0", port: 8081 }],
    logLevel: "info",
    credentials: undefined,
  });
});

test("namespaces are repeated or listed, and each is there once", () => {
  const { scope } = settings(["--namespace", "a,b", "--namespace", "b", "--namespace", "c"]);
  expect(scope).toEqual({ kind: "namespaces", namespaces: ["a", "b", "c"] });
});

test("probes and metrics may have addresses of their own, IPv6 too", () => {
  const { addresses } = settings(["--health-address", "[::1]:1", "--metrics-address", ":2"]);
  expect(addresses).toEqual([
    { host: "::1", port: 1 },
    { host: "0.0.0.0", port: 2 },
  ]);
  expect(settings(["--health-address", "a:3", "--metrics-address", "a:3"]).addresses).toHaveLength(1);
});

test("certificates come whole or not at all", () => {
  const files = ["--validator-ca", "a", "--validator-cert", "c"];
  expect(refused(["--image", "i", "--kubeconfig", kubeconfig, ...files])).toMatch(/all three or none/);
  expect(settings([...files, "--validator-key", "k"]).credentials).toEqual({ ca: "a", cert: "c", key: "k" });
});

test.each([
  [[], /--image/],
  [["--image", "i"], /name the cluster with --kubeconfig/],
  [["--image", "i", "--kubeconfig", "/nonexistent"], /\/nonexistent cannot be read/],
  [["--image", "i", "--kubeconfig", kubeconfig, "--namespace", "Big"], /"Big" is no namespace/],
  [["--image", "i", "--kubeconfig", kubeconfig, "--health-address", "8081"], /host:port/],
  [["--image", "i", "--kubeconfig", kubeconfig, "--health-address", "a:70000"], /host:port/],
  [["--image", "i", "--kubeconfig", kubeconfig, "--log-level", "loud"], /Allowed choices/],
  [["--image", "i", "--kubeconfig", kubeconfig, "--colour", "red"], /unknown option/],
])("%j is refused with a sentence", (args, message) => {
  expect(refused(args)).toMatch(message);
});
