/** `npm start`: a swarm on this machine, its first payments, and a live view of both. */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { startConsole } from "../console/server.ts";
import { parseValidatorSwarm } from "./api/validator-swarm.ts";
import { consoleSource } from "./console-source.ts";
import { showDashboard } from "./dashboard.ts";
import { awaitDeliveries, expectedDeliveries } from "./deliveries.ts";
import { type Fleet, startFleet } from "./embedded/fleet.ts";
import { followFleet, type Live } from "./embedded/live.ts";
import { defaultPortBase, highestPortBase } from "./embedded/ports.ts";
import { awaitAgreement, type SampleResult, sendSamples } from "./sample.ts";
import { bold, cyan, dim, green, paymentTable, red } from "./terminal.ts";

/** Exit codes, printed by --help. */
const exit = { ok: 0, failed: 1, usage: 2 } as const;
const quickstart = join(import.meta.dirname, "../manifests/quickstart.yaml");
const agreementMs = 15_000;
const deliveryMs = 5_000;
const sameKeyMs = 1_000;

interface StartOptions {
  readonly file: string;
  readonly portBase: number;
  readonly once: boolean;
  readonly sample: boolean;
}

const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s`;
const progress = (line: string) => console.log(`${dim(seconds())}  ${line}`);

const command = new Command("npm start --")
  .description("Starts a swarm of validators and a gateway on this machine and settles the sample payments.")
  .addOption(
    new Option("--file <manifest>", "the ValidatorSwarm to start").default(quickstart, "manifests/quickstart.yaml"),
  )
  .option("--port-base <port>", "first port; the others follow", parsePort, defaultPortBase)
  .option("--once", "end after the sample is settled on every validator", false)
  .option("--no-sample", "send no payments")
  .addHelpText(
    "after",
    `
Exit codes:
  0  stopped on request, or with --once: the sample settled on every validator with equal state roots
  1  the swarm did not start, or the sample did not settle; the reason is printed, with where the logs are
  2  wrong arguments or manifest

