/** What pods are like: images, resources, labels, security. */
import { z } from "zod";
import {
  annotations,
  anyText,
  embedded,
  labels,
  listMap,
  objectName,
  quantityOrNumber,
  seconds,
  text,
} from "./fields.ts";

/** Reference of a container image; on one machine the digest of a bundle. */
export const image = () =>
  text(
    /^[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$/,
    512,
    "must be an image reference such as registry.example.org/validator@sha256:… with a digest of 64 hexadecimal digits",
  );

const amounts = () =>
  z
    .strictObject({
      cpu: quantityOrNumber().optional().meta({ description: "Processor cores, such as 500m or 2." }),
      memory: quantityOrNumber().optional().meta({ description: "Bytes, such as 2Gi." }),
    })
    .prefault({});

/** Requests and limits of a container. */
export const resources = () =>
  z
    .strictObject({
      requests: amounts().meta({ description: "What the scheduler reserves." }),
      limits: amounts().meta({ description: "What the container may not exceed. Absent: no limit." }),
    })
    .prefault({});

const environmentVariable = z.strictObject({
  name: text(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    128,
    "must be the name of an environment variable: letters, digits and underscores",
  ).meta({ description: "Its name. Those that begin with SWARM_ are the operator's." }),
  value: anyText(4_096).optional().meta({ description: "Its value." }),
  valueFrom: embedded("EnvVarSource").optional().meta({ description: "Kubernetes EnvVarSource, instead of `value`." }),
});

/** `spec.podTemplate`. */
export const podTemplate = z
  .strictObject({
    labels: labels(32).meta({ description: "Added to validators' pods. The operator's own win." }),
    annotations: annotations(32).meta({ description: "Added to validators' pods." }),
    env: listMap(environmentVariable, ["name"], 64)
      .default([])
      .meta({ description: "Environment of validators. Secrets belong in `valueFrom`." }),
    serviceAccountName: objectName().optional().meta({
      description: "ServiceAccount of the pods. Its token is never mounted. Absent: one made by the operator.",
    }),
    priorityClassName: objectName().optional().meta({ description: "PriorityClass of the pods. Absent: none." }),
    terminationGracePeriodSeconds: seconds(5, 600)
      .default(30)
      .meta({ description: "How long a validator may take to stop, seconds." }),
    imagePullPolicy: z
      .enum(["IfNotPresent", "Always", "Never"])
      .default("IfNotPresent")
      .meta({ description: "When the image is pulled." }),
  })
  .prefault({});

/** `spec.imagePullSecrets`. */
export const imagePullSecrets = listMap(
  z.strictObject({ name: objectName().meta({ description: "Name of the Secret." }) }),
  ["name"],
  16,
).default([]);

/** `spec.security`. Restricted Pod Security, a read-only root and no service-account token are not negotiable. */
export const security = z
  .strictObject({
    runAsUser: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .default(65_532)
      .meta({ description: "User id of validators; never root." }),
    fsGroup: z.int().min(1).max(2_147_483_647).default(65_532).meta({ description: "Group id that owns the volumes." }),
    networkPolicy: z
      .boolean()
      .default(true)
      .meta({ description: "Let only members, gateways and the operator reach validators." }),
  })
  .prefault({});
