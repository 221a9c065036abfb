/**
 * The gateways: a Deployment with its configuration and its Service. They hold no voting power and nothing that is not
 * on chain or with the bank, so that no plan is needed for them: they are kept as the spec says.
 */
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { configMaps, deployments, services } from "../kube/kinds.ts";
import type { Kind, KubeObject, StoredObject } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import type { IdentityLabels } from "../plan/snapshot.ts";
import { mountPath, relativePath, secretMount, tlsFilesOf, workingDir } from "./mounts.ts";
import { gatewayName, institutionKeys, swarmLabels } from "./names.ts";
import { restrictedContainer, restrictedPod } from "./security.ts";
import type { World } from "./world.ts";

export interface GatewayOrder {
  readonly swarm: StoredObject;
  readonly spec: ValidatorSwarmSpec;
  /** Identities that vote: whom it submits to and watches. */
  readonly validators: readonly IdentityLabels[];
}

/** Every object of the gateways, in the order in which they are written. */
export function gatewayObjects(order: GatewayOrder, world: World): readonly { kind: Kind; object: KubeObject }[] {
  return [
    { kind: configMaps, object: configuration(order, world) },
    { kind: services, object: service(order, world) },
    { kind: deployments, object: deployment(order, world) },
  ];
}

function metadata({ metadata }: StoredObject) {
  const { name, namespace } = metadata;
  return { ...(namespace === undefined ? {} : { namespace }), labels: swarmLabels(name, "gateway") };
}

function configuration({ swarm, spec, validators }: GatewayOrder, world: World): KubeObject {
  const { name, namespace = "" } = swarm.metadata;
  const gateway = gatewayName(name);
  const ports = world.gatewayPorts(name, spec.gateway.port);
  const secured = world.tlsSecret(name) !== undefined;
  const config = {
    listen: { host: world.bindAddress, port: ports.clients, ...(secured ? { tls: clientTls(spec) } : {}) },
    validators: validators.map(({ name: identity, seat }) => ({
      seat,
      url: world.rpcUrl({ identity, swarm: name, namespace }),
    })),
    ...(secured ? { validatorTls: tlsFilesOf("tls") } : {}),
    institutions: spec.genesis.institutions.map(({ bic, zone }) => ({
      bic,
      keyFile: `${relativePath("keys")}/${bic}.hex`,
      ...(zone === undefined ? {} : { zone }),
    })),
    dataDir: relativePath("data"),
    metrics: { host: world.bindAddress, port: ports.metrics },
    allowInsecureInstitutionHeader: world.trustsCallers,
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...metadata(swarm), name: gateway, ownerReferences: [controllerReference(swarm)] },
    data: { "config.json": `${JSON.stringify(config, undefined, 2)}\n` },
  };
}

/** What clients are shown, and who vouches for theirs: the swarm's own certificate and authority unless the spec has others. */
function clientTls({ gateway: { tls } }: ValidatorSwarmSpec) {
  if (!tls) return tlsFilesOf("tls");
  const { cert, key } = tlsFilesOf("server-tls");
  const asked = tls.clientCaSecretName !== undefined;
  return { ca: tlsFilesOf(asked ? "client-ca" : "tls").ca, cert, key, requireClientCertificate: asked };
}

function service({ swarm, spec }: GatewayOrder, world: World): KubeObject {
  const { name } = swarm.metadata;
  const ports = world.gatewayPorts(name, spec.gateway.port);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      ...metadata(swarm),
      name: gatewayName(name),
      annotations: spec.gateway.service.annotations,
      ownerReferences: [controllerReference(swarm)],
    },
    spec: {
      type: spec.gateway.service.type,
      selector: swarmLabels(name, "gateway"),
      ports: [{ name: "clients", port: ports.clients, targetPort: "clients" }],
    },
  };
}

function deployment({ swarm, spec }: GatewayOrder, world: World): KubeObject {
  const { name } = swarm.metadata;
  const gateway = gatewayName(name);
  const ports = world.gatewayPorts(name, spec.gateway.port);
  const secret = world.tlsSecret(name);
  const own = secret === undefined ? undefined : spec.gateway.tls;
  const tls = [
    secretMount("tls", secret),
    secretMount("server-tls", own?.secretName),
    secretMount("client-ca", own?.clientCaSecretName),
  ];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...metadata(swarm), name: gateway, ownerReferences: [controllerReference(swarm)] },
    spec: {
      replicas: spec.gateway.replicas,
      selector: { matchLabels: swarmLabels(name, "gateway") },
      template: {
        metadata: { labels: swarmLabels(name, "gateway") },
        spec: {
          ...restrictedPod(spec),
          containers: [
            {
              name: "gateway",
              image: spec.image ?? world.image,
              imagePullPolicy: spec.podTemplate.imagePullPolicy,
              command: ["node", "/app/gateway.mjs"],
              args: ["--config", `${mountPath("config")}/config.json`],
              workingDir,
              ports: [
                { name: "clients", containerPort: ports.clients },
                { name: "metrics", containerPort: ports.metrics },
              ],
              resources: spec.gateway.resources,
              readinessProbe: { httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 1 },
              securityContext: restrictedContainer,
              volumeMounts: [
                { name: "data", mountPath: mountPath("data") },
                { name: "config", mountPath: mountPath("config"), readOnly: true },
                { name: "keys", mountPath: mountPath("keys"), readOnly: true },
                ...tls.flatMap(({ volumeMounts }) => volumeMounts),
              ],
            },
          ],
          volumes: [
            // Journal and feeds: what is lost with it is read again from the chain.
            { name: "data", emptyDir: {} },
            { name: "config", configMap: { name: gateway } },
            { name: "keys", secret: { secretName: institutionKeys(name) } },
            ...tls.flatMap(({ volumes }) => volumes),
          ],
        },
      },
    },
  };
}
