/** Environment and arguments of a container's process. */
import { type StoredObject, textAt } from "../../kube/objects.ts";
import { contentsOf, rewritePath, type Sources } from "./mounts.ts";
import type { ContainerSpec, PodPlan } from "./pod-spec.ts";

export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export type CommandResult =
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "missing"; readonly message: string };

/**
 * As in a container: `$(NAME)` in arguments and values stands for a variable, `$$(NAME)` for itself. Beyond that, paths
 * below mounts become real ones, and each port with a name is told in `PORT_<NAME>`: replicas of a Deployment share one
 * address here, so that each has ports of its own (`deployments.ts`).
 */
export function commandOf(pod: StoredObject, plan: PodPlan, root: string, sources: Sources): CommandResult {
  const { container } = plan;
  const env = new Map<string, string>();
  for (const { name, value, valueFrom } of container.env) {
    const found = valueFrom === undefined ? expand(value, env) : read(valueFrom, pod, plan, sources);
    if (found === undefined) return { kind: "missing", message: `nothing to read the variable ${name} from` };
    env.set(name, rewritePath(found, container, root));
  }
  for (const { name, containerPort } of container.ports)
    if (name !== undefined) env.set(`PORT_${name.toUpperCase().replaceAll("-", "_")}`, String(containerPort));
  const args = container.args.map((arg) => rewritePath(expand(arg, env), container, root));
  return { kind: "command", command: { args, env: Object.fromEntries(env) } };
}

type ValueFrom = NonNullable<ContainerSpec["env"][number]["valueFrom"]>;

/** Undefined: the object or the key is not there. */
function read(from: ValueFrom, pod: StoredObject, plan: PodPlan, sources: Sources): string | undefined {
  const { fieldRef, configMapKeyRef, secretKeyRef } = from;
  if (fieldRef) return field(fieldRef.fieldPath, pod, plan);
  const ref = configMapKeyRef ?? secretKeyRef;
  if (!ref) return "";
  const object = configMapKeyRef ? sources.configMap(ref.name) : sources.secret(ref.name);
  const bytes = object && contentsOf(object).get(ref.key);
  return bytes?.toString("utf8") ?? (ref.optional ? "" : undefined);
}

function field(path: string, { metadata }: StoredObject, plan: PodPlan): string {
  switch (path) {
    case "metadata.name":
    case "metadata.namespace":
    case "metadata.uid":
      return textAt(metadata, path.slice("metadata.".length));
    case "spec.nodeName":
      return plan.nodeName;
    case "status.podIP":
    case "status.hostIP":
      return "127.0.0.1";
    default: {
      const [, part, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? [];
      return (part === "labels" ? metadata.labels : metadata.annotations)?.[key ?? ""] ?? "";
    }
  }
}

function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$)?\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, escaped, name) =>
    escaped ? whole.slice(1) : (env.get(name) ?? whole),
  );
}

/** What a process gets of our own environment: enough to run Node, nothing that is ours. */
export function hostEnvironment(): Readonly<Record<string, string>> {
  const names = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "SystemRoot"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
