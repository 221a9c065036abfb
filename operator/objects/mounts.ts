/** Where the volumes of a pod are in its container. */

/** Its volume, its configuration file, private keys. */
export type Mount = "data" | "config" | "keys";

export const mountPath = (mount: Mount) => `/var/lib/swarm/${mount}`;

/**
 * For configuration files: from the container's working directory, which is the root. On one machine, where pods share
 * the file system, the working directory is the pod's own root.
 */
export const relativePath = (mount: Mount) => mountPath(mount).slice(1);
export const workingDir = "/";
