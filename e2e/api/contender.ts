/**
 * One of several operators, as a process of its own: `node contender.ts NAME`, with KUBECONFIG set. While it leads it
 * writes its name into one object, again and again, and says what happens on its standard output, a line each.
 */
import { randomBytes } from "node:crypto";
import { KubeConfig } from "@kubernetes/client-node";
import { createApiClient } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import { configMaps } from "../../operator/kube/kinds.ts";
import { createMetrics } from "../../operator/kube/metrics.ts";
import { keyOf } from "../../operator/kube/objects.ts";
import { runController } from "../../operator/kube/runtime.ts";
import { contest } from "./contest.ts";

const name = process.argv[2] ?? "";
const config = new KubeConfig();
config.loadFromDefault();
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const say = (line: string) => process.stdout.write(`${line}\n`);

const controller = runController({
  api: createApiClient({ config, clock: systemClock, userAgent: name }),
  clock: systemClock,
  random: Math.random,
  scope: { kind: "namespaces", namespaces: [contest.namespace] },
  kinds: [{ kind: configMaps, labelSelector: contest.label, keys: (object) => [keyOf(object)] }],
  reconcile: async ({ key, writer }) => {
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: contest.object, namespace: contest.namespace, labels: { [contest.label]: "" } },
      data: { by: name, at: String(process.hrtime.bigint()) },
    };
    if (key !== `${contest.namespace}/${contest.object}`) return { kind: "done" };
    const result = await writer.apply(configMaps, object, { force: true });
    if (result.kind === "applied") return { kind: "again", afterMs: contest.everyMs };
    say(`refused ${result.kind}`);
    return { kind: "retry" };
  },
  metrics: createMetrics(),
  signal: stop.signal,
  // One field manager, as replicas of one operator have.
  name: "validatorswarm.io/contender",
  identity: `${name}-${randomBytes(4).toString("hex")}`,
  lease: { namespace: contest.namespace, name: contest.lease, times: contest.times },
  uniqueId: () => randomBytes(8).toString("hex"),
  limits: { maxMs: 500 },
  onObservation: (seen) => {
    if (seen.about === "election") say(seen.event.kind === "stopped" ? `stopped ${seen.event.why}` : seen.event.kind);
  },
});
const end = await controller.done;
say(`end ${end.kind}`);
process.exit(end.kind === "stopped" ? 0 : 1);
