/** `docs/cli.md`: the commands as they are, and what they write for programs. */
import type { Argument, Command, Option } from "commander";
import { z } from "zod";
import { exitMeanings } from "./exit.ts";
import { createProgram } from "./program.ts";
import { shapes } from "./shapes.ts";

/** Path from the repository's root, and the text that belongs there. */
export function cliDocuments(): readonly { readonly path: string; readonly content: string }[] {
  return [{ path: "docs/cli.md", content: page(createProgram().commands) }];
}

function page(program: Command): string {
  return `<!-- Made by \`npm run generate\` from cli/. -->
# The command line: \`swarm\` and \`kubectl swarm\`

\`swarm\` speaks the Kubernetes API, to a swarm of this machine (\`npm start\`) and to one of a cluster alike. From the repository it is run with \`npx swarm\`; \`npm link\` puts it into the PATH, and with it \`kubectl-swarm\`, by which kubectl finds its plugin \`kubectl swarm\`, and \`kubectl_complete-swarm\`, by which it completes it.

**Which API server.** \`--kubeconfig FILE\`; else \`KUBECONFIG\`; else \`kubeconfig\` in \`SWARM_DIR\` (default \`.swarm\`), which a swarm of this machine leaves there (used only if it leads to this machine and runs no program); else \`~/.kube/config\`; else the service account of the pod it runs in. \`kubectl swarm\` leaves the third out: it asks the cluster that kubectl asks. \`--context\` and \`--namespace\` are kubectl's; the namespace is the context's otherwise, or \`default\`.

**Live figures.** Heights in \`swarm status\` are what validators say of themselves at the moment. In a cluster they are asked through the API server (\`get\` on \`pods/proxy\`); without that right, or without an answer, they are unknown and everything else is shown.

**Payments and proofs.** \`submit\` and \`proof\` ask the gateway and the validators of a swarm of this machine where their pods listen. Those of a cluster are reached from inside, or forwarded with \`kubectl port-forward\`, and named with \`--gateway\` or \`--validator\`. \`verify-proof\` trusts the genesis document of \`--genesis\`; without it, the one that the API server has.

**Rights.** Everything that is asked for is in the namespace:

| command | rights |
|---|---|
| \`apply\` | \`get\`, \`create\`, \`patch\` on \`validatorswarms\` and \`swarmcheckpoints\` |
| \`status\` | \`get\`, \`list\` (\`--watch\`: \`watch\`) on \`validatorswarms\`; for pods and heights \`list\` (\`watch\`) on \`pods\` and \`get\` on \`pods/proxy\` |
| \`scale\` | \`get\` on \`validatorswarms\`, \`patch\` on \`validatorswarms/scale\`; \`--wait\`: \`list\`, \`watch\` |
| \`replace\` | \`list\`, \`patch\` on \`validatorswarms\` |
| \`hibernate\`, \`wake\`, \`promote\`, \`pause\`, \`resume\`, \`rollback\` | \`get\`, \`patch\` on \`validatorswarms\` |
| \`explain\` | \`get\` on \`validatorswarms\` and \`configmaps\` |
| \`logs\` | \`get\`, \`list\` on \`pods\`, \`get\` on \`pods/log\` |
| \`delete\` | \`get\`, \`delete\` on \`validatorswarms\`; \`--wait\`: \`list\`, \`watch\` |
| \`submit\`, \`proof\` | \`get\` (without \`--swarm\`: \`list\`) on \`validatorswarms\`, \`list\` on \`pods\`; none with \`--gateway\`, \`--validator\` |
| \`verify-proof\` | \`get\` on \`configmaps\`, without \`--swarm\` \`list\` on \`validatorswarms\`; none with \`--genesis\`, and nobody is asked then |

**Colours** are used on a terminal unless \`NO_COLOR\` is set.

## Options of all commands
| | |
|---|---|
${sharedOptions(program).join("\n")}

## Exit codes
| code | meaning |
|---|---|
${exitMeanings.map(([code, meaning]) => `| ${code} | ${meaning} |`).join("\n")}

The first that fails decides where a command does several things.

## Output for programs
\`--output json\` writes one JSON document on standard output; \`logs\`, and \`status --watch\`, write one a line (NDJSON). Sentences for people go to standard error. Fields may be added; none is renamed, removed or given another meaning.

${program.commands.map(section).join("\n")}`;
}

