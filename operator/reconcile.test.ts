/** The quickstart from nothing to a running swarm and away again, over a real HTTP API. */
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ed25519Signer } from "../validator/crypto/ed25519.ts";
import { parseValidatorSwarm, type ValidatorSwarm } from "./api/validator-swarm.ts";
import { startOperator } from "./controller.ts";
import { systemClock } from "./kube/clock.ts";
import { persistentVolumeClaims, pods, validatorSwarms } from "./kube/kinds.ts";
import { createMetrics } from "./kube/metrics.ts";
import { arrayAt, type JsonRecord, numberAt, pathOf, textAt } from "./kube/objects.ts";
import type { JsonObject } from "./kube/testing/field-ownership.ts";
import { createFixture, type Fixture } from "./kube/testing/fixture.ts";
import type { World } from "./objects/world.ts";
import { startModelKubelet } from "./testing/model-kubelet.ts";
import { createModelValidators, type ModelValidators } from "./testing/model-validators.ts";

const seed = randomBytes(32);
const publicKey = Buffer.from(ed25519Signer(seed).publicKey).toString("hex");
const namespace = "bank";

const world: World = {
  image: "validator-swarm:test",
  bindAddress: "0.0.0.0",
  portsOf: () => ({ p2p: 7100, rpc: 7101, metrics: 7102 }),
  peerAddress: (_, to) => `/dns4/${to.identity}.${to.swarm}-peers.${to.namespace}.svc/tcp/7100`,
  rpcUrl: (to) => `https://${to.identity}.${to.swarm}-peers.${to.namespace}.svc:7101`,
  gatewayPorts: () => ({ clients: 8443, metrics: 7102 }),
  tlsSecret: () => undefined,
  trustsCallers: false,
};

function quickstart(): ValidatorSwarm {
  const parsed = parseValidatorSwarm(readFileSync(join(import.meta.dirname, "../manifests/quickstart.yaml"), "utf8"));
  if (parsed.kind !== "ok") throw new Error(parsed.problems[0]?.message);
  const { swarm } = parsed;
  const institutions = swarm.spec.genesis.institutions.map((each) => ({
    ...each,
    key: randomBytes(32).toString("hex"),
  }));
  const regions = swarm.spec.regions.map((region) => ({ ...region, weight: 2 }));
  const genesis = { ...swarm.spec.genesis, institutions, governance: { threshold: 1, keys: [publicKey] } };
  const authority = { keySecretName: "quickstart-governance" };
  return {
    ...swarm,
    metadata: { name: "quickstart", namespace },
    spec: { ...swarm.spec, regions, genesis, authority },
  };
}

