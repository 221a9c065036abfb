/** Files into objects that can be sent: every mistake is found before anything is. */
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { Problem } from "../operator/api/problems.ts";
import { checkSwarmCheckpoint } from "../operator/api/swarm-checkpoint.ts";
import { checkValidatorSwarm } from "../operator/api/validator-swarm.ts";
import { swarmCheckpoints, validatorSwarms } from "../operator/kube/kinds.ts";
import { isRecord, type Kind, type KubeObject, textAt } from "../operator/kube/objects.ts";
import { isName, nameRule } from "./names.ts";

/** One object of a file. */
export interface Manifest {
  readonly file: string;
  readonly kind: Kind;
  /** As its author wrote it: defaults stay the server's, so that they can change there. */
  readonly object: KubeObject;
}

/** What is wrong with one document of a file. */
export interface InvalidManifest {
  readonly file: string;
  /** `ValidatorSwarm/quickstart`, as far as it can be read. */
  readonly name: string;
  readonly problems: readonly Problem[];
}

export interface ReadManifests {
  readonly manifests: readonly Manifest[];
  readonly invalid: readonly InvalidManifest[];
}

/** Largest file, bytes. */
const maxBytes = 4 << 20;

interface Checked {
  readonly problems: readonly Problem[];
}

const kinds: Readonly<
  Record<string, { readonly kind: Kind; readonly check: (document: unknown) => Checked } | undefined>
> = {
  ValidatorSwarm: {
    kind: validatorSwarms,
    check: (document) => {
      const checked = checkValidatorSwarm(document);
      return { problems: checked.kind === "invalid" ? checked.problems : [] };
    },
  },
  SwarmCheckpoint: {
    kind: swarmCheckpoints,
    check: (document) => {
      const checked = checkSwarmCheckpoint(document);
      return { problems: checked.kind === "invalid" ? checked.problems : [] };
    },
  },
};

/** Reads files, `-` for standard input; without a namespace of its own an object gets the one given. */
export function readManifests(files: readonly string[], namespace: string): ReadManifests {
  const read = files.map((file) => readFile(file, namespace));
  const manifests = read.flatMap((each) => each.manifests);
  const invalid = read.flatMap((each) => each.invalid);
  if (manifests.length + invalid.length > 0) return { manifests, invalid };
  return { manifests, invalid: [{ file: files.join(", "), name: "", problems: [whole("There is nothing in it.")] }] };
}

const whole = (message: string): Problem => ({ field: "", message });

function readFile(file: string, namespace: string): ReadManifests {
  const refuse = (message: string) => ({ manifests: [], invalid: [{ file, name: "", problems: [whole(message)] }] });
  let content: Buffer;
  try {
    content = readFileSync(file === "-" ? 0 : file);
  } catch {
    return refuse("It cannot be read.");
  }
  if (content.length > maxBytes) return refuse(`It is larger than ${maxBytes} bytes.`);
  const documents = [...parseAllDocuments(content.toString("utf8"), { strict: true, uniqueKeys: true })];
  const manifests: Manifest[] = [];
  const invalid: InvalidManifest[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error) {
      const line = error.linePos ? ` (line ${error.linePos[0].line})` : "";
      const sentence = error.message.split("\n")[0]?.replace(/[:.]\s*$/, "");
      return refuse(`It is not valid YAML${line}: ${sentence}. Correct it there.`);
    }
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch {
      return refuse("Its aliases unfold to too much. Write them out.");
    }
    // Between two `---` there may be nothing.
    if (value === null || value === undefined) continue;
    const checked = checkDocument(file, value, namespace);
    if ("problems" in checked) invalid.push(checked);
    else manifests.push(checked);
  }
  return { manifests, invalid };
}

function checkDocument(file: string, value: unknown, namespace: string): Manifest | InvalidManifest {
  const metadata = isRecord(value) && isRecord(value["metadata"]) ? value["metadata"] : {};
  const type = textAt(value, "kind");
  const name = `${type}/${textAt(metadata, "name")}`;
  const known = kinds[type];
  if (!known || !isRecord(value))
    return {
      file,
      name: type === "" ? "" : name,
      problems: [
        {
          field: "kind",
          message: `Must be ${Object.keys(kinds).join(" or ")}. Other objects are applied with kubectl apply.`,
        },
      ],
    };
  const misnamed = ["name", "namespace"].filter((field) => {
    const given = metadata[field];
    return typeof given === "string" && given !== "" && !isName(given);
  });
  const problems = [
    ...misnamed.map((field) => ({ field: `metadata.${field}`, message: nameRule })),
    ...known.check(value).problems,
  ];
  if (problems.length > 0) return { file, name, problems };
  return { file, kind: known.kind, object: toSend(known.kind, value, metadata, namespace) };
}

/** What a server added to an object that it gave out is not the author's: it would be refused, or be held as a wish. */
function toSend(kind: Kind, value: Readonly<Record<string, unknown>>, metadata: unknown, namespace: string) {
  const meta = isRecord(metadata) ? metadata : {};
  const kept = Object.fromEntries(
    ["labels", "annotations"].flatMap((field) => (meta[field] === undefined ? [] : [[field, meta[field]]])),
  );
  return {
    apiVersion: `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: { name: textAt(meta, "name"), namespace: textAt(meta, "namespace") || namespace, ...kept },
    spec: value["spec"],
  };
}
