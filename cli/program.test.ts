import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { takeLock } from "../operator/embedded/lock.ts";
import { createProgram } from "./program.ts";

let directory: string;
let out: string;
let err: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "swarm-cli-"));
  vi.stubEnv("SWARM_DIR", directory);
  out = "";
  err = "";
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const swarm = (...args: string[]) =>
  createProgram({
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
  }).run(args);

/** A swarm whose operator lives (it is this process) and whose validators do not: nothing listens there. */
function leaveEndpoints(name: string) {
  mkdirSync(join(directory, name), { recursive: true });
  takeLock(join(directory, name, "lock.json"));
  const url = "http://127.0.0.1:9";
  const seat = {
    seat: `${name}-eu-0`,
    identity: `${name}-eu-0-g1`,
    region: "eu",
    power: 1,
    rpc: url,
    metrics: url,
    log: "",
  };
  const endpoints = {
    swarm: name,
    chainId: "ab".repeat(32),
    pid: 1,
    faultPower: 0,
    gateway: url,
    console: url,
    genesis: join(directory, name, "genesis.json"),
    seats: [seat],
    institutions: [{ bic: "QSWADEFFXXX", name: "" }],
  };
  writeFileSync(join(directory, name, "endpoints.json"), JSON.stringify(endpoints));
}

describe("a command line", () => {
  test("help names the commands and the exit codes", async () => {
    expect(await swarm("--help")).toBe(0);
    for (const word of ["submit", "proof", "verify-proof", "status", "Exit codes:", "  3  no swarm runs here"])
      expect(out).toContain(word);
  });

  test.each<[string, string[], string]>([
    ["an unknown command", ["settle"], "unknown command 'settle'"],
    ["a missing argument", ["submit"], "missing required argument 'file'"],
    ["an unknown option", ["status", "--colour"], "unknown option '--colour'"],
    ["an unknown format", ["status", "--output", "xml"], "Allowed choices are text, json."],
    ["a wrong number", ["submit", "x.xml", "--timeout", "-1"], "Use a number of seconds above 0."],
    ["nothing", [], "Usage: swarm"],
  ])("%s is a mistake and says so", async (_, args, message) => {
    expect(await swarm(...args)).toBe(2);
    expect(err).toContain(message);
    expect(out).toBe("");
  });
});

describe("finding the swarm", () => {
  test("none runs", async () => {
    expect(await swarm("status")).toBe(3);
    expect(err).toBe(`No swarm runs from ${directory}. Start one with npm start, or set SWARM_DIR.\n`);
  });

  test("one was killed and left its files", async () => {
    leaveEndpoints("one");
    writeFileSync(join(directory, "one", "lock.json"), JSON.stringify({ pid: process.pid, started: "long ago" }));
    expect(await swarm("status")).toBe(3);
    expect(err).toContain("No swarm runs from");
  });

  test("several run", async () => {
    leaveEndpoints("one");
    leaveEndpoints("two");
    expect(await swarm("status")).toBe(3);
    expect(err).toBe("Several swarms run: one, two. Choose one with --swarm NAME.\n");
  });

  test("its file is damaged", async () => {
    leaveEndpoints("one");
    writeFileSync(join(directory, "one", "endpoints.json"), "{");
    expect(await swarm("status")).toBe(3);
    expect(err).toContain("is damaged. Start the swarm again.");
  });

  test("it does not answer", async () => {
    leaveEndpoints("one");
    expect(await swarm("status", "--output", "json")).toBe(3);
    expect(JSON.parse(out).seats).toEqual([{ seat: "one-eu-0", region: "eu", power: 1 }]);
  });
});

describe("what cannot be sent or proven", () => {
  beforeEach(() => leaveEndpoints("one"));

  test("a file that is not there", async () => {
    expect(await swarm("submit", join(directory, "none.xml"))).toBe(2);
    expect(err).toMatch(/none\.xml cannot be read\.\n$/);
  });

  test("a file that is no pacs.008 and names nobody", async () => {
    const file = join(directory, "x.xml");
    writeFileSync(file, "<a/>");
    expect(await swarm("submit", file)).toBe(2);
    expect(err).toContain("names no instructing agent. Say who sends it with --as BIC.");
  });

  test("a UETR that is none", async () => {
    expect(await swarm("proof", "E2E-1")).toBe(2);
    expect(err).toContain("E2E-1 is no UETR");
  });

  test("no validator answers", async () => {
    expect(await swarm("proof", "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3")).toBe(3);
    expect(err).toBe("No validator answers. Is the swarm still running?\n");
  });
});
