/** The quickstart's swarm as an operator reports it, with its pods. */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { JsonObject } from "../../operator/kube/testing/field-ownership.ts";
import { type Cluster, podResource, swarmResource } from "./cluster.ts";

export const quickstartFile: string = join(import.meta.dirname, "../../manifests/quickstart.yaml");
export const quickstart = (): JsonObject => parse(readFileSync(quickstartFile, "utf8"));
/** Its regions heavy enough for several seats each. */
export const roomy = (): JsonObject => {
  const manifest: { spec: { regions: { weight: number }[] } } & JsonObject = parse(
    readFileSync(quickstartFile, "utf8"),
  );
  for (const region of manifest.spec.regions) region.weight = 12;
  return manifest;
};
export const regions = ["eu-west", "us-east", "ap-south", "eu-north"] as const;

const since = "2030-01-01T00:00:00Z";

export function condition(type: string, status: "True" | "False", reason: string, message: string): JsonObject {
  return { type, status, reason, message, observedGeneration: 1, lastTransitionTime: since };
}

export interface SeatFields {
  readonly [field: string]: JsonObject[string];
}

export function seat(region: string, fields: SeatFields = {}, n = 0): JsonObject {
  const name = `quickstart-${region}-${n}`;
  return {
    name,
    region,
    power: 1,
    role: "validator",
    voting: "yes",
    identity: `${name}-g1`,
    generation: 1,
    ...fields,
  };
}

/** A status in which every seat votes. */
export function healthyStatus(fields: JsonObject = {}): JsonObject {
  return {
    observedGeneration: 1,
    conditions: [
      condition("Ready", "True", "AllSeatsVote", "4 of 4 power votes in epoch 3."),
      condition("Progressing", "False", "Settled", "The swarm is as the spec asks."),
    ],
    replicas: 4,
    selector: "",
    chainId: "ab".repeat(32),
    epoch: 3,
    power: { total: 4, available: 4, fault: 1, faultBudgetLeft: 1 },
    seats: regions.map((region) => seat(region)),
    ...fields,
  };
}

export function pod(seatName: string, generation: number, fields: JsonObject = {}): JsonObject {
  return {
    metadata: {
      labels: {
        "app.kubernetes.io/name": "validator-swarm",
        "app.kubernetes.io/instance": "quickstart",
        "app.kubernetes.io/component": seatName === "" ? "gateway" : "validator",
        ...(seatName === "" ? {} : { "validatorswarm.io/seat": seatName }),
        "validatorswarm.io/generation": String(generation),
      },
    },
    spec: { nodeName: "node-1" },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{ restartCount: 0, state: { running: {} } }],
    },
    ...fields,
  };
}

/** Puts the swarm, its validators' pods and one of the gateway. */
export function putQuickstart(cluster: Cluster, status: JsonObject = healthyStatus()): void {
  cluster.put(swarmResource, "quickstart", { ...quickstart(), kind: "ValidatorSwarm", status });
  for (const region of regions) {
    const name = `quickstart-${region}-0`;
    cluster.put(podResource, `${name}-g1`, pod(name, 1));
  }
  cluster.put(podResource, "quickstart-gateway-7f9c-x2x", pod("", 0));
}

/** From here on the cluster is a swarm of this machine: what its pods say that they listen on is reached. */
export function onThisMachine({ home }: Cluster): void {
  mkdirSync(join(home.path, ".swarm"));
  copyFileSync(join(home.path, ".kube", "config"), join(home.path, ".swarm", "kubeconfig"));
}

/** The pod has this address, and its container these ports. */
export function listens(
  cluster: Cluster,
  name: string,
  ports: Readonly<Record<string, number>>,
  ip = "127.0.0.1",
): void {
  const list = Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort }));
  cluster.put(podResource, name, { spec: { containers: [{ name: "only", ports: list }] }, status: { podIP: ip } });
}
