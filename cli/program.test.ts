/** Mistakes, help, and the swarm of this machine. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exitMeanings } from "./exit.ts";
import { writeTestEndpoints } from "./testing/endpoints.ts";
import { createHome, type Home } from "./testing/run.ts";

let home: Home;
let directory: string;
beforeEach(() => {
  home = createHome();
  directory = join(home.path, ".swarm");
});
afterEach(() => home[Symbol.dispose]());

const leaveEndpoints = (name: string) => writeTestEndpoints(directory, name);

const uetr = "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3";
const proof = (...more: string[]) => home.run(["proof", uetr, ...more]);

describe("a command line", () => {
  test("help names the commands, and every command the exit codes", async () => {
    const { code, out } = await home.run(["--help"]);
    expect(code).toBe(0);
    for (const word of ["apply", "status", "scale", "explain", "logs", "delete", "submit", "proof", "verify-proof"])
      expect(out).toContain(`\n  ${word} `);
    const help = await home.run(["scale", "--help"]);
    for (const [exit, meaning] of exitMeanings) expect(help.out).toContain(`\n  ${exit}  ${meaning}\n`);
  });

  test.each<[string, string[], string]>([
    ["an unknown command", ["settle"], "unknown command 'settle'"],
    ["a missing argument", ["submit"], "missing required argument 'file'"],
    ["a missing option", ["scale", "x"], "required option '--replicas <count>' not specified"],
    ["an unknown option", ["status", "--colour"], "unknown option '--colour'"],
    ["an unknown format", ["status", "--output", "xml"], "Allowed choices are text, json."],
    ["a wrong number", ["submit", "x.xml", "--timeout", "-1"], "Use a number of seconds above 0."],
    ["nothing", [], "Usage: swarm"],
  ])("%s is a mistake and says so", async (_, args, message) => {
    const { code, out, err } = await home.run(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

describe("the swarm of this machine", () => {
  const start = "Or name validators with --validator URL and --genesis FILE.\n";

  test("none runs", async () => {
    const { code, err } = await proof();
    expect([code, err]).toEqual([
      3,
      `No swarm runs from ${directory}. Start one with npm start, or set SWARM_DIR. ${start}`,
    ]);
  });

  test("one was killed and left its files", async () => {
    leaveEndpoints("one");
    writeFileSync(join(directory, "lock"), JSON.stringify({ pid: process.pid, started: "long ago" }));
    expect(await proof()).toMatchObject({ code: 3, err: expect.stringContaining("No swarm runs from") });
  });

  test("several run", async () => {
    leaveEndpoints("one");
    leaveEndpoints("two");
    expect((await proof()).err).toBe(`Several swarms run: one, two. Choose one with --swarm NAME. ${start}`);
    expect((await proof("--swarm", "one")).code).toBe(6);
  });

  test("its file is damaged", async () => {
    leaveEndpoints("one");
    writeFileSync(join(directory, "one", "endpoints.json"), "{");
    expect(await proof()).toMatchObject({
      code: 3,
      err: expect.stringContaining("is damaged. Start the swarm again."),
    });
  });

  test("no validator answers", async () => {
    leaveEndpoints("one");
    const { code, err } = await proof();
    expect([code, err]).toEqual([6, "No validator answers. Is the swarm still running?\n"]);
  });

  test("its gateway does not answer", async () => {
    leaveEndpoints("one");
    writeFileSync(join(home.path, "x.xml"), "<a/>");
    const { code, err } = await home.run(["submit", "x.xml", "--as", "QSWADEFFXXX"]);
    expect([code, err]).toEqual([
      6,
      expect.stringMatching(/^The gateway at http:\/\/127\.0\.0\.1:9 does not answer \(/),
    ]);
  });

  test("a file that is not there, and one that names nobody", async () => {
    leaveEndpoints("one");
    const none = await home.run(["submit", "none.xml"]);
    expect([none.code, none.err]).toEqual([2, "none.xml cannot be read.\n"]);
    const nobody = await home.run(["submit", "-"], { input: "<a/>" });
    expect([nobody.code, nobody.err]).toEqual([2, "- names no instructing agent. Say who sends it with --as BIC.\n"]);
  });

  test("a UETR that is none", async () => {
    leaveEndpoints("one");
    expect(await home.run(["proof", "E2E-1"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("E2E-1 is no UETR"),
    });
  });
});
