/** Makes a pod's files real: config maps and secrets as files, claims as links to their directories. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isRecord, type ObjectKey, type StoredObject } from "../../kube/objects.ts";
import type { PodLayout } from "./layout.ts";
import { type ContainerSpec, fileName, type PodPlan, type VolumeSpec } from "./pod-spec.ts";

/** What a pod's files come from. */
export interface Sources {
  readonly configMap: (name: string) => StoredObject | undefined;
  readonly secret: (name: string) => StoredObject | undefined;
  /** Where the directory of a claim is, or why it cannot be used. */
  readonly claim: (name: string) => ClaimResult;
}

export type ClaimResult =
  | { readonly kind: "bound"; readonly key: ObjectKey; readonly directory: string }
  /** `lost`: for ever. */
  | { readonly kind: "unusable"; readonly message: string; readonly lost: boolean };

export type MountResult =
  | { readonly kind: "mounted" }
  /** A sentence: something is not there yet, or not any more. */
  | { readonly kind: "missing"; readonly message: string; readonly lost: boolean };

/** The pod's directory, empty at first: what another pod of the same name left is none of this one's business. */
export function preparePod({ directory, root }: PodLayout, uid: string): void {
  const owner = join(directory, "uid");
  try {
    if (readFileSync(owner, "utf8") === uid) return;
  } catch {
    // Nobody's yet.
  }
  clearPod({ directory });
  mkdirSync(root, { recursive: true, mode: 0o700 });
  writeFileSync(owner, uid, { mode: 0o600 });
}

export function clearPod({ directory }: Pick<PodLayout, "directory">): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Removes what pods left that went while nobody looked: among it are files of secrets. */
export function sweepPods(pods: string, exists: (key: ObjectKey) => boolean): void {
  const folders = (directory: string) =>
    existsSync(directory) ? readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()) : [];
  for (const { name: namespace } of folders(pods))
    for (const { name } of folders(join(pods, namespace)))
      if (!exists(`${namespace}/${name}`)) clearPod({ directory: join(pods, namespace, name) });
}

/** Brings the pod's files up to date. May be called while the pod runs: each file is replaced whole. */
export function mount(plan: PodPlan, layout: PodLayout, sources: Sources): MountResult {
  const places = new Map<string, string>();
  for (const volume of plan.volumes) {
    const place = fill(volume, layout, sources);
    if (place.kind === "missing") return place;
    places.set(volume.name, place.directory);
  }
  for (const { name, mountPath } of plan.container.volumeMounts) {
    const place = places.get(name);
    if (place === undefined) return missing(`no volume is named ${name}`);
    link(place, join(layout.root, mountPath));
  }
  return { kind: "mounted" };
}

type Filled = { readonly kind: "filled"; readonly directory: string } | Extract<MountResult, { kind: "missing" }>;

function fill(volume: VolumeSpec, layout: PodLayout, sources: Sources): Filled {
  const directory = join(layout.volumes, volume.name);
  const { persistentVolumeClaim, configMap, secret } = volume;
  if (persistentVolumeClaim) {
    const claim = sources.claim(persistentVolumeClaim.claimName);
    return claim.kind === "bound" ? { kind: "filled", directory: claim.directory } : missing(claim.message, claim.lost);
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const filled: Filled = { kind: "filled", directory };
  if (configMap) {
    const found = sources.configMap(configMap.name);
    if (!found && !configMap.optional) return missing(`configmap "${configMap.name}" not found`);
    writeFiles(directory, found ? contentsOf(found) : new Map(), configMap.items);
  } else if (secret) {
    const found = sources.secret(secret.secretName);
    if (!found && !secret.optional) return missing(`secret "${secret.secretName}" not found`);
    writeFiles(directory, found ? contentsOf(found) : new Map(), secret.items);
  }
  return filled;
}

function missing(message: string, lost = false): Extract<MountResult, { kind: "missing" }> {
  return { kind: "missing", message, lost };
}

/** The files in a config map (`data`, `binaryData`) or a secret (`data`, base64). Keys that are no file names are left out. */
export function contentsOf(object: StoredObject): ReadonlyMap<string, Buffer> {
  const entries = (field: string, encoding: BufferEncoding) =>
    Object.entries(isRecord(object[field]) ? object[field] : {}).flatMap(([key, value]) =>
      typeof value === "string" && fileName.safeParse(key).success
        ? [[key, Buffer.from(value, encoding)] as const]
        : [],
    );
  return new Map(
    object.kind === "Secret"
      ? [...entries("data", "base64"), ...entries("stringData", "utf8")]
      : [...entries("data", "utf8"), ...entries("binaryData", "base64")],
  );
}

function writeFiles(
  directory: string,
  contents: ReadonlyMap<string, Buffer>,
  items: readonly { readonly key: string; readonly path: string }[] | undefined,
): void {
  const chosen: ReadonlyMap<string, Buffer> = items
    ? new Map(
        items.flatMap(({ key, path }) => {
          const bytes = contents.get(key);
          return bytes ? [[path, bytes] as const] : [];
        }),
      )
    : contents;
  for (const [file, bytes] of chosen) replaceFile(join(directory, file), bytes);
  for (const file of readdirSync(directory)) if (!chosen.has(file)) rmSync(join(directory, file), { force: true });
}

function replaceFile(file: string, bytes: Buffer): void {
  try {
    if (readFileSync(file).equals(bytes)) return;
  } catch {
    // Not there yet.
  }
  writeFileSync(`${file}~`, bytes, { mode: 0o600 });
  renameSync(`${file}~`, file);
}

/** As in Kubernetes: a container's last words are no longer than this, bytes. */
const longestMessage = 4_096;

/** What a process left in its termination message; "" for nothing, or nothing that can be read. */
export function lastMessage(file: string): string {
  try {
    return readFileSync(file).subarray(0, longestMessage).toString("utf8");
  } catch {
    return "";
  }
}

function link(target: string, at: string): void {
  if (lstatSync(at, { throwIfNoEntry: false })) return;
  mkdirSync(dirname(at), { recursive: true, mode: 0o700 });
  symlinkSync(target, at);
}

/** A path of the pod as a real one; undefined when it is below none of its mounts. */
function realPath(text: string, container: ContainerSpec, root: string): string | undefined {
  const below = container.volumeMounts.some(({ mountPath }) => text === mountPath || text.startsWith(`${mountPath}/`));
  return below ? join(root, text) : undefined;
}

/** Rewrites a value that is a path below a mount, also behind an option's name: `--config=/etc/validator/config.json`. */
export function rewritePath(text: string, container: ContainerSpec, root: string): string {
  const equals = text.startsWith("-") ? text.indexOf("=") + 1 : 0;
  const real = realPath(text.slice(equals), container, root);
  return real === undefined ? text : text.slice(0, equals) + real;
}
