/** What a cluster's pods are given is what the programs in them take. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseConfig as parseGatewayConfig } from "../../gateway/config.ts";
import { parseConfig } from "../../validator/config.ts";
import { parseValidatorSwarm, type ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import { arrayAt, isRecord, type KubeObject, type StoredObject, textAt } from "../kube/objects.ts";
import { configObject } from "../objects/config.ts";
import { gatewayObjects } from "../objects/gateway.ts";
import { podObject } from "../objects/pod.ts";
import { serviceObject } from "../objects/service.ts";
import { clusterWorld } from "./world.ts";

const p2p = 7_200;
const world = clusterWorld("validator-swarm:1");
const identities = ["eu-west", "us-east"].map((region) => ({
  name: `quickstart-${region}-0-g1`,
  seat: `quickstart-${region}-0`,
  generation: 1,
}));
const [identity, other] = identities as [(typeof identities)[0], (typeof identities)[0]];
const swarm: StoredObject = {
  apiVersion: "validatorswarm.io/v1alpha1",
  kind: "ValidatorSwarm",
  metadata: { name: "quickstart", namespace: "bank", uid: "u", resourceVersion: "1" },
};

function spec(): ValidatorSwarmSpec {
  const parsed = parseValidatorSwarm(
    readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"),
  );
  if (parsed.kind !== "ok") throw new Error(parsed.problems[0]?.message);
  return { ...parsed.swarm.spec, exposure: { ...parsed.swarm.spec.exposure, port: p2p } };
}

const configIn = (object: KubeObject) => textAt(object["data"], "config.json");

test("a validator takes its configuration: TLS towards callers, members dialled at the port the spec asks for", () => {
  const config = configObject({ swarm, spec: spec(), identity, region: "eu-west", others: identities }, world);
  const parsed = parseConfig(configIn(config));
  if (parsed.kind !== "ok") throw new Error(parsed.problems.join(" "));
  expect(parsed.config.p2p.listen).toEqual([`/ip4/0.0.0.0/tcp/${p2p}`]);
  const [address] = parsed.config.peers.find(({ seat }) => seat === other.seat)?.addresses ?? [];
  expect(address).toBe(`/dns4/${other.name}.quickstart-peers.bank.svc/tcp/${p2p}`);
  expect(parsed.config.rpc.tls).toEqual({
    cert: "var/lib/swarm/tls/tls.crt",
    key: "var/lib/swarm/tls/tls.key",
    clientCa: "var/lib/swarm/tls/ca.crt",
    operators: ["CN=validator-swarm-operator"],
  });
});

test("its pod has that port and mounts the swarm's certificate, the headless service names it", () => {
  const place = { region: "eu-west", zone: undefined, node: undefined };
  const pod = podObject({ swarm, spec: spec(), identity, revision: "r", place }, world);
  const [container] = arrayAt(pod["spec"], "containers");
  expect(arrayAt(container, "ports")).toContainEqual({ name: "p2p", containerPort: p2p });
  expect(arrayAt(container, "volumeMounts").map((each) => textAt(each, "name"))).toContain("tls");
  expect(arrayAt(pod["spec"], "volumes")).toContainEqual({ name: "tls", secret: { secretName: "quickstart-tls" } });
  const service = serviceObject(swarm, spec(), "quickstart-peers", "peers");
  expect(arrayAt(service["spec"], "ports")).toContainEqual({ name: "p2p", port: p2p, targetPort: "p2p" });
});

test("its pod traces where the spec says, and nowhere without an endpoint", () => {
  const place = { region: "eu-west", zone: undefined, node: undefined };
  const variables = (tracing: ValidatorSwarmSpec["monitoring"]["tracing"]) => {
    const traced = { ...spec(), monitoring: { ...spec().monitoring, tracing } };
    const pod = podObject({ swarm, spec: traced, identity, revision: "r", place }, world);
    const [container] = arrayAt(pod["spec"], "containers");
    return arrayAt(container, "env").filter((each) => textAt(each, "name").startsWith("OTEL_"));
  };
  expect(variables({ samplePercent: 100 })).toEqual([]);
  expect(variables({ endpoint: "http://collector:4318", samplePercent: 5 })).toEqual([
    { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: "http://collector:4318" },
    { name: "OTEL_TRACES_SAMPLER_ARG", value: "0.05" },
  ]);
});

test("a gateway takes its configuration: certificates towards clients and validators", () => {
  const objects = gatewayObjects({ swarm, spec: spec(), validators: identities }, world);
  const config = objects.find(({ kind }) => kind.plural === "configmaps")?.object;
  const parsed = parseGatewayConfig(JSON.parse(configIn(config!)));
  if (parsed.kind !== "ok") throw new Error(parsed.message);
  expect(parsed.config.listen).toMatchObject({ port: 8_443, tls: { requireClientCertificate: true } });
  expect(parsed.config.validatorTls).toEqual({
    ca: "var/lib/swarm/tls/ca.crt",
    cert: "var/lib/swarm/tls/tls.crt",
    key: "var/lib/swarm/tls/tls.key",
  });
  expect(parsed.config.validators.map(({ url }) => url)).toEqual(
    identities.map(({ name }) => `https://${name}.quickstart-peers.bank.svc:7101`),
  );
  const shown = { secretName: "shown", clientCaSecretName: "clients" };
  const other = { ...spec(), gateway: { ...spec().gateway, tls: shown } };
  const [theirs] = gatewayObjects({ swarm, spec: other, validators: identities }, world);
  expect(parseGatewayConfig(JSON.parse(configIn(theirs!.object)))).toMatchObject({
    config: { listen: { tls: { cert: "var/lib/swarm/server-tls/tls.crt", ca: "var/lib/swarm/client-ca/ca.crt" } } },
  });
  const deployment = objects.find(({ kind }) => kind.plural === "deployments")?.object;
  const template = isRecord(deployment?.["spec"]) ? deployment["spec"]["template"] : undefined;
  const volumes = arrayAt(isRecord(template) ? template["spec"] : undefined, "volumes");
  expect(volumes.map((each) => textAt(each, "name"))).toContain("tls");
});
