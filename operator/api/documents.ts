/** The files made from the API's types: CRDs and reference pages. */
import { stringify } from "yaml";
import { definition, kinds } from "./crd/definitions.ts";
import { referencePage } from "./crd/reference.ts";

const introductions: Readonly<Record<string, string>> = {
  ValidatorSwarm:
    "*live*: takes effect without a restart. *rolling*: pods are replaced one at a time, or by a green fleet. *chain-governed*: a governance transaction, effective with the next epoch. *immutable*: refused.",
  SwarmCheckpoint: "Made by a ValidatorSwarm's `checkpoints`, before every promotion, and by hand.",
};

/** Path from the repository's root, and the text that belongs there. */
export function apiDocuments(): readonly { readonly path: string; readonly content: string }[] {
  return kinds.flatMap((kind) => {
    // kubectl reads YAML 1.1, where an unquoted `no` is false.
    const crd = stringify(definition(kind), { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" });
    return [
      { path: `crds/${kind.plural}.yaml`, content: `# Made by \`npm run generate\` from operator/api/.\n${crd}` },
      {
        path: `docs/reference/${kind.kind.toLowerCase()}.md`,
        content: referencePage(kind, introductions[kind.kind] ?? ""),
      },
    ];
  });
}
