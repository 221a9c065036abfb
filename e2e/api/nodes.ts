/** The status writer that plays kubelet, held to what the real controllers make of it. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { configMaps, persistentVolumeClaims, pods } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, type KubeObject, pathOf, textAt } from "../../operator/kube/objects.ts";
import { mountPath, relativePath } from "../../operator/objects/mounts.ts";
import { AdminService } from "../../proto/validator/v1/validator_pb.js";
import { verifyPossession } from "../../validator/crypto/bls.ts";
import { createAddresses, startFakeKubelet } from "./fake-kubelet.ts";
import { bodyOf, must, namespace, reached, type Suite } from "./suite.ts";
import { createValidatorRunner } from "./validator-runner.ts";

const finalizer = "validatorswarm.io/identity";
const name = "identity";

export async function nodesAndDisks(suite: Suite): Promise<void> {
  await suite.scenario("a faked kubelet: bound claims, ready pods, lost disks, held deletions", () => lifecycle(suite));
  await suite.scenario("a validator behind a faked pod: keys stay with the disk", () => behind(suite));
}

async function lifecycle(suite: Suite): Promise<string> {
  const stop = new AbortController();
  const log: string[] = [];
  const kubelet = await startFakeKubelet({
    api: suite.client("kubelet"),
    namespace,
    regions: ["eu-west", "us-east"],
    signal: stop.signal,
    runner: {
      start: async (pod, address, disk) => void log.push(`start ${pod.metadata.name} ${address} ${disk !== ""}`),
      stop: async (pod) => void log.push(`stop ${pod.metadata.name}`),
      ended: () => undefined,
      ready: async () => true,
    },
    addressOf: createAddresses(),
  });
  try {
    bodyOf(await suite.create(pods, pod));
    // Without its claim it is placed and does not start.
    await reached(
      "placed",
      30_000,
      async () => textAt((await read(suite, "pod"))["spec"], "nodeName") === "node-us-east",
    );
    must(log.length === 0, log.join("; "));
    bodyOf(await suite.create(persistentVolumeClaims, claim));
    await suite.kubectl(["wait", "-n", namespace, "--for=condition=Ready", `pod/${name}`, "--timeout=60s"]);
    must(textAt((await read(suite, "claim"))["status"], "phase") === "Bound", "a pod runs without its disk");
    must(log.join("; ") === `start ${name} 127.64.0.1 true`, log.join("; "));

    await suite.kubectl(["delete", "-n", namespace, `pod/${name}`, "--wait=false"]);
    await reached("the containers ended", 60_000, async () =>
      arrayAt((await read(suite, "pod"))["status"], "containerStatuses").every(
        (each) => isRecord(each) && isRecord(each["state"]) && isRecord(each["state"]["terminated"]),
      ),
    );
    must(log.at(-1) === `stop ${name}`, log.join("; "));
    const held = await suite.send("GET", pathOf(pods, namespace, name));
    must(held.kind === "ok", "the finalizer did not hold the pod");
    bodyOf(await suite.send("PATCH", pathOf(pods, namespace, name), { metadata: { finalizers: null } }));
    await reached("the pod is gone", 30_000, async () => {
      const answer = await suite.send("GET", pathOf(pods, namespace, name));
      return answer.kind === "failed" && answer.failure.status === 404;
    });
    await kubelet.loseDisk(name);
    const ms = await reached(
      "the claim is Lost",
      60_000,
      async () => textAt((await read(suite, "claim"))["status"], "phase") === "Lost",
    );
    return `${log.join(", ")}; Lost ${ms} ms after the disk was taken`;
  } finally {
    await suite.plane.kubectl(["delete", "-n", namespace, `pvc/${name}`, "--wait=false", "--ignore-not-found"]);
    stop.abort();
    await kubelet.done;
  }
}

/** One validator that waits for its chain, killed and moved to another pod. */
async function behind(suite: Suite): Promise<string> {
  const stop = new AbortController();
  const addressOf = createAddresses();
  const seat = "one-validator";
  const api = suite.client("kubelet");
  const directory = mkdtempSync(join(tmpdir(), "swarm-pods-"));
  const runner = createValidatorRunner({ api, directory, addressOf });
  const kubelet = await startFakeKubelet({
    api,
    namespace,
    regions: ["eu-west"],
    runner,
    addressOf,
    signal: stop.signal,
  });
  const admin = createClient(
    AdminService,
    createConnectTransport({ httpVersion: "2", baseUrl: `http://${addressOf(seat)}:7101` }),
  );
  const identity = async () => {
    let found: string | undefined;
    await reached("it tells its identity", 60_000, async () => {
      const said = await admin.getIdentity({}).catch(() => undefined);
      if (said && verifyPossession(said.blsKey, said.peerKey, said.proofOfPossession))
        found = Buffer.from(said.blsKey).toString("hex");
      return found !== undefined;
    });
    return found;
  };
  try {
    const config = {
      seat,
      region: "eu-west",
      dataDir: relativePath("data"),
      p2p: { listen: ["/ip4/0.0.0.0/tcp/7100"] },
      peers: [{ seat: "other", addresses: ["/dns4/other.quickstart-peers.e2e.svc/tcp/7100"] }],
      rpc: { host: "0.0.0.0", port: 7101 },
      metrics: { host: "0.0.0.0", port: 7102 },
    };
    const metadata = { name: seat, namespace };
    const data = { "config.json": JSON.stringify(config) };
    bodyOf(await suite.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data }));
    bodyOf(await suite.create(persistentVolumeClaims, { ...claim, metadata }));
    const own = {
      ...pod,
      metadata,
      spec: {
        containers: [{ name: "validator", image: "localhost/validator" }],
        volumes: [
          { name: "data", persistentVolumeClaim: { claimName: seat } },
          { name: "config", configMap: { name: seat } },
        ],
      },
    };
    bodyOf(await suite.create(pods, own));
    const first = await identity();
    runner.kill(seat);
    const second = await identity();
    await suite.kubectl(["delete", "-n", namespace, `pod/${seat}`, "--timeout=60s"]);
    bodyOf(await suite.create(pods, own));
    const third = await identity();
    must(first === second && second === third, `keys ${first}, ${second}, ${third}`);
    const ready = arrayAt(bodyOf(await suite.send("GET", pathOf(pods, namespace, seat)))["status"], "conditions").find(
      (each) => textAt(each, "type") === "Ready",
    );
    must(textAt(ready, "status") !== "True", "it is ready without a chain");
    return `BLS key ${first?.slice(0, 16)}… after a kill and in another pod; not ready without a genesis`;
  } finally {
    stop.abort();
    await kubelet.done;
    await runner.close();
    await suite.plane.kubectl(["delete", "-n", namespace, `pod,pvc,configmap/${seat}`, "--wait=false", "--force"]);
  }
}

async function read(suite: Suite, what: "pod" | "claim"): Promise<Readonly<Record<string, unknown>>> {
  return bodyOf(await suite.send("GET", pathOf(what === "pod" ? pods : persistentVolumeClaims, namespace, name)));
}

const pod: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, finalizers: [finalizer] },
  spec: {
    nodeSelector: { "topology.kubernetes.io/region": "us-east" },
    containers: [
      {
        name: "validator",
        image: "localhost/validator",
        volumeMounts: [{ name: "data", mountPath: mountPath("data") }],
      },
    ],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
  },
};

const claim: KubeObject = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name, namespace },
  spec: { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: "1Gi" } } },
};