describe("a swarm", () => {
  let fixture: Fixture;
  let validators: ModelValidators;
  const stop = new AbortController();
  const ends: Promise<unknown>[] = [];

  beforeAll(async () => {
    fixture = await createFixture();
    validators = createModelValidators((key) => operator.wake(key));
    const operator = startOperator({
      api: fixture.client("operator"),
      clock: systemClock,
      random: Math.random,
      scope: { kind: "namespaces", namespaces: [namespace] },
      metrics: createMetrics(),
      signal: stop.signal,
      identity: "operator-0",
      lease: { namespace, name: "operator" },
      uniqueId: () => randomUUID(),
      world,
      validators,
      keys: {
        operator: async () => ({ kind: "ok", key: { seed, publicKey } }),
        institutions: async () => ({ kind: "ok", keys: new Map() }),
        recovery: async () => ({ kind: "missing", reason: "nothing is restored here" }),
      },
    });
    ends.push(operator.done, startModelKubelet(fixture.client("kubelet"), stop.signal).done);
  });

  afterAll(async () => {
    stop.abort();
    await Promise.all(ends);
    await fixture[Symbol.asyncDispose]();
  });

  const key = `${namespace}/quickstart`;
  const path = { resource: "validatorswarm.io/v1alpha1/validatorswarms", namespace, name: "quickstart" };
  const list = (kind: typeof pods) =>
    fixture.server.objects.list(`${kind.group}/${kind.version}/${kind.plural}`, namespace);

  /** Resolves as soon as what the server holds is as wanted. */
  async function objectsThat(wanted: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (wanted()) resolve();
    };
    const leave = fixture.server.objects.onEntry(look);
    look();
    await promise;
    leave();
  }

  /** Resolves with the swarm, or the Status that says why there is none. */
  async function swarmThat(wanted: (swarm: JsonRecord) => boolean): Promise<JsonRecord> {
    await objectsThat(() => wanted(fixture.server.objects.get(path).body));
    return fixture.server.objects.get(path).body;
  }
  const isTrue = (swarm: JsonRecord, condition: string) =>
    arrayAt(swarm["status"], "conditions").some(
      (each) => textAt(each, "type") === condition && textAt(each, "status") === "True",
    );

  test("is brought up: one pod and one volume for each seat, one genesis, every condition", async () => {
    const answer = await fixture.api.request({
      method: "POST",
      path: pathOf(validatorSwarms, namespace),
      body: { type: "application/json", value: quickstart() },
      signal: stop.signal,
      deadlineMs: 5_000,
    });
    expect(answer.kind).toBe("ok");
    const swarm = await swarmThat((each) => isTrue(each, "Ready"));
    expect(list(pods)).toHaveLength(4);
    expect(list(persistentVolumeClaims)).toHaveLength(4);
    expect(validators.set(`${namespace}/quickstart`)?.members).toHaveLength(4);
    expect(arrayAt(swarm["status"], "conditions")).toHaveLength(7);
    expect(textAt(swarm["status"], "chainId")).toMatch(/^[0-9a-f]{64}$/);
  });

  const change = (spec: JsonObject) => fixture.server.objects.merge(path, { spec }, "kubectl");
  const voters = () => validators.set(key)?.members.map(({ id }) => id) ?? [];

  test("grows to seven seats and shrinks to four, the power of every region unchanged", async () => {
    for (const replicas of [7, 4]) {
      change({ replicas });
      await swarmThat((each) => isTrue(each, "Ready") && seen(each) && list(pods).length === replicas);
      await objectsThat(() => list(persistentVolumeClaims).length === replicas);
      expect(voters()).toHaveLength(replicas);
      const powers = Map.groupBy(validators.set(key)?.members ?? [], ({ region }) => region);
      for (const members of powers.values()) expect(members.reduce((sum, { power }) => sum + power, 0)).toBe(2);
    }
  });

  test("leaves gateways that somebody else scales to them, and goes on", async () => {
    const resource = "apps/v1/deployments";
    const gateways = { resource, namespace, name: "quickstart-gateway" };
    const replicas = () => numberAt(fixture.server.objects.get(gateways).body["spec"], "replicas");
    await objectsThat(() => replicas() === 1);
    fixture.server.objects.merge(gateways, { spec: { replicas: 3 } }, "autoscaler");
    // Every region has one seat: its restart leaves the region without a vote.
    change({
      disruption: { allowSettlementPause: true },
      image: "validator-swarm:next",
      podTemplate: { labels: { team: "payments" } },
    });
    await swarmThat((each) => isTrue(each, "Ready") && seen(each) && list(pods).every(isNext));
    await objectsThat(() => JSON.stringify(fixture.server.objects.get(gateways).body).includes("validator-swarm:next"));
    expect(replicas()).toBe(3);
  });

  test("lets its volumes grow, their keys still recorded", async () => {
    change({ storage: { size: "30Gi" } });
    const grown = ({ spec, metadata }: JsonRecord) =>
      JSON.stringify(spec).includes('"storage":"30Gi"') && JSON.stringify(metadata).includes("/bls-key");
    await objectsThat(() => list(persistentVolumeClaims).every(grown));
  });

  test("gives a seat whose volume is lost to a new identity, and never uses the old name again", async () => {
    const lost = "quickstart-eu-west-0-g1";
    const resource = "/v1/persistentvolumeclaims";
    // The process under it notices and stops voting.
    validators.silence(key, lost);
    fixture.server.objects.merge({ resource, namespace, name: lost }, { status: { phase: "Lost" } }, "provisioner");
    await swarmThat((each) => isTrue(each, "Ready") && identities(each).includes("quickstart-eu-west-0-g2"));
    const names = () =>
      [...list(pods), ...list(persistentVolumeClaims)].map(({ metadata }) => textAt(metadata, "name"));
    await objectsThat(() => !names().includes(lost));
    expect(names()).toHaveLength(8);
  });

  test("is taken away pod by pod, its volumes kept, whatever it asks for that nobody can give", async () => {
    change({ exposure: { announce: [{ seat: "nobody", addresses: ["/ip4/192.0.2.1/tcp/7100"] }] } });
    await swarmThat((each) => JSON.stringify(each["status"]).includes("No seat can be named nobody"));
    fixture.server.objects.remove(path, {});
    await swarmThat((each) => textAt(each, "kind") === "Status");
    expect(list(pods)).toHaveLength(0);
    expect(list(persistentVolumeClaims)).toHaveLength(4);
  });
});

const isNext = ({ metadata }: JsonRecord) => JSON.stringify(metadata).includes('"team":"payments"');
const seen = ({ metadata, status }: JsonRecord) =>
  numberAt(status, "observedGeneration") === numberAt(metadata, "generation");
const identities = ({ status }: JsonRecord) => arrayAt(status, "seats").map((seat) => textAt(seat, "identity"));
