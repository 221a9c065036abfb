#!/usr/bin/env node
/** `swarm`: what a person does with a running swarm. */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createProgram } from "./program.ts";

// Linked as a command, this file's path is the link's.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = await createProgram().run(process.argv.slice(2));
