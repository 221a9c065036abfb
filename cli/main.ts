#!/usr/bin/env node
/** `swarm`; also `kubectl swarm`, as `kubectl-swarm`, and its completion, as `kubectl_complete-swarm`. */
import { realpathSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const [, called, ...args] = process.argv;
// Linked as a command, this file's path is the link's.
if (called !== undefined && realpathSync(called) === fileURLToPath(import.meta.url)) {
  // Halves the time of a command. Not in the folder for everybody's files: what is in it is run.
  enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "validator-swarm"));
  // `swarm logs | head`: the reader has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  const { createProgram } = await import("./program.ts");
  const command = basename(called);
  const program = createProgram({ name: command.startsWith("kubectl") ? "kubectl swarm" : "swarm" });
  if (command === "kubectl_complete-swarm") await program.completeForKubectl(args);
  else process.exitCode = await program.run(args);
}
