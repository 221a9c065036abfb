/** One gateway: its clients, records, feeds and followers, put together and taken down in order. */
import { join } from "node:path";
import type { Logger } from "pino";
import type { MessageOutcome, SettledBlock } from "../proto/validator/v1/validator_pb.js";
import type { GatewayConfig } from "./config.ts";
import { deliveryEntry, fetchMessage, type OpenedMessage } from "./deliveries.ts";
import type { Directory } from "./directory.ts";
import { type Feed, type FeedEntry, openFeed } from "./feed.ts";
import { type Client, createFiles, type Files } from "./files.ts";
import { type FileState, type Intake, type Outcome, openIntake } from "./intake.ts";
import { reportVersionFor, writeStatusReport } from "./iso20022/pacs002.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { ALL_INSTITUTIONS, followSettlements, pause } from "./outcomes.ts";
import { readSalts, readSigner } from "./signing.ts";
import { reportOn } from "./status.ts";
import { connectValidators, fetchDirectory, type Validator } from "./validators.ts";
import { runWebhook } from "./webhook.ts";

/** One institution of this gateway. */
export interface Institution extends Client {
  /** Settled payments to it. */
  readonly feed: Feed;
  /** Final status of the files it sent. */
  readonly reports: Feed;
  readonly webhook: string | undefined;
}

