/** Mistakes and help. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exitMeanings } from "./exit.ts";
import { createHome, type Home } from "./testing/run.ts";

let home: Home;
beforeEach(() => {
  home = createHome();
});
afterEach(() => home[Symbol.dispose]());

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