function section(command: Command): string {
  const name = command.name();
  const shape = Object.entries(shapes).find(([word]) => word === name)?.[1];
  return `## ${name}
${command.description()}

\`\`\`
${["swarm", name, ...command.registeredArguments.map(argumentName), ...needed(command), ...rest(command)].join(" ")}
\`\`\`
${inputs(command)}${shape === undefined ? "" : `\nJSON:\n\n| field | type | meaning |\n|---|---|---|\n${rowsOf(shape).join("\n")}\n`}`;
}

const argumentName = (argument: Argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`);
const needed = ({ options }: Command) =>
  options.filter(({ mandatory }) => mandatory).map(({ flags }) => flags.replace(/^-\w, /, ""));
const rest = ({ options }: Command) => (options.some(({ mandatory }) => !mandatory) ? ["[options]"] : []);

/** Options of every command, and of those that talk to an API server. */
const shared = new Set(["output", "kubeconfig", "context", "namespace", "swarm"]);

function sharedOptions({ commands }: Command): readonly string[] {
  const all = commands.flatMap(({ options }) => options).filter((option) => shared.has(option.attributeName()));
  return [...new Set(all.map(optionRow))];
}

function inputs({ registeredArguments, options }: Command): string {
  const rows = [
    ...registeredArguments.map(argumentRow),
    ...options.filter((option) => !shared.has(option.attributeName())).map(optionRow),
  ];
  return rows.length === 0 ? "" : `\n| | |\n|---|---|\n${rows.join("\n")}\n`;
}

const cell = (text: string) => text.replaceAll("|", "\\|");

function argumentRow(argument: Argument): string {
  const choices = argument.argChoices ? `: ${argument.argChoices.join(", ")}` : "";
  return `| \`${cell(argument.name())}\` | ${cell(argument.description + choices)} |`;
}

function optionRow({ flags, description, mandatory, defaultValue, argChoices }: Option): string {
  const notes = [
    ...(argChoices ? [argChoices.join(" or ")] : []),
    ...(mandatory ? ["needed"] : []),
    ...(defaultValue === undefined || typeof defaultValue === "boolean" ? [] : [`default ${defaultValue}`]),
  ];
  return `| \`${cell(flags)}\` | ${cell(description)}${notes.length > 0 ? ` (${notes.join("; ")})` : ""} |`;
}

/** A JSON Schema, as far as zod writes it for these shapes. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
}

function rowsOf(shape: z.ZodType): readonly string[] {
  return fieldsOf(z.toJSONSchema(shape) as Schema, "");
}

function fieldsOf({ properties = {}, required = [] }: Schema, prefix: string): readonly string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const { value, nullable } = bare(field);
    const type = `${typeOf(value)}${nullable ? " or null" : ""}${required.includes(name) ? "" : ", optional"}`;
    const row = `| \`${path}\` | ${type} | ${cell(field.description ?? value.description ?? "")} |`;
    const inner = value.items ? fieldsOf(value.items, `${path}[].`) : fieldsOf(value, `${path}.`);
    return [row, ...inner];
  });
}

function bare(field: Schema): { readonly value: Schema; readonly nullable: boolean } {
  const others = field.anyOf?.filter(({ type }) => type !== "null") ?? [];
  const [only] = others;
  return only ? { value: only, nullable: true } : { value: field, nullable: false };
}

function typeOf({ type, items, enum: words }: Schema): string {
  if (words) return words.map((word) => `\`${word}\``).join(", ");
  if (type === "array") return items?.properties ? "list" : `list of ${items ? typeOf(items) : "values"}`;
  return type === "string" ? "text" : (type ?? "");
}
