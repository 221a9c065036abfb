/** Where seats are, and what must survive. */
import { z } from "zod";
import { embedded, labelKey, labels, labelValue, listMap, residencyZone, setOf, shortName } from "./fields.ts";

const toleration = z.strictObject({
  key: labelKey().optional().meta({ description: "Taint key. Absent: every key." }),
  operator: z.enum(["Exists", "Equal"]).default("Equal").meta({ description: "How `value` is compared." }),
  value: labelValue().optional().meta({ description: "Taint value, for Equal." }),
  effect: z
    .enum(["NoSchedule", "PreferNoSchedule", "NoExecute"])
    .optional()
    .meta({ description: "Taint effect. Absent: every effect." }),
  tolerationSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .meta({ description: "Seconds until a pod leaves a node tainted NoExecute. Absent: never." }),
});

/** Tolerations of pods. */
export const tolerations = () => z.array(toleration).max(16).default([]);

/** Labels a node must have. */
export const nodeSelector = () => labels(16);

/** One entry of `spec.regions`. */
export const region = z.strictObject({
  name: shortName().meta({ description: "The region's name, such as eu-west. Part of its seats' names." }),
  weight: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1)
    .meta({ description: "Voting power of the region, split among its seats: scaling never changes it." }),
  zones: setOf(residencyZone(), 8)
    .default([])
    .meta({ description: "Residency zones whose private data its seats may hold, such as EU." }),
  nodeSelector: nodeSelector().meta({
    description: "Labels of the region's nodes. Empty: `topology.kubernetes.io/region` equal to the region's name.",
  }),
  affinity: embedded("Affinity").optional().meta({ description: "Kubernetes Affinity of the region's pods." }),
  tolerations: tolerations().meta({ description: "Taints the region's pods tolerate." }),
});

/** Most entries of `spec.regions`. */
export const mostRegions = 32;

/** `spec.regions`. */
export const regions = listMap(region, ["name"], mostRegions).min(1);

/** `spec.placement`. */
export const placement = z
  .strictObject({
    surviveRegionLoss: z
      .boolean()
      .default(false)
      .meta({ description: "Refuse a layout in which the loss of any one region could stop the swarm." }),
    topologyKey: labelKey()
      .default("topology.kubernetes.io/zone")
      .meta({ description: "Node label over whose values the seats of a region are spread." }),
  })
  .prefault({});
