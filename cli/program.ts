/** The commands of `swarm` and their options. What a command does is loaded when it is run. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { ApplyOptions } from "./apply.ts";
import { complete, completeWord, completionScript, filesLine, type Shell, shells } from "./completion.ts";
import type { DeleteOptions } from "./delete.ts";
import { type ExitCode, exitCodes, exitMeanings } from "./exit.ts";
import type { GatewayOptions, OpenWorld } from "./find.ts";
import type { LogsOptions } from "./logs.ts";
import { isName, nameRule } from "./names.ts";
import { harmless, type Output } from "./output.ts";
import type { ProofOptions } from "./proof.ts";
import type { ScaleOptions } from "./scale.ts";
import type { StatusOptions } from "./status.ts";
import type { SubmitOptions } from "./submit.ts";
import type { VerifyOptions } from "./verify-proof.ts";
import type { World, WorldOptions } from "./world.ts";

interface OutputOptions {
  readonly output: "text" | "json";
}

export interface ProgramOptions {
  /** `swarm`, or `kubectl swarm`. */
  readonly name?: string;
  /** Gets what goes to standard output. */
  readonly write?: (text: string) => void;
  /** Gets what goes to standard error. */
  readonly writeError?: (text: string) => void;
}

export interface Program {
  /** Runs one command line and resolves with the exit code. */
  readonly run: (args: readonly string[]) => Promise<ExitCode>;
  /** Answers kubectl, which asks a program of its own: candidates, then whether files are meant too. */
  readonly completeForKubectl: (words: readonly string[]) => Promise<void>;
  /** For the documentation. */
  readonly commands: Command;
}

const help = `
Exit codes:
${exitMeanings.map(([code, meaning]) => `  ${code}  ${meaning}`).join("\n")}`;

