/** The commands of `swarm`, their options and exit codes. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type Found, findSwarm } from "./find.ts";
import { showProof } from "./proof.ts";
import { showStatus } from "./status.ts";
import { submit } from "./submit.ts";
import { verifyProofFile } from "./verify-proof.ts";

/** What `swarm` says by exiting; `--help` prints it. */
export const exitCodes = {
  ok: 0,
  /** The thing asked about is not as hoped: rejected, not settled, not valid, not healthy. */
  negative: 1,
  usage: 2,
  /** No swarm runs, or it does not answer. */
  unreachable: 3,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Where commands write. */
export interface Output {
  readonly json: boolean;
  readonly line: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly output: "text" | "json";
  readonly swarm?: string;
}

const help = `
Exit codes:
  0  as hoped: accepted and settled, proof valid, every seat healthy
  1  not as hoped: a payment rejected, a proof not valid or absent, a seat not healthy
  2  wrong arguments, or a file that cannot be read
  3  no swarm runs here, or it does not answer

The running swarm is found through SWARM_DIR (default .swarm).`;

export interface Program {
  /** Runs one command line and resolves with the exit code. */
  readonly run: (args: readonly string[]) => Promise<ExitCode>;
}

/** The program; `write` and `writeError` get what goes to standard output and standard error. */
export function createProgram(
  write: (text: string) => void = (text) => process.stdout.write(text),
  writeError: (text: string) => void = (text) => process.stderr.write(text),
): Program {
  let code: ExitCode = exitCodes.ok;
  const outputOf = ({ output }: CommonOptions): Output => ({
    json: output === "json",
    line: (text) => write(`${text}\n`),
    error: (text) => writeError(`${text}\n`),
  });
  /** Finds the swarm first; without one the command is not run. */
  const withSwarm = async (options: CommonOptions, use: (found: Found, output: Output) => Promise<ExitCode>) => {
    const output = outputOf(options);
    const found = findSwarm(options.swarm);
    if (found.kind === "none") {
      output.error(found.reason);
      code = exitCodes.unreachable;
    } else code = await use(found, output);
  };

  const program = new Command("swarm")
    .description("Payments, proofs and status of a validator swarm.")
    .configureOutput({ writeOut: write, writeErr: writeError })
    .exitOverride()
    .addHelpText("after", help);

  const command = (name: string, description: string) =>
    common(program.command(name).description(description).addHelpText("after", help));

  command("submit", "Send a pacs.008 file through the gateway and show its pacs.002.")
    .argument("<file>", "pacs.008 in XML, or - for standard input")
    .option("--as <bic>", "the institution that sends it; default: the file's instructing agent")
    .option("--no-wait", "return when it is accepted, not when it is settled")
    .option("--timeout <seconds>", "how long to wait for settlement", positive, 60)
    .action((file: string, options: CommonOptions & { as?: string; wait: boolean; timeout: number }) =>
      withSwarm(options, (found, output) => submit(found, file, options, output)),
    );
  command("proof", "Fetch the proof that a payment settled.")
    .argument("<uetr>", "the payment's UETR")
    .option("-o, --out <file>", "write the proof there; default: <uetr>.proof, - for standard output")
    .action((uetr: string, options: CommonOptions & { out?: string }) =>
      withSwarm(options, (found, output) => showProof(found, uetr, options.out, output)),
    );
  command("verify-proof", "Verify a proof offline, from the genesis document alone.")
    .argument("<file>", "the proof")
    .option("--genesis <file>", "the genesis document that is trusted; default: that of the swarm here")
    .action(async (file: string, options: CommonOptions & { genesis?: string }) => {
      code = await verifyProofFile(file, options, outputOf(options));
    });
  command("status", "Show every seat by region: power, role, height, lag, health.").action((options: CommonOptions) =>
    withSwarm(options, (found, output) => showStatus(found, output)),
  );

  return {
    run: async (args) => {
      code = exitCodes.ok;
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

function common(command: Command): Command {
  return command
    .addOption(new Option("--output <format>", "how to write").choices(["text", "json"]).default("text"))
    .option("--swarm <name>", "which swarm, when several run");
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError("Use a number of seconds above 0.");
  return value;
}
