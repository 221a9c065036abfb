/**
 * The checkpoint program: `checkpoint COMMAND --config FILE`. It runs in a pod of its own, so that no validator ever
 * holds the credentials of a store.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { openManifest } from "./check.ts";
import { type CheckpointConfig, readConfig } from "./config.ts";
import { openDirectoryStore } from "./directory-store.ts";
import { listCheckpoints, prune } from "./keep.ts";
import { encodeOutcome, type RunOutcome } from "./outcome.ts";
import { parseRecovery, signRecovery } from "./recovery.ts";
import { type RestoreOptions, restore } from "./restore.ts";
import { StoreError } from "./result.ts";
import { openS3Store } from "./s3-store.ts";
import { validatorSource } from "./source.ts";
import type { ObjectStore } from "./store.ts";
import { pruneOptions, take, verify } from "./take.ts";

/** A configuration that cannot work: nothing is gained by starting again. */
const exConfig = 78;

const help = `checkpoint COMMAND --config FILE

take    write a checkpoint, restore it, remove what is too old
verify  restore the one that \`manifest\` names, and execute the blocks above it
prune   remove what is too old, never the last verified one
list    one line of JSON a checkpoint, ascending by height
restore give the members of a restored chain the state of the one that \`manifest\` names
recovery --settled-height N --chain-name NAME --sign POSITION:FILE [--sign …] [--recovery FILE]
        print the statement that allows a chain of that name to go on from \`manifest\`, signed with ed25519 seeds of
        the governance set (64 hexadecimal digits in a file); --recovery adds to the signatures of another
`;

const log = pino({ name: "checkpoint", level: process.env["LOG_LEVEL"] ?? "info" }, pino.destination(2));

type Command = (options: RestoreOptions) => Promise<RunOutcome>;

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
  restore,
  recovery: async ({ config, store }) => {
    const { manifest = "", manifestDigest } = config;
    const opened = await openManifest(store, manifest, { chainId: config.chainId, digest: manifestDigest });
    if (opened.kind === "failed") return { failure: { reason: opened.reason, message: opened.message } };
    const settledHeight = Number(values["settled-height"]);
    const chainName = values["chain-name"] ?? "";
    const signers = (values.sign ?? []).map((text) => {
      const at = text.indexOf(":");
      return { key: Number(text.slice(0, at)), seed: readFileSync(text.slice(at + 1), "utf8").trim() };
    });
    const before = values.recovery === undefined ? undefined : parseRecovery(readFileSync(values.recovery, "utf8"));
    const text = JSON.stringify(signRecovery(opened.manifest, { settledHeight, chainName }, signers, before));
    if (!parseRecovery(text))
      return { failure: { reason: "Refused", message: "the options make no statement: see --help" } };
    process.stdout.write(`${text}\n`);
    return {};
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

const { values, positionals } = parseArgs({
  options: {
    config: { type: "string" },
    help: { type: "boolean", short: "h" },
    "settled-height": { type: "string" },
    "chain-name": { type: "string" },
    sign: { type: "string", multiple: true },
    recovery: { type: "string" },
  },
  allowPositionals: true,
});

async function main(): Promise<number> {
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
  const validators = config.validators.map(({ seat, url }) => validatorSource(seat, url, config.tls));
  const outcome = await command({
    config,
    store: openStore(config),
    sources: validators,
    members: validators,
    now: Date.now,
    onProgress: (progress) => {
      // Once a second is enough for whoever watches.
      if (Date.now() - said < 1_000) return;
      said = Date.now();
      log.info(progress, "progress");
    },
    onProblem: ({ reason, message }) => log.warn({ reason }, message),
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
