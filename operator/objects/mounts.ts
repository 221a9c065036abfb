/** Where the volumes of a pod are in its container. */

/** Its volume, its configuration file, private keys, its certificate, a gateway's towards clients; where checkpoints go. */
export type Mount = "data" | "config" | "keys" | "tls" | "server-tls" | "client-ca" | "checkpoints" | "store-keys";

export const mountPath = (mount: Mount) => `/var/lib/swarm/${mount}`;

/**
 * For configuration files: from the container's working directory, which is the root. On one machine, where pods share
 * the file system, the working directory is the pod's own root.
 */
export const relativePath = (mount: Mount) => mountPath(mount).slice(1);
export const workingDir = "/";

/** PEM files of a Secret of type kubernetes.io/tls, as relative paths. */
export const tlsFilesOf = (mount: Mount) => ({
  ca: `${relativePath(mount)}/ca.crt`,
  cert: `${relativePath(mount)}/tls.crt`,
  key: `${relativePath(mount)}/tls.key`,
});

/** What a pod's spec needs to mount a Secret; nothing without one. */
export function secretMount(mount: Mount, secretName: string | undefined) {
  return secretName === undefined
    ? { volumes: [], volumeMounts: [] }
    : {
        volumes: [{ name: mount, secret: { secretName } }],
        volumeMounts: [{ name: mount, mountPath: mountPath(mount), readOnly: true }],
      };
}
