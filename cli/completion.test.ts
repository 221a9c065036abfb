import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { complete } from "./completion.ts";
import { createProgram } from "./program.ts";
import { createCluster, podResource, swarmResource } from "./testing/cluster.ts";
import { putQuickstart } from "./testing/quickstart.ts";
import { createHome, mainFile } from "./testing/run.ts";

describe("from the command tree", () => {
  const { commands } = createProgram();
  const words = (...line: string[]) => {
    const found = complete(commands, line);
    return found.kind === "words" ? found.words.map(({ word }) => word) : found;
  };

  test.each<[string[], unknown]>([
    [["sta"], ["status"]],
    [["s"], ["status", "scale", "submit"]],
    [["nothing"], []],
    [
      ["status", "--output", ""],
      ["text", "json"],
    ],
    [["status", "--output", "j"], ["json"]],
    [["status", "--wat"], ["--watch"]],
    [["status", "--output", "json", "--o"], []],
    [["status", "x", ""], []],
    [["apply", "-f", ""], { kind: "files" }],
    [["apply", "-f", "a.yaml", ""], { kind: "files" }],
    [["apply", "-f", "a.yaml", "--dry"], ["--dry-run"]],
    [["status", "--kubeconfig", ""], { kind: "files" }],
    [["status", "-n", ""], []],
    [["submit", ""], { kind: "files" }],
    [["proof", ""], []],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [["completion", "bash", ""], []],
    [["scale", ""], { kind: "names", of: "swarm", options: {} }],
    [
      ["logs", "--follow", "--namespace", "a", "--context=b", "qu"],
      { kind: "names", of: "pod", options: { follow: "", namespace: "a", context: "b" } },
    ],
  ])("%j", (line, expected) => {
    expect(words(...line)).toEqual(expected);
  });

  test("every command and every option has a description", () => {
    for (const command of commands.commands) {
      expect(command.description(), command.name()).toMatch(/\.$/);
      for (const { flags, description } of command.options)
        expect(description, `${command.name()} ${flags}`).not.toBe("");
    }
  });
});

test("names come from the API server, quickly or not at all", async () => {
  await using cluster = await createCluster();
  putQuickstart(cluster);
  cluster.put(swarmResource, "other", { spec: {} });
  cluster.put(podResource, "stranger", {});
  const ask = async (...line: string[]) => (await cluster.run(["__complete", ...line])).out;
  expect(await ask("status", "")).toBe("other\nquickstart\n");
  expect(await ask("status", "q")).toBe("quickstart\n");
  expect((await ask("logs", "quickstart-e")).split("\n")).toEqual([
    "quickstart-eu-north-0",
    "quickstart-eu-west-0",
    "quickstart-eu-north-0-g1",
    "quickstart-eu-west-0-g1",
    "",
  ]);
  // Options of the words are not the program's own.
  expect(await ask("status", "--help")).toContain("--help\t");
  cluster.server.inject("list", { kind: "stall", afterLines: 0 });
  expect(await cluster.run(["__complete", "status", ""])).toMatchObject({ code: 0, out: "", err: "" });
});

test("kubectl asks a program of its own", async () => {
  using home = createHome();
  const file = join(home.path, "kubectl_complete-swarm");
  symlinkSync(mainFile, file);
  expect((await home.run(["stat"], { file })).out).toMatch(/^status\tShow a swarm.*\n:4\n$/);
  expect((await home.run(["apply", "-f", ""], { file })).out).toBe(":0\n");
});

describe("bash", () => {
  /** What bash makes of a line that ends where Tab is pressed. */
  async function typed(words: readonly string[]): Promise<string> {
    using home = createHome();
    const bin = join(home.path, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "swarm"), `#!/bin/sh\nexec "${process.execPath}" "${mainFile}" "$@"\n`);
    chmodSync(join(bin, "swarm"), 0o755);
    const script = `source <(swarm completion bash)
COMP_WORDS=(swarm ${words.map((word) => `'${word}'`).join(" ")}) COMP_CWORD=${words.length}
compopt() { echo "compopt $1 $2"; }
"$(complete -p swarm | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, HOME: home.path, PATH: `${bin}${delimiter}${process.env["PATH"]}` };
    return (await promisify(execFile)("bash", ["--norc", "-c", script], { env })).stdout;
  }

  test("commands without their descriptions", async () => {
    expect(await typed(["s"])).toBe("status\nscale\nsubmit\n");
  });

  test("files are left to bash", async () => {
    expect(await typed(["apply", "-f", ""])).toBe("compopt -o default\n\n");
  });
});

test("zsh and fish get a script too, an unknown shell does not", async () => {
  using home = createHome();
  expect((await home.run(["completion", "zsh"])).out).toMatch(/^#compdef swarm\n/);
  expect((await home.run(["completion", "fish"])).out).toContain("complete -c swarm ");
  expect(await home.run(["completion", "tcsh"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("bash, zsh, fish"),
  });
});
