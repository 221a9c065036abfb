#!/usr/bin/env node
/** `swarm`, and `kubectl swarm` when it is found as `kubectl-swarm`. */
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { createProgram } from "./program.ts";

const [, called, ...args] = process.argv;
// Linked as a command, this file's path is the link's.
if (called !== undefined && realpathSync(called) === fileURLToPath(import.meta.url)) {
  // `swarm logs | head`: the reader has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  const name = basename(called).startsWith("kubectl-") ? "kubectl swarm" : "swarm";
  process.exitCode = await createProgram({ name }).run(args);
}