State is kept in SWARM_DIR (default .swarm): a second start continues the same chain. Remove it to start a new one.`,
  );
command.exitOverride((error) => process.exit(error.exitCode === 0 ? exit.ok : exit.usage));
command.parse();
process.exitCode = await main(command.opts<StartOptions>());

async function main(options: StartOptions): Promise<number> {
  const stopping = stopSignal();
  let text: string;
  try {
    text = readFileSync(options.file, "utf8");
  } catch {
    return refuse(`${options.file} cannot be read. Name a manifest with --file.`);
  }
  const parsed = parseValidatorSwarm(text);
  if (parsed.kind === "invalid") {
    for (const { field, message } of parsed.problems) console.error(`${field === "" ? "" : `${field}: `}${message}`);
    return exit.usage;
  }
  const highest = highestPortBase(parsed.swarm.spec.replicas);
  if (options.portBase > highest)
    return refuse(`--port-base ${options.portBase} leaves no room. Use at most ${highest}.`);

  console.log(`\n  ${bold("Validator Swarm")}  ${dim(relative(process.cwd(), options.file))}\n`);
  const result = await startFleet(parsed.swarm, { portBase: options.portBase, progress, signal: stopping });
  if (result.kind === "failed") {
    if (stopping.aborted) return exit.ok;
    console.error(`\n${red("The swarm did not start.")} ${result.reason}\nLogs: ${result.logs}`);
    return exit.failed;
  }
  const { fleet } = result;
  const crashes = reportCrashes(fleet);
  const live = followFleet(fleet);
  const source = consoleSource(fleet, live);
  const page = await startConsole(source, Number(new URL(fleet.endpoints.console).port));
  progress(`the page is at ${cyan(page.url)}`);

  const code = await Promise.race([serve(fleet, live, options, stopping), whenStopped(stopping)]);
  crashes.stop();
  if (!options.once || stopping.aborted) progress("ending every process");
  source.close();
  await Promise.all([page.close(), live.close()]);
  await fleet.close();
  if (!options.once || code !== exit.ok || crashes.seen.length === 0) return code;
  console.error(
    `\n${red("The sample settled, but processes ended by themselves:")} ${crashes.seen.join(", ")}.\nLogs: ${fleet.layout.logs}`,
  );
  return exit.failed;
}

/** Says when a process ends by itself; it is started again, but nobody should overlook it. */
function reportCrashes(fleet: Fleet): { readonly seen: readonly string[]; readonly stop: () => void } {
  const seen: string[] = [];
  const stop = fleet.runtime.watch((name, state) => {
    if (state.kind === "running") return;
    seen.push(name);
    const { code, signal } = state.exit;
    const next = state.kind === "ended" ? "stays down" : "starts again";
    progress(
      red(
        `${name} ended (${signal ?? `exit code ${code}`}) and ${next}; see ${join(fleet.layout.logs, `${name}.log`)}`,
      ),
    );
  });
  return { seen, stop };
}

async function serve(fleet: Fleet, live: Live, { once, sample }: StartOptions, stopping: AbortSignal): Promise<number> {
  if (sample) {
    const code = await settleSample(fleet, live);
    if (once) return code;
  } else if (once) return exit.ok;
  if (stopping.aborted) return exit.ok;
  const stop = showDashboard(fleet, live);
  await whenStopped(stopping);
  stop();
  return exit.ok;
}

async function settleSample(fleet: Fleet, live: Live): Promise<number> {
  const logs = `Logs: ${fleet.layout.logs}`;
  const sent = await sendSamples(fleet, live, printResult);
  if (sent.kind === "failed") {
    console.error(`\n${red("The sample did not settle.")} ${sent.reason}\n${logs}`);
    return exit.failed;
  }
  const all = sent.results.flatMap(({ status }) => status.payments);
  const settled = all.filter(({ status }) => status === "ACSC").length;
  const agreement = await awaitAgreement(fleet, sent.results, agreementMs);
  switch (agreement.kind) {
    case "late":
      console.error(`\n${red("The sample did not settle everywhere:")} ${agreement.reason}\n${logs}`);
      return exit.failed;
    case "differs":
      console.error(`\n${red("Validators disagree:")} their state roots differ at block ${agreement.height}.\n${logs}`);
      return exit.failed;
    case "agreed":
      if (settled === 0) {
        console.error(`\n${red("No payment of the sample settled.")} ${logs}`);
        return exit.failed;
      }
      console.log();
      progress(
        `${green("settled")} ${settled} payments, rejected ${all.length - settled} with a reason; ` +
          `${fleet.seats.length} validators have the same state root at block ${agreement.height}`,
      );
      await printDeliveries(fleet, sent.results);
      return exit.ok;
  }
}

/** What the creditors' banks have got by now: the last step of a payment. */
async function printDeliveries(fleet: Fleet, results: readonly SampleResult[]): Promise<void> {
  const deliveries = await awaitDeliveries(fleet.endpoints.gateway, expectedDeliveries(results), deliveryMs);
  const told = deliveries.map(({ institution, delivered, expected }) =>
    delivered === expected ? `${institution} ${delivered}` : red(`${institution} ${delivered} of ${expected}`),
  );
  progress(`delivered as pacs.008 to ${told.join(", ")}`);
}

function printResult({ file, institution, messageId, payments, status, milliseconds }: SampleResult): void {
  console.log();
  progress(`${bold(file)} from ${institution}, message ${messageId}: pacs.002 ${bold(status.status)}`);
  for (const { code, message } of status.reasons) console.log(`           ${red(`${code} ${message}`)}`);
  for (const line of paymentTable(payments, status, milliseconds)) console.log(`  ${line}`);
}

/**
 * Aborts at the first Ctrl-C or SIGTERM. A later one ends this process at once, and its children by their lifelines;
 * not one that comes right after: npm hands on the Ctrl-C that the terminal has given to both.
 */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = () => {
    if (!controller.signal.aborted) first = performance.now();
    else if (performance.now() - first > sameKeyMs) process.exit(exit.failed);
    controller.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  return controller.signal;
}

function whenStopped(signal: AbortSignal): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  if (signal.aborted) resolve(exit.ok);
  else signal.addEventListener("abort", () => resolve(exit.ok), { once: true });
  return promise;
}

function refuse(reason: string): number {
  console.error(reason);
  return exit.usage;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1_024 || port > 65_535)
    throw new InvalidArgumentError("Use a port from 1024 to 65535.");
  return port;
}
