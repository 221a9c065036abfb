/**
 * Where the kubelet keeps things, under `.swarm`. A pod has no file system of its own here: it gets a directory whose
 * tree has its mounts as links, and runs in it. Hence three rules by which a program finds its files:
 * - arguments and variables that begin with a mount path are rewritten to the real path (`mounts.ts`);
 * - a relative path, such as `var/lib/validator` in a configuration, means the same here as below `/` in a container;
 * - `podPath` is where a path of a pod really is, for who writes configurations with absolute paths.
 */
import { join, resolve } from "node:path";
import type { StoredObject } from "../../kube/objects.ts";
import { swarmLayout } from "../volumes.ts";
import { swarmOf } from "./labels.ts";

export interface KubeletLayout {
  readonly root: string;
  /** Who runs: `leftovers.ts`. */
  readonly run: string;
  /** Bundles by digest: `images.ts`. */
  readonly bundles: string;
  /** Directories of the claims of a swarm. */
  readonly volumes: (swarm: string) => string;
  readonly volumeOf: (claim: StoredObject) => string;
  readonly logOf: (pod: StoredObject) => string;
  /** Directories of pods: `<namespace>/<pod>` below it. */
  readonly pods: string;
  readonly podOf: (namespace: string, pod: string) => PodLayout;
}

export interface PodLayout {
  readonly directory: string;
  /** The tree of the container, and its working directory. */
  readonly root: string;
  /** Files from config maps and secrets, and empty directories, by volume. */
  readonly volumes: string;
}

/** Of things without the label of a swarm. */
const nobody = "default";

export function kubeletLayout(base: string): KubeletLayout {
  const root = resolve(base);
  const volumes = (swarm: string) => swarmLayout(swarm === "" ? nobody : swarm, root).volumes;
  const pods = join(root, "pods");
  return {
    root,
    pods,
    run: join(root, "run"),
    bundles: join(root, "bundles"),
    volumes,
    volumeOf: (claim) => join(volumes(swarmOf(claim)), claim.metadata.name),
    logOf: (pod) => join(swarmLayout(swarmOf(pod) || nobody, root).logs, `${pod.metadata.name}.log`),
    podOf(namespace, pod) {
      const directory = join(pods, namespace, pod);
      return { directory, root: join(directory, "root"), volumes: join(directory, "volumes") };
    },
  };
}

/** Where a path inside a pod is on this machine, as long as the pod exists. */
export function podPath(layout: KubeletLayout, namespace: string, pod: string, path: string): string {
  return join(layout.podOf(namespace, pod).root, path);
}
