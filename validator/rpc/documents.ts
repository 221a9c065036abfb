/** The pages under docs/ that are made from this folder's tables and from the configuration's schema. */
import { configFields, exitCodes } from "../config.ts";
import { logEventsDocument } from "./log-events.ts";
import { metricsDocument } from "./metrics-table.ts";

/** Path from the repository's root, and the text that belongs there. */
export function rpcDocuments(): readonly { readonly path: string; readonly content: string }[] {
  return [
    { path: "docs/metrics.md", content: metricsDocument() },
    { path: "docs/log-events.md", content: logEventsDocument() },
    { path: "docs/configuration.md", content: configurationDocument() },
  ];
}

function configurationDocument(): string {
  const fields = configFields().map(({ name, type, fallback, help }) => {
    const shown = fallback === "required" || fallback === "optional" ? fallback : `\`${fallback}\``;
    return `| \`${name}\` | ${type} | ${shown} | ${help} |`;
  });
  const codes = Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  return [
    "<!-- Made by `npm run generate` from validator/config.ts. -->",
    "# Configuration of a validator",
    "",
    "One JSON object in the file that `--config` names. An unknown field is an error. What all members must agree on is chain state instead: [parameters.md](parameters.md).",
    "",
    "| field | type | default | meaning |",
    "|---|---|---|---|",
    ...fields,
    "",
    "## Exit codes",
    "",
    "| code | meaning |",
    "|---|---|",
    ...codes,
    "",
  ].join("\n");
}
