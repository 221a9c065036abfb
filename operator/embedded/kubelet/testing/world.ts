/** A kubelet on an API server of its own, in a directory of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../kube/clock.ts";
import { configMaps, persistentVolumeClaims, pods, validatorSwarms } from "../../../kube/kinds.ts";
import { apiVersionOf, type JsonRecord, type Kind, readObject, type StoredObject } from "../../../kube/objects.ts";
import type { JsonObject } from "../../../kube/testing/field-ownership.ts";
import { createFixture, type Fixture } from "../../../kube/testing/fixture.ts";
import type { ObjectPath } from "../../../kube/testing/object-base.ts";
import { createAddresses } from "../../addresses.ts";
import { createLinks, type Links } from "../../links/links.ts";
import { openPortBook, type PortBook } from "../../port-book.ts";
import { sourcesImage } from "../images.ts";
import { type Kubelet, startKubelet } from "../kubelet.ts";

export interface TestWorld {
  readonly fixture: Fixture;
  readonly directory: string;
  readonly ports: PortBook;
  readonly links: Links;
  readonly problems: readonly string[];
  readonly start: () => Promise<Kubelet>;
  readonly put: (kind: Kind, object: JsonObject) => void;
  readonly patch: (kind: Kind, name: string, patch: JsonObject) => void;
  readonly remove: (kind: Kind, name: string) => void;
  readonly get: (kind: Kind, name: string) => StoredObject | undefined;
  /** The first state of the object that fits, now or later; undefined as soon as it is gone when that fits. */
  readonly until: (
    kind: Kind,
    name: string,
    fits: (object: StoredObject | undefined) => boolean,
  ) => Promise<StoredObject | undefined>;
  /** A swarm of one region, and a pod with its claim and its configuration. */
  readonly member: (name: string, how?: MemberOptions) => Promise<number>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

export interface MemberOptions {
  readonly config?: JsonObject;
  readonly spec?: JsonObject;
  readonly container?: JsonObject;
  readonly metadata?: JsonObject;
}

const program = join(import.meta.dirname, "member.ts");

export async function createTestWorld(): Promise<TestWorld> {
  const fixture = await createFixture();
  const { objects } = fixture.server;
  const directory = mkdtempSync(join(tmpdir(), "kubelet-"));
  const ports = openPortBook({ file: join(directory, "ports.json"), base: await freePorts() });
  const addresses = createAddresses(ports);
  const links = createLinks();
  const problems: string[] = [];
  const kubelets: Kubelet[] = [];

  const pathOf = (kind: Kind, name: string): ObjectPath => ({
    resource: `${kind.group}/${kind.version}/${kind.plural}`,
    namespace: kind.namespaced ? "default" : undefined,
    name,
  });
  const get = (kind: Kind, name: string) => readObject(kind, objects.get(pathOf(kind, name)).body);
  const put = (kind: Kind, object: JsonObject) => {
    const metadata = object["metadata"] as JsonObject;
    const { status, body } = objects.create(
      pathOf(kind, String(metadata["name"])),
      { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object },
      "test",
    );
    if (status !== 201) throw new Error(JSON.stringify(body));
  };

  const until: TestWorld["until"] = (kind, name, fits) => {
    const { promise, resolve } = Promise.withResolvers<StoredObject | undefined>();
    const look = () => {
      const found = get(kind, name);
      if (fits(found)) resolve(found);
    };
    const stop = objects.onEntry(look);
    look();
    return promise.finally(stop);
  };

  return {
    fixture,
    directory,
    ports,
    links,
    problems,
    put,
    get,
    until,
    patch: (kind, name, patch) => void objects.merge(pathOf(kind, name), patch, "test"),
    remove: (kind, name) => void objects.remove(pathOf(kind, name), {}),
    async start() {
      const kubelet = await startKubelet({
        api: fixture.client("kubelet"),
        clock: systemClock,
        random: Math.random,
        directory,
        namespaces: ["default"],
        programs: { validator: program, gateway: program },
        addresses,
        links,
        onProblem: (message) => problems.push(message),
        backoff: { initialMs: 20, maxMs: 100, healthyMs: 60_000 },
      });
      kubelets.push(kubelet);
      return kubelet;
    },
    async member(name, { config = {}, spec = {}, container = {}, metadata = {} } = {}) {
      const port = ports.port(`${name} metrics`);
      if (!get(validatorSwarms, "quick"))
        put(validatorSwarms, { metadata: { name: "quick" }, spec: { regions: [{ name: "eu-west" }] } });
      if (!get(persistentVolumeClaims, name))
        put(persistentVolumeClaims, { metadata: { name, labels: labelsOf(name) }, spec: claimSpec });
      if (!get(configMaps, name))
        put(configMaps, {
          metadata: { name },
          data: { "config.json": JSON.stringify({ dataDir: "var/lib/validator", port, ...config }) },
        });
      put(pods, {
        metadata: { name, labels: labelsOf(name), ...metadata },
        spec: { ...podSpec(name, port, container, ports), ...spec },
      });
      return port;
    },
    async [Symbol.asyncDispose]() {
      for (const kubelet of kubelets) await kubelet.close(2_000);
      await links.close();
      await fixture[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const claimSpec = { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: "1Gi" } } };

export const labelsOf = (name: string) => ({
  "app.kubernetes.io/instance": "quick",
  "app.kubernetes.io/component": "validator",
  "validatorswarm.io/seat": name.replace("quick-", ""),
});

function podSpec(name: string, port: number, container: JsonObject, ports: PortBook): JsonObject {
  return {
    nodeSelector: { "topology.kubernetes.io/region": "eu-west" },
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 5,
    containers: [
      {
        name: "validator",
        image: sourcesImage,
        args: ["--config", "/etc/validator/config.json"],
        ports: [
          { name: "p2p", containerPort: ports.port(`${name} p2p`) },
          { name: "metrics", containerPort: port },
        ],
        volumeMounts: [
          { name: "data", mountPath: "/var/lib/validator" },
          { name: "config", mountPath: "/etc/validator", readOnly: true },
        ],
        readinessProbe: { httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 1, failureThreshold: 1 },
        ...container,
      },
    ],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: name } },
      { name: "config", configMap: { name } },
    ],
  };
}

/** A base from which a hundred ports are likely to be free: tests of other files run beside. */
async function freePorts(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    resolve(typeof address === "object" && address ? address.port : 0);
  });
  const port = await promise;
  server.close();
  return 10_000 + (port % 200) * 100;
}

export const statusOf = (object: StoredObject | undefined): JsonRecord => (object?.["status"] ?? {}) as JsonRecord;
