/** Where the volumes of a pod are in its container. */

/** Its volume, its configuration file, private keys, its certificate. */
export type Mount = "data" | "config" | "keys" | "tls";

export const mountPath = (mount: Mount) => `/var/lib/swarm/${mount}`;

/**
 * For configuration files: from the container's working directory, which is the root. On one machine, where pods share
 * the file system, the working directory is the pod's own root.
 */
export const relativePath = (mount: Mount) => mountPath(mount).slice(1);
export const workingDir = "/";

/** PEM files of a Secret of type kubernetes.io/tls, as relative paths. */
export const tlsFiles = {
  ca: `${relativePath("tls")}/ca.crt`,
  cert: `${relativePath("tls")}/tls.crt`,
  key: `${relativePath("tls")}/tls.key`,
} as const;

/** What a pod's spec needs to mount the Secret; nothing without one. */
export function tlsMount(secretName: string | undefined) {
  return secretName === undefined
    ? { volumes: [], volumeMounts: [] }
    : {
        volumes: [{ name: "tls", secret: { secretName } }],
        volumeMounts: [{ name: "tls", mountPath: mountPath("tls"), readOnly: true }],
      };
}
