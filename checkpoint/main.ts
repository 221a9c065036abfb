/**
 * The checkpoint program: `checkpoint COMMAND --config FILE`. It runs in a pod of its own, so that no validator ever
 * holds the credentials of a store.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { type CheckpointConfig, readConfig } from "./config.ts";
import { openDirectoryStore } from "./directory-store.ts";
import { listCheckpoints, prune } from "./keep.ts";
import { encodeOutcome, type RunOutcome } from "./outcome.ts";
import { StoreError } from "./result.ts";
import { openS3Store } from "./s3-store.ts";
import { validatorSource } from "./source.ts";
import type { ObjectStore } from "./store.ts";
import { pruneOptions, type RunOptions, take, verify } from "./take.ts";

/** A configuration that cannot work: nothing is gained by starting again. */
const exConfig = 78;

const help = `checkpoint COMMAND --config FILE

take    write a checkpoint, restore it, remove what is too old
verify  restore the one that \`manifest\` names, and execute the blocks above it
prune   remove what is too old, never the last verified one
list    one line of JSON a checkpoint, ascending by height
`;

const log = pino({ name: "checkpoint", level: process.env["LOG_LEVEL"] ?? "info" }, pino.destination(2));

type Command = (options: RunOptions) => Promise<RunOutcome>;

const commands: Readonly<Record<string, Command>> = {
  take,
  verify: (options) => {
    const { manifest, manifestDigest } = options.config;
    return manifest === undefined
      ? Promise.resolve({ failure: { reason: "NotFound", message: "the configuration names no manifest" } })
      : verify(options, manifest, manifestDigest);
  },
  prune: async ({ config, store, now }) => {
    const done = await prune(store, pruneOptions(config, now()));
    if (done.kind === "failed") return { failure: { reason: done.reason, message: done.message } };
    const { kind: _, ...pruned } = done;
    return { pruned };
  },
  list: async ({ config, store }) => {
    for await (const each of listCheckpoints(store, config.chainId)) process.stdout.write(`${line(each)}\n`);
    return {};
  },
};

function line(each: Awaited<ReturnType<ReturnType<typeof listCheckpoints>["next"]>>["value"]): string {
  if (each.kind === "unreadable") return JSON.stringify({ manifest: each.key, failure: each.failure });
  const { height, epoch, stateRoot, time } = each.manifest;
  const { key: manifest, digest: manifestDigest, verification } = each;
  return JSON.stringify({ manifest, manifestDigest, height, epoch, stateRoot, time, verification });
}

function openStore({ destination: { directory, s3 } }: CheckpointConfig): ObjectStore {
  if (!s3) return openDirectoryStore(directory ?? "");
  const secret = (name: string) => readFileSync(join(s3.credentials, name), "utf8").trim();
  const credentials = { accessKeyId: secret("accessKeyId"), secretAccessKey: secret("secretAccessKey") };
  return openS3Store({ ...s3, credentials, now: Date.now });
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { config: { type: "string" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  const command = commands[positionals[0] ?? ""];
  if (values.help || !command || values.config === undefined) {
    process.stderr.write(help);
    return values.help ? 0 : exConfig;
  }
  const read = readConfig(values.config);
  if (read.kind === "invalid") {
    log.fatal(read.message);
    return exConfig;
  }
  const { config } = read;
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  let said = 0;
  const outcome = await command({
    config,
    store: openStore(config),
    sources: config.validators.map(({ seat, url }) => validatorSource(seat, url, config.tls)),
    now: Date.now,
    onProgress: (progress) => {
      // Once a second is enough for whoever watches.
      if (Date.now() - said < 1_000) return;
      said = Date.now();
      log.info(progress, "progress");
    },
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(config.timeout)]),
  }).catch((error: unknown): RunOutcome => {
    if (!(error instanceof StoreError)) throw error;
    return { failure: { reason: "StoreUnavailable", message: error.message } };
  });
  if (config.result !== undefined) writeFileSync(config.result, encodeOutcome(outcome));
  log.info(outcome, outcome.failure ? outcome.failure.message : "done");
  return outcome.failure ? 1 : 0;
}

process.exit(await main());
