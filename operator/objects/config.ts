/** The configuration file of one validator (validator/config.ts, docs/configuration.md), in a ConfigMap of its identity's name. */

import { parameterTable } from "../../validator/consensus/parameters.ts";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { KubeObject, StoredObject } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";
import { relativePath, tlsFilesOf } from "./mounts.ts";
import { checkpointSubject, identityLabels, operatorSubject } from "./names.ts";
import type { World } from "./world.ts";

export interface ConfigOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  readonly identity: IdentityLabels;
  readonly region: string;
  /** Every identity that has a volume: whoever is started later knows those before it, and dials them. */
  readonly others: readonly IdentityLabels[];
}

export function configObject(order: ConfigOrder, world: World): KubeObject {
  const { swarm, identity } = order;
  const { name, namespace } = swarm.metadata;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: identity.name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: identityLabels(name, identity),
      ownerReferences: [controllerReference(swarm)],
    },
    data: { "config.json": `${JSON.stringify(validatorConfig(order, world), undefined, 2)}\n` },
  };
}

function validatorConfig({ swarm, spec, identity, region, others }: ConfigOrder, world: World): object {
  const ports = world.portsOf(identity.name, spec.exposure.port);
  const { name, namespace = "" } = swarm.metadata;
  const addressOf = (to: string) =>
    world.peerAddress(identity.name, { identity: to, swarm: name, namespace }, spec.exposure.port);
  // A seat is dialled wherever one of its identities is: the key decides who of them is the member.
  const addresses = new Map<string, string[]>();
  const add = (peer: string, address: string) => addresses.set(peer, [...(addresses.get(peer) ?? []), address]);
  for (const other of others) {
    if (other.name === identity.name) continue;
    const address = addressOf(other.name);
    if (other.seat !== identity.seat) add(other.seat, address);
    add(other.name, address);
  }
  for (const { id, addresses: own } of spec.members) for (const address of own) add(id, address);
  const local = parameterTable.filter(({ scope }) => scope === "local").map((row) => row.name);
  return {
    seat: identity.seat,
    region,
    dataDir: relativePath("data"),
    p2p: {
      listen: [`/ip4/${world.bindAddress}/tcp/${ports.p2p}`],
      announce: spec.exposure.announce.find(({ seat }) => seat === identity.seat)?.addresses ?? [],
    },
    peers: [...addresses].map(([seat, list]) => ({ seat, addresses: list })),
    rpc: {
      host: world.bindAddress,
      port: ports.rpc,
      ...(world.tlsSecret(name) === undefined ? {} : { tls: rpcTls(name, namespace) }),
    },
    metrics: { host: world.bindAddress, port: ports.metrics },
    log: { level: spec.monitoring.logLevel },
    parameters: Object.fromEntries(local.map((parameter) => [parameter, spec.consensus[parameter]])),
  };
}

function rpcTls(swarm: string, namespace: string) {
  const { ca, cert, key } = tlsFilesOf("tls");
  return { cert, key, clientCa: ca, operators: [operatorSubject], backups: [checkpointSubject(swarm, namespace)] };
}