export interface Gateway {
  readonly config: GatewayConfig;
  readonly metrics: Metrics;
  readonly files: Files;
  readonly intake: Intake;
  readonly validators: readonly Validator[];
  readonly institutions: ReadonlyMap<string, Institution>;
  readonly directory: () => Directory | undefined;
  /** Why it cannot serve now; undefined when it can. */
  readonly notReady: () => string | undefined;
  /** Rejects when following the chain failed for good: a bug or a full disk. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** A gateway, or why it cannot start. */
export type OpenResult =
  | { readonly kind: "ok"; readonly gateway: Gateway }
  | { readonly kind: "invalid"; readonly message: string };

const DIRECTORY_INTERVAL = 5_000;
const DIRECTORY_RETRY = 300;
const STREAM_RETRY = 500;
const WEBHOOK_RETRY = { first: 500, last: 60_000 } as const;
/** Rounds over all validators before a message that none serves is given up, and the pause between them, ms. */
const FETCH_ROUNDS = 60;
const FETCH_PAUSE = 250;
/** As many rounds in which all but the faulty power says that it has no such payload end the search. */
const ABSENT_ROUNDS = 4;
/** Messages of a block fetched at once. */
const FETCH_PARALLEL = 16;

/** Reads keys and records, opens the feeds, starts following the chain. */
export async function openGateway(config: GatewayConfig, log: Logger): Promise<OpenResult> {
  const institutions = new Map<string, Institution>();
  for (const { bic, keyFile, zone, webhook } of config.institutions) {
    const key = await readSigner(keyFile);
    if (key.kind === "invalid") return key;
    const feed = await openFeed(join(config.dataDir, "feeds", bic), config.limits.feedBytes);
    const reports = await openFeed(join(config.dataDir, "reports", bic), config.limits.feedBytes);
    institutions.set(bic, { bic, signer: key.signer, zone, feed, reports, webhook });
  }
  const salts = await readSalts(config.dataDir);
  const intake = await openIntake(join(config.dataDir, "intake"), config.limits.maxRetainedPayments);
  return { kind: "ok", gateway: start(config, log, institutions, intake, salts) };
}

function start(
  config: GatewayConfig,
  log: Logger,
  institutions: ReadonlyMap<string, Institution>,
  intake: Intake,
  salts: Awaited<ReturnType<typeof readSalts>>,
): Gateway {
  const metrics = createMetrics();
  const { validators, close: disconnect } = connectValidators(config, log);
  const stop = new AbortController();
  const { signal } = stop;
  let directory: Directory | undefined;
  /** Enough validators answered alike when last asked. */
  let reachable = false;

  const files = createFiles({
    validators,
    directory: () => directory,
    intake,
    salts,
    metrics,
    messageLifetime: config.messageLifetime,
    submitTimeout: config.submitTimeout,
    now: Date.now,
  });
  const refresh = async (): Promise<void> => {
    while (!signal.aborted) {
      const newest = await fetchDirectory(validators, config.submitTimeout);
      if (newest !== undefined && directory === undefined)
        log.info({ institutions: newest.institutions.size }, "directory agreed");
      reachable = newest !== undefined;
      directory = newest ?? directory;
      await pause(!reachable ? DIRECTORY_RETRY : DIRECTORY_INTERVAL, signal);
    }
  };
  const context: Context = {
    config,
    log,
    institutions,
    intake,
    metrics,
    validators,
    signal,
    directory: () => directory,
  };
  const follow = async (): Promise<void> => {
    while (directory === undefined && !signal.aborted) await pause(50, signal);
    if (directory === undefined) return;
    const [only] = institutions.keys();
    await followSettlements({
      validators,
      height: intake.height,
      institution: institutions.size === 1 ? (directory.institution(only!) ?? ALL_INSTITUTIONS) : ALL_INSTITUTIONS,
      directory: () => directory!,
      onBlock: (block) => settle(context, block),
      onStream: (seat, open) => metrics.streams.set({ seat }, open ? 1 : 0),
      onWarning: (seat, message) => log.warn({ seat, reason: message }, "settlements cannot be followed"),
      retryMs: STREAM_RETRY,
      signal,
    });
  };
  const webhooks = [...institutions.values()]
    .filter(({ webhook }) => webhook !== undefined)
    .map((institution) => push(context, institution));
  const running = [refresh(), follow(), ...webhooks];
  const failed = new Promise<never>((_, reject) => {
    for (const task of running) task.catch((error: unknown) => !signal.aborted && reject(error));
  });
  // Whoever runs the gateway awaits it; who does not must not crash for it.
  failed.catch(() => undefined);

  return {
    config,
    metrics,
    files,
    intake,
    validators,
    institutions,
    directory: () => directory,
    notReady: () => {
      if (directory === undefined) return "the chain's directory is not agreed on yet";
      return reachable ? undefined : "too few validators answer to believe an outcome";
    },
    failed,
    async close() {
      stop.abort();
      await Promise.allSettled(running);
      disconnect();
      for (const { feed, reports } of institutions.values()) {
        await feed.close();
        await reports.close();
      }
      await intake.close();
    },
  };
}

interface Context {
  readonly config: GatewayConfig;
  readonly log: Logger;
  readonly institutions: ReadonlyMap<string, Institution>;
  readonly intake: Intake;
  readonly metrics: Metrics;
  readonly validators: readonly Validator[];
  readonly signal: AbortSignal;
  readonly directory: () => Directory | undefined;
}

/** An agreed block: deliveries, then reports, then the record; each of which a repetition after a crash leaves as it is. */
async function settle(context: Context, block: SettledBlock): Promise<void> {
  const { intake, metrics } = context;
  const waiting = block.messages.map((outcome, position) => ({
    outcome,
    position,
    creditors: ownCreditors(context, outcome),
  }));
  const ours = waiting.filter(({ creditors }) => creditors.length > 0);
  for (let at = 0; at < ours.length; at += FETCH_PARALLEL) {
    const group = ours.slice(at, at + FETCH_PARALLEL);
    const opened = await Promise.all(group.map(({ outcome }) => fetchUntilFound(context, outcome)));
    for (const [index, one] of group.entries()) await deliver(context, block, one, opened[index]);
  }
  const outcomes = block.messages.map(
    ({ institution, messageKey, reasons }): Outcome => [institution, Buffer.from(messageKey).toString("hex"), reasons],
  );
  await intake.settle(Number(block.height), Number(block.time), outcomes, (files) => report(context, block, files));
  metrics.height.set(Number(block.height));
}

type OwnCreditor = { readonly index: number; readonly institution: Institution };

function ownCreditors({ institutions, directory }: Context, { creditors }: MessageOutcome): readonly OwnCreditor[] {
  return creditors.flatMap((index) => {
    const institution = institutions.get(directory()?.institutions.get(index)?.bic ?? "");
    return institution === undefined ? [] : [{ index, institution }];
  });
}

type Waiting = {
  readonly outcome: MessageOutcome;
  readonly position: number;
  readonly creditors: readonly OwnCreditor[];
};

async function deliver(
  context: Context,
  block: SettledBlock,
  { outcome, position, creditors }: Waiting,
  opened: OpenedMessage | undefined,
): Promise<void> {
  const directory = context.directory();
  if (directory === undefined || opened === undefined) return;
  for (const { index, institution } of creditors) {
    const entry = deliveryEntry(outcome, opened, index, { block, position }, directory);
    if (entry === undefined) continue;
    const added = await institution.feed.append([entry]);
    context.metrics.deliveries.inc({ kind: entry.kind }, added);
  }
}

/**
 * A settled message's private payload is held by members of its zone: what one does not serve now, another does, or it
 * does later. A message whose sender gave none to the vault cannot be delivered; nothing may wait for it for ever.
 */
async function fetchUntilFound(context: Context, outcome: MessageOutcome): Promise<OpenedMessage | undefined> {
  const { validators, config, signal, log, directory } = context;
  let absent = 0;
  for (let round = 0; round < FETCH_ROUNDS && absent < ABSENT_ROUNDS && !signal.aborted; round++) {
    const fetched = await fetchMessage(validators, outcome, config.submitTimeout);
    if (fetched.kind === "found") return fetched.opened;
    const { powers, faultPower } = directory() ?? { powers: new Map<string, number>(), faultPower: 0 };
    let [total, denying] = [0, 0];
    for (const [seat, power] of powers) {
      total += power;
      if (fetched.absentAt.has(seat)) denying += power;
    }
    absent = denying > 0 && denying >= total - faultPower ? absent + 1 : 0;
    await pause(FETCH_PAUSE, signal);
  }
  // Stopping: the block is acted on again after the restart.
  if (signal.aborted) throw new Stopped();
  context.metrics.deliveries.inc({ kind: "undeliverable" });
  log.error(
    { message: Buffer.from(outcome.message).toString("hex") },
    "no validator serves the settled message: it was not delivered",
  );
  return undefined;
}

class Stopped extends Error {}

/** The final pacs.002 of files that have all their outcomes, to their senders. */
async function report(
  { institutions, intake, metrics, directory }: Context,
  block: SettledBlock,
  files: readonly FileState[],
): Promise<void> {
  for (const [at, state] of files.entries()) {
    const bic = directory()?.institutions.get(state.institution)?.bic ?? "";
    const institution = institutions.get(bic);
    const record = await intake.record(state.institution, state.messageId);
    if (institution === undefined || record === undefined) continue;
    const status = reportOn(record, state, "now");
    const entry: FeedEntry = {
      kind: "pacs.002",
      height: Number(block.height),
      position: at,
      name: reportVersionFor(record.version),
      messageId: status.messageId,
      from: bic,
      settled: new Date(Number(block.time)).toISOString(),
      uetrs: record.payments.flatMap(({ uetr }) => (uetr === undefined ? [] : [uetr])),
      xml: writeStatusReport(status),
    };
    metrics.deliveries.inc({ kind: entry.kind }, await institution.reports.append([entry]));
    metrics.settlement.observe(Math.max(0, (Date.now() - record.received) / 1000));
  }
}

/** Pushes both feeds of an institution to its webhook. */
async function push({ config, metrics, signal }: Context, { bic, feed, reports, webhook }: Institution): Promise<void> {
  const to = (name: string, source: Feed): Promise<void> =>
    runWebhook({
      url: webhook!,
      feed: source,
      cursorFile: join(config.dataDir, "webhooks", `${bic}.${name}`),
      signal,
      retry: WEBHOOK_RETRY,
      timeout: config.submitTimeout,
      onResult: (result, lag) => {
        metrics.webhooks.inc({ result });
        metrics.webhookLag.set({ bic }, lag);
      },
    });
  await Promise.all([to("feed", feed), to("reports", reports)]);
}
