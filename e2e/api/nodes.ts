/** The status writer that plays kubelet, held to what the real controllers make of it. */
import { persistentVolumeClaims, pods } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, type KubeObject, pathOf, textAt } from "../../operator/kube/objects.ts";
import { startFakeKubelet } from "./fake-kubelet.ts";
import { bodyOf, must, namespace, reached, type Suite } from "./suite.ts";

const finalizer = "validatorswarm.io/identity";
const name = "identity";

export async function nodesAndDisks(suite: Suite): Promise<void> {
  await suite.scenario("a faked kubelet: bound claims, ready pods, lost disks, held deletions", () => lifecycle(suite));
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
    },
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
        volumeMounts: [{ name: "data", mountPath: "/var/lib/validator" }],
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
