/** The labels that the kubelet reads, and label selectors. */
import { arrayAt, isRecord, type StoredObject, textAt } from "../../kube/objects.ts";

export const label = {
  instance: "app.kubernetes.io/instance",
  component: "app.kubernetes.io/component",
  region: "topology.kubernetes.io/region",
  zone: "topology.kubernetes.io/zone",
  host: "kubernetes.io/hostname",
} as const;

export type Labels = Readonly<Record<string, string>>;

const nameShape = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Whether a name can be part of a path: a DNS subdomain. API servers make sure of it; we do not rely on them. */
export function isSafeName(name: string): boolean {
  return nameShape.test(name);
}

/** The swarm an object belongs to, or "". */
export function swarmOf({ metadata }: StoredObject): string {
  const swarm = metadata.labels?.[label.instance] ?? "";
  return isSafeName(swarm) ? swarm : "";
}

/** Whether all of these are among the labels. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** `matchLabels` and `matchExpressions`. An empty selector matches everything, none matches nothing. */
export function selects(selector: unknown, labels: Labels): boolean {
  if (!isRecord(selector)) return false;
  const { matchLabels } = selector;
  if (isRecord(matchLabels) && !Object.entries(matchLabels).every(([key, value]) => labels[key] === value))
    return false;
  return arrayAt(selector, "matchExpressions").every((rule) => {
    const value = labels[textAt(rule, "key")];
    const values = arrayAt(rule, "values");
    switch (textAt(rule, "operator")) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      default:
        return false;
    }
  });
}
