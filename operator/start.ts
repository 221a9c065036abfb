/** `npm start`: the operator and a swarm on this machine, its first payments, and a live view of both. */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { startConsole } from "../console/server.ts";
import { parseValidatorSwarm, type ValidatorSwarm } from "./api/validator-swarm.ts";
import { applyManifest } from "./apply-manifest.ts";
import { consoleSource } from "./console-source.ts";
import { showDashboard } from "./dashboard.ts";
import { awaitDeliveries, expectedDeliveries } from "./deliveries.ts";
import { awaitReady } from "./embedded/bring-up.ts";
import { followSwarm, type Live } from "./embedded/live.ts";
import { type OpenedView, openSwarmView, type SwarmView } from "./embedded/swarm-view.ts";
import { swarmDirectory } from "./embedded/volumes.ts";
import { type EmbeddedWorld, openWorld } from "./embedded/world.ts";
import { gatewayName } from "./objects/names.ts";
import { awaitAgreement, type SampleResult, sendSamples } from "./sample.ts";
import { bold, cyan, dim, green, paymentTable, red, yellow } from "./terminal.ts";

/** Exit codes, printed by --help. */
const exit = { ok: 0, failed: 1, usage: 2 } as const;
const quickstart = join(import.meta.dirname, "../manifests/quickstart.yaml");
const defaultPortBase = 7_400;
/** Ports after the base: 3 for each process and one for each pair of validators, for several swarms. */
const portRange = 8_192;
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
  const { swarm } = parsed;
  if (options.portBase > 65_535 - portRange)
    return refuse(`--port-base ${options.portBase} leaves no room. Use at most ${65_535 - portRange}.`);

  console.log(`\n  ${bold("Validator Swarm")}  ${dim(relative(process.cwd(), options.file))}\n`);
  const clients = `${gatewayName(swarm.metadata.name)} clients`;
  const opened = await openWorld({
    directory: swarmDirectory(),
    portBase: options.portBase,
    fixedPorts: { [clients]: swarm.spec.gateway.port ?? options.portBase, page: options.portBase + 1 },
    onProblem: (message) => progress(red(message)),
  });
  if (opened.kind === "failed") {
    console.error(`\n${red("The operator did not start.")} ${opened.reason}`);
    return exit.failed;
  }
  const { world } = opened;
  const bug = Promise.withResolvers<never>();
  world.failed.catch(bug.reject);
  try {
    return await Promise.race([run(world, swarm, text, options, stopping), bug.promise]);
  } finally {
    if (!options.once || stopping.aborted) progress("ending every process");
    await world.close();
  }
}

async function run(
  world: EmbeddedWorld,
  swarm: ValidatorSwarm,
  text: string,
  options: StartOptions,
  stopping: AbortSignal,
): Promise<number> {
  const { namespace, directory } = world;
  const api = world.api("npm start");
  const { name } = swarm.metadata;
  const applied = await applyManifest(api, namespace, name, text, stopping);
  if (applied.kind === "refused") {
    for (const problem of applied.problems) console.error(problem);
    return exit.usage;
  }
  if (applied.kind === "kept")
    progress(
      yellow(
        `${applied.fields.join(", ")}: changed since by others and kept, with the rest of the swarm as it was. ` +
          `npx swarm apply -f ${options.file} --force-conflicts takes it over`,
      ),
    );

  const port = world.ports.port("page");
  const opened = openSwarmView({ api, namespace, swarm, directory, console: `http://127.0.0.1:${port}` });
  const { view } = opened;
  const logs = `Logs: ${view.layout.logs}`;
  const crashes = reportCrashes(opened);
  try {
    const outcome = await awaitReady(opened, progress, stopping);
    if (outcome.kind === "failed") {
      if (stopping.aborted) return exit.ok;
      console.error(`\n${red("The swarm did not start.")} ${outcome.reason}\n${logs}`);
      return exit.failed;
    }
    const live = followSwarm(view);
    const source = consoleSource(view, live);
    const page = await startConsole(source, port).catch((error: NodeJS.ErrnoException) => error);
    if (page instanceof Error) {
      source.close();
      await live.close();
      console.error(
        `\n${red(`The page cannot listen on port ${port}`)} (${page.code}). Choose others with --port-base.`,
      );
      return exit.failed;
    }
    progress(`the page is at ${cyan(page.url)}`);
    const code = await Promise.race([serve(view, live, options, stopping), whenStopped(stopping)]);
    source.close();
    await Promise.all([page.close(), live.close()]);
    if (!options.once || code !== exit.ok || crashes.length === 0) return code;
    console.error(`\n${red("The sample settled, but processes ended by themselves:")} ${crashes.join(", ")}.\n${logs}`);
    return exit.failed;
  } finally {
    await opened.close();
  }
}

/** Says when a process ends by itself; it is started again, but nobody should overlook it. */
function reportCrashes(opened: OpenedView): readonly string[] {
  const seen: string[] = [];
  opened.onCrash(({ pod, how }) => {
    seen.push(pod);
    progress(red(`${pod} ended (${how}) and starts again; see ${join(opened.view.layout.logs, `${pod}.log`)}`));
  });
  return seen;
}

async function serve(
  fleet: SwarmView,
  live: Live,
  { once, sample }: StartOptions,
  stopping: AbortSignal,
): Promise<number> {
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

async function settleSample(fleet: SwarmView, live: Live): Promise<number> {
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
async function printDeliveries(fleet: SwarmView, results: readonly SampleResult[]): Promise<void> {
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