export function createProgram(options: ProgramOptions = {}): Program {
  const {
    name = "swarm",
    write = (text) => process.stdout.write(text),
    writeError = (text) => process.stderr.write(text),
  } = options;
  const plugin = name.startsWith("kubectl");
  let code: ExitCode = exitCodes.ok;
  const outputOf = ({ output }: OutputOptions): Output => ({
    json: output === "json",
    line: (text) => write(`${harmless(text)}\n`),
    picture: (text) => write(process.stdout.isTTY ? `\u001b[H\u001b[J${harmless(text)}\n` : `${harmless(text)}\n\n`),
    error: (text) => writeError(`${harmless(text)}\n`),
  });

  /** Finds the API server first; without one the command is not run. */
  async function inWorld<O extends OutputOptions & WorldOptions>(
    options: O,
    use: (world: World, output: Output) => Promise<ExitCode>,
  ): Promise<void> {
    const output = outputOf(options);
    const { openWorld } = await import("./world.ts");
    const found = openWorld(options, plugin);
    if (found.kind === "none") {
      output.error(found.reason);
      code = found.code;
      return;
    }
    code = await use(found.world, output);
    found.world.api.close();
  }

  /** For commands that may be told all they need: they look for the API server themselves. */
  async function mayAsk<O extends OutputOptions & WorldOptions>(
    options: O,
    use: (open: OpenWorld, output: Output) => Promise<ExitCode>,
  ): Promise<void> {
    const { openWorld } = await import("./world.ts");
    code = await use(() => openWorld(options, plugin), outputOf(options));
  }

  const program = new Command(name)
    .description("Swarms of validators: apply, watch and scale them; send payments and prove that they settled.")
    .configureOutput({ writeOut: write, writeErr: writeError })
    .exitOverride()
    .addHelpText("after", help);

  const command = (word: string, description: string) =>
    program
      .command(word)
      .description(description)
      .addHelpText("after", help)
      .addOption(new Option("--output <format>", "how to write").choices(["text", "json"]).default("text"));
  const onCluster = (made: Command) =>
    made
      .option("--kubeconfig <file>", `API server and credentials; default: ${whereDefault(plugin)}`)
      .option("--context <name>", "context of the kubeconfig")
      .option("-n, --namespace <name>", "namespace; default: the context's", nameOf);
  const onSwarm = (made: Command) =>
    onCluster(made).option("--swarm <name>", "which swarm, when the namespace has several", nameOf);

  onCluster(command("apply", "Create or change swarms and checkpoints as files say."))
    .requiredOption("-f, --filename <files...>", "YAML files, - for standard input")
    .option("--dry-run", "let the server check it and show what would change; change nothing", false)
    .option("--force-conflicts", "take over fields that others have set", false)
    .action((options: ApplyOptions & OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./apply.ts")).apply(world, options, output)),
    );
  onCluster(
    command("status", "Show a swarm by region and seat, or all swarms: power, role, height, lag, health, pods."),
  )
    .argument("[name]", "the swarm; default: all of the namespace, a line each", nameOf)
    .option("--watch", "show it again whenever it changes", false)
    .action((named: string | undefined, options: StatusOptions & OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./status.ts")).status(world, named, options, output)),
    );
  onCluster(command("scale", "Ask for another number of seats."))
    .argument("<name>", "the swarm", nameOf)
    .requiredOption("--replicas <count>", "seats in all", countOf)
    .option("--wait", "end when all of them vote; shows epochs and power meanwhile", false)
    .option("--timeout <seconds>", "how long to wait", positive, 600)
    .action((named: string, options: ScaleOptions & OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./scale.ts")).scale(world, named, options, output)),
    );
  onCluster(
    command("replace", "Give a seat to a new identity: new keys on a new volume; the seat changes hands on chain."),
  )
    .argument("<seat>", "such as quickstart-eu-west-0", nameOf)
    .action((seat: string, options: OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./order.ts")).orderReplacement(world, seat, output)),
    );
  const sleeps = {
    hibernate: "End all pods of a swarm and keep its volumes.",
    wake: "Start a hibernating swarm on its volumes.",
  };
  for (const word of ["hibernate", "wake"] as const)
    onCluster(command(word, sleeps[word]))
      .argument("<name>", "the swarm", nameOf)
      .action((named: string, options: OutputOptions & WorldOptions) =>
        inWorld(options, async (world, output) => (await import("./order.ts")).orderSleep(world, named, word, output)),
      );
  const rollouts = {
    promote: "Promote the green fleet when its evidence is whole, though promotion.auto is false.",
    pause: "Hold a rollout where it is.",
    resume: "Let a paused rollout go on.",
    rollback: "Bring the blue fleet back.",
  };
  for (const word of ["promote", "pause", "resume", "rollback"] as const)
    onCluster(command(word, rollouts[word]))
      .argument("<name>", "the swarm", nameOf)
      .action((named: string, options: OutputOptions & WorldOptions) =>
        inWorld(options, async (world, output) =>
          (await import("./order.ts")).orderRollout(world, named, word, output),
        ),
      );
  onCluster(command("explain", "Show what the operator would do next, why, and what blocks it."))
    .argument("<name>", "the swarm", nameOf)
    .action((named: string, options: OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./explain.ts")).explain(world, named, output)),
    );
  onCluster(command("logs", "Show the log of a validator or a gateway."))
    .argument("<seat|pod>", "a seat, such as quickstart-eu-west-0, or a pod", nameOf)
    .option("--follow", "go on with new lines until the container ends", false)
    .option("--previous", "of the container before the last restart", false)
    .option("--tail <lines>", "only so many from the end", countOf)
    .action((target: string, options: LogsOptions & OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./logs.ts")).logs(world, target, options, output)),
    );
  onCluster(command("delete", "Delete a swarm. Its volumes stay unless its retainPolicy is Delete."))
    .argument("<name>", "the swarm", nameOf)
    .option("--delete-volumes", "needed when the volumes go with it", false)
    .option("--wait", "end when it is gone", false)
    .option("--timeout <seconds>", "how long to wait", positive, 600)
    .action((named: string, options: DeleteOptions & OutputOptions & WorldOptions) =>
      inWorld(options, async (world, output) => (await import("./delete.ts")).remove(world, named, options, output)),
    );
  onSwarm(command("submit", "Send a pacs.008 file through the gateway and show its pacs.002."))
    .argument("<file>", "pacs.008 in XML, or - for standard input")
    .option("--as <bic>", "the institution that sends it; default: the file's instructing agent")
    .option("--no-wait", "return when it is accepted, not when it is settled")
    .option("--timeout <seconds>", "how long to wait for settlement", positive, 60)
    .addOption(new Option("--gateway <url>", "gateway of a cluster").argParser(urlOf).conflicts("swarm"))
    .option("--cert <file>", "client certificate for the gateway, PEM")
    .option("--key <file>", "its private key, PEM")
    .option("--ca <file>", "authority that vouches for the gateway, PEM")
    .action((file: string, options: SubmitOptions & GatewayOptions & OutputOptions & WorldOptions) =>
      mayAsk(options, async (open, output) => (await import("./submit.ts")).submit(open, file, options, output)),
    );
  onSwarm(command("proof", "Fetch the proof that a payment settled."))
    .argument("<uetr>", "the payment's UETR")
    .option("-o, --out <file>", "write the proof there; default: UETR.proof, - for standard output")
    .addOption(
      new Option("--validator <urls...>", "RPC of validators of a cluster").argParser(urlsOf).conflicts("swarm"),
    )
    .option("--genesis <file>", "genesis document of their chain")
    .action((uetr: string, options: ProofOptions & OutputOptions & WorldOptions) =>
      mayAsk(options, async (open, output) => (await import("./proof.ts")).showProof(open, uetr, options, output)),
    );
  onSwarm(command("verify-proof", "Verify a proof offline, from the genesis document alone."))
    .argument("<file>", "the proof, or - for standard input")
    .option("--genesis <file>", "the genesis document that is trusted; default: the swarm's, as the API server has it")
    .action((file: string, options: VerifyOptions & OutputOptions & WorldOptions) =>
      mayAsk(options, async (open, output) =>
        (await import("./verify-proof.ts")).verifyProofFile(open, file, options, output),
      ),
    );
  program
    .command("completion")
    .description("Print a script that completes command lines.")
    .addArgument(new Argument("<shell>", "which shell").choices(shells))
    .addHelpText("after", completionHelp)
    .action((shell: Shell) => write(completionScript(shell)));

  /** The words that may stand in place of the last one, a line each, with a description behind a tab. */
  async function printCompletions(words: readonly string[]): Promise<boolean> {
    const found = complete(program, words);
    if (found.kind === "files") return true;
    const last = words.at(-1) ?? "";
    const candidates =
      found.kind === "words"
        ? found.words
        : (await (await import("./complete-names.ts")).knownNames(found.of, found.options, plugin))
            .filter((word) => word.startsWith(last))
            .map((word) => ({ word, description: "" }));
    for (const { word, description } of candidates)
      write(description === "" ? `${word}\n` : `${word}\t${description}\n`);
    return false;
  }

  return {
    commands: program,
    // The directives of kubectl's own library: 0 is the shell's files, 4 is none.
    completeForKubectl: async (words) => write((await printCompletions(words)) ? ":0\n" : ":4\n"),
    run: async (args) => {
      code = exitCodes.ok;
      if (args[0] === completeWord) {
        if (await printCompletions(args.slice(1))) write(`${filesLine}\n`);
        return exitCodes.ok;
      }
      try {
        await program.parseAsync(args, { from: "user" });
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error;
        // Help and version are wanted answers; the rest are mistakes that commander has explained.
        return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
      }
      return code;
    },
  };
}

const completionHelp = `
  bash  source <(swarm completion bash)
  zsh   source <(swarm completion zsh)
  fish  swarm completion fish | source

kubectl completes the plugin by itself when kubectl_complete-swarm is in the PATH.`;

const whereDefault = (plugin: boolean) =>
  plugin ? "kubectl's" : "KUBECONFIG, a swarm of this machine, ~/.kube/config";

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError("Use a number of seconds above 0.");
  return value;
}

function countOf(text: string): number {
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError("Use a whole number.");
  return value;
}

function urlOf(text: string): string {
  const protocol = URL.parse(text)?.protocol;
  if (protocol !== "http:" && protocol !== "https:")
    throw new InvalidArgumentError("Use a URL such as https://host:8443.");
  return text;
}

const urlsOf = (text: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  urlOf(text),
];

function nameOf(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError(nameRule);
  return text;
}
