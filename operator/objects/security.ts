/** What every pod of a swarm gives up: the `restricted` Pod Security Standard, and its service account's token. */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { JsonRecord } from "../kube/objects.ts";

/** Fields of a pod's spec. */
export function restrictedPod({ podTemplate, imagePullSecrets, security }: ValidatorSwarmSpec): JsonRecord {
  const { serviceAccountName, priorityClassName } = podTemplate;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(imagePullSecrets.length > 0 ? { imagePullSecrets } : {}),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: security.runAsUser,
      fsGroup: security.fsGroup,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** A container's `securityContext`. */
export const restrictedContainer: JsonRecord = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
