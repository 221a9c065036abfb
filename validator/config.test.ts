import { describe, expect, test } from "vitest";
import { configFields, exitCodes, helpText, parseConfig } from "./config.ts";

const least = {
  seat: "one",
  dataDir: "data",
  p2p: { listen: ["/ip4/127.0.0.1/tcp/7100"] },
  rpc: { host: "127.0.0.1", port: 7200 },
  metrics: { host: "0.0.0.0", port: 7300 },
};

function problems(config: unknown): readonly string[] {
  const result = parseConfig(typeof config === "string" ? config : JSON.stringify(config));
  return result.kind === "invalid" ? result.problems : [];
}

test("the least configuration gets every default", () => {
  const result = parseConfig(JSON.stringify(least));
  expect(result).toMatchObject({
    kind: "ok",
    config: {
      peers: [],
      log: { level: "info" },
      unreachableAfterMs: 5_000,
      parameters: {},
      rpc: { limits: { streamsPerConnection: 512 } },
    },
  });
});

describe("errors name the field and the fix", () => {
  test.each([
    ["{", /^not JSON: .*\. Write one JSON object\.$/],
    ["[]", /^\(the file\): must be object\.$/],
    [{ ...least, seat: undefined }, /^seat: missing\. Add it \(string\)\.$/],
    [{ ...least, seat: 5 }, /^seat: must be string\.$/],
    [{ ...least, seat: "One!" }, /^seat: must be lower-case letters/],
    [{ ...least, colour: "red" }, /^colour: unknown field\. Remove it/],
    [{ ...least, rpc: { ...least.rpc, portt: 1 } }, /^rpc\.portt: unknown field/],
    [{ ...least, rpc: { ...least.rpc, port: 70_000 } }, /^rpc\.port: too large, at most 65535\.$/],
    [{ ...least, metrics: { ...least.metrics, port: -1 } }, /^metrics\.port: too small, at least 0\.$/],
    [{ ...least, p2p: { listen: ["127.0.0.1:7100"] } }, /^p2p\.listen\.0: must be a TCP multiaddress/],
    [{ ...least, p2p: { listen: [] } }, /^p2p\.listen: too small, at least 1\.$/],
    [{ ...least, log: { level: "loud" } }, /^log\.level: must be one of trace, debug, info, warn, error\.$/],
    [
      { ...least, parameters: { timeoutPolicy: "guess" } },
      /^parameters\.timeoutPolicy: must be one of ema, jacobson, learned\.$/,
    ],
    [{ ...least, parameters: { minTimeout: 1 } }, /^parameters\.minTimeout: too small, at least 10\.$/],
    [
      { ...least, parameters: { minTimeout: 500, maxTimeout: 400 } },
      /^parameters\.minTimeout: 500 is above maxTimeout 400/,
    ],
    // Governed parameters are chain state.
    [{ ...least, parameters: { epochBlocks: 10 } }, /^parameters\.epochBlocks: unknown field/],
    [
      { ...least, rpc: { host: "0.0.0.0", port: 1 } },
      /^rpc\.host: 0\.0\.0\.0 is reachable from other machines\. Set rpc\.tls, or bind 127\.0\.0\.1\.$/,
    ],
    [{ ...least, rpc: { ...least.rpc, tls: { cert: "c", key: "k" } } }, /^rpc\.tls\.clientCa: missing/],
    [{ ...least, peers: [{ seat: "one", addresses: ["/ip4/10.0.0.1/tcp/1"] }] }, /^peers: one is this process itself/],
    [
      { ...least, peers: Array(2).fill({ seat: "two", addresses: ["/ip4/10.0.0.1/tcp/1"] }) },
      /^peers: two is listed twice/,
    ],
  ])("%j", (config, expected) => {
    expect(problems(config)).toEqual([expect.stringMatching(expected)]);
  });

  test("all wrong fields at once", () => {
    expect(problems({})).toHaveLength(5);
  });
});

test("any address is allowed with TLS", () => {
  expect(
    problems({ ...least, rpc: { host: "0.0.0.0", port: 1, tls: { cert: "c", key: "k", clientCa: "a" } } }),
  ).toEqual([]);
});

test("help names every field and exit code, and every field has a help text", () => {
  const help = helpText();
  for (const field of configFields()) {
    expect(help).toContain(`  ${field.name}  (`);
    expect(field.help, field.name).not.toBe("");
  }
  for (const { code, meaning } of Object.values(exitCodes)) expect(help).toContain(`  ${code}  ${meaning}`);
});
