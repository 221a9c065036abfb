/** Nodes of a world that is one machine: each region of a swarm is one. Pure. */
import { arrayAt, isRecord, type JsonRecord, type StoredObject, textAt } from "../../kube/objects.ts";
import { isSafeName, type Labels, label } from "./labels.ts";

export interface NodeSpec {
  readonly name: string;
  readonly labels: Labels;
}

/** One node for each region that a swarm names, by name. Swarms that name the same region share its node. */
export function nodesOf(swarms: readonly StoredObject[]): readonly NodeSpec[] {
  const nodes = new Map<string, Labels>();
  for (const swarm of swarms)
    for (const region of arrayAt(swarm["spec"], "regions")) {
      const name = textAt(region, "name");
      if (!isSafeName(name)) continue;
      nodes.set(name, { ...nodes.get(name), ...selectorOf(region), ...ownLabels(name) });
    }
  return [...nodes].map(([name, labels]) => ({ name, labels })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ownLabels(name: string): Labels {
  return { [label.host]: name, [label.region]: name, [label.zone]: `${name}-a` };
}

/** A region may ask for nodes with other labels: here it always has them. */
function selectorOf(region: unknown): Labels {
  const selector = isRecord(region) ? region["nodeSelector"] : undefined;
  return Object.fromEntries(
    Object.entries(isRecord(selector) ? selector : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

/** `since`: RFC 3339. There is no heartbeat: a node of this world lives and dies with the process that writes this. */
export function nodeStatus(name: string, since: string): JsonRecord {
  return {
    conditions: [
      {
        type: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "its pods are processes of this machine",
        lastTransitionTime: since,
        lastHeartbeatTime: since,
      },
    ],
    addresses: [
      { type: "InternalIP", address: "127.0.0.1" },
      { type: "Hostname", address: name },
    ],
    nodeInfo: { operatingSystem: process.platform, architecture: process.arch, kubeletVersion: process.version },
  };
}
