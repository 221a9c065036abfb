/** The pages under docs/ that are made from code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cliDocuments } from "../cli/documents.ts";
import { apiDocuments } from "../operator/api/documents.ts";
import { operatorDocuments } from "../operator/cluster/documents.ts";
import { operatorMetricsDocument } from "../operator/kube/metrics-table.ts";
import { defaultParameters, type ParameterRow, parameterTable } from "../validator/consensus/parameters.ts";
import { rpcDocuments } from "../validator/rpc/documents.ts";

export interface Document {
  /** From the repository's root. */
  readonly path: string;
  readonly content: string;
}

export function documents(): readonly Document[] {
  const operatorMetrics = { path: "docs/operator-metrics.md", content: operatorMetricsDocument() };
  return [
    parametersPage(),
    corePage(),
    ...rpcDocuments(),
    ...apiDocuments(),
    ...cliDocuments(),
    ...operatorDocuments(),
    operatorMetrics,
  ];
}

const made = (from: string) => `<!-- Made by \`npm run generate\` from ${from}. -->\n`;

function parametersPage(): Document {
  const range = ({ range }: ParameterRow) =>
    typeof range[0] === "number" ? `${range[0]} … ${range[1]}` : range.map((word) => `\`${word}\``).join(", ");
  const rows = parameterTable.map(
    (row) =>
      `| \`${row.name}\` | ${defaultParameters[row.name]} | ${range(row)} | ${row.unit} | ${row.scope} | ${row.help} |`,
  );
  const content = `${made("validator/consensus/parameters.ts")}
# Parameters of the protocol

*Local*: one validator may differ from the others, through its configuration. *Rolling*: differs harmlessly while it is being changed, one validator after the other. *Governed*: chain state, changed by a governance transaction, equal on all.

| name | default | range | unit | scope | meaning |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
  return { path: "docs/parameters.md", content };
}

/** The closed unions as the code has them: one declaration after the other, comments included. */
function corePage(): Document {
  const source = readFileSync(join(import.meta.dirname, "..", "validator", "consensus", "types.ts"), "utf8");
  const declaration = (name: string) => {
    const start = source.search(new RegExp(`^export (type|interface) ${name}\\b`, "m"));
    if (start < 0) throw new Error(`no declaration of ${name} in types.ts`);
    const rest = source.slice(start);
    const end = rest.search(/\n(?=\n\/\*\*|\nexport |\ndeclare )/);
    return `\`\`\`ts\n${(end < 0 ? rest : rest.slice(0, end)).trimEnd()}\n\`\`\``;
  };
  const sections = [
    ["Inputs", "Everything that can happen to the core.", "Input"],
    ["Effects", "Everything the core can ask for. The driver performs each in order.", "Effect"],
    ["Observations", "For metrics and the log; nothing depends on them.", "Observation"],
    ["Header", "Its bytes are in formats.md.", "Header"],
    ["Body", "", "Body"],
    ["Durable record", "What recovery reads.", "DurableRecord"],
  ] as const;
  const content = `${made("validator/consensus/types.ts")}
# The consensus core's inputs and effects

\`step(state, input, time) → { state, effects }\` in \`validator/consensus/step.ts\` is pure. Both unions are closed: the driver handles each effect in one exhaustive switch, the core each input.

${sections.map(([title, text, name]) => `## ${title}\n${text === "" ? "" : `${text}\n\n`}${declaration(name)}`).join("\n\n")}
`;
  return { path: "docs/consensus-core.md", content };
}
