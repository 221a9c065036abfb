/** A kubelet that starts nothing: it says of every pod that it runs and is ready, and of every deleted one that it ended. */
import type { ApiClient } from "../kube/api-client.ts";
import { systemClock } from "../kube/clock.ts";
import { persistentVolumeClaims, pods } from "../kube/kinds.ts";
import { startListWatch } from "../kube/list-watch.ts";
import { arrayAt, type Kind, pathOf, type StoredObject, textAt } from "../kube/objects.ts";

export interface ModelKubelet {
  readonly done: Promise<void>;
}

/** Plays every node of the cluster until the signal. */
export function startModelKubelet(api: ApiClient, signal: AbortSignal): ModelKubelet {
  const watch = (kind: Kind, act: (object: StoredObject) => void) =>
    startListWatch({
      api,
      clock: systemClock,
      random: Math.random,
      signal,
      selection: { kind, namespace: undefined },
      onChange: (change) => {
        if (change.kind !== "deleted") act(change.object);
      },
    }).done;
  const patch = (kind: Kind, { metadata }: StoredObject, value: unknown, subresource?: "status") =>
    void api.request({
      method: "PATCH",
      path: pathOf(kind, metadata.namespace, metadata.name, subresource),
      body: { type: "application/merge-patch+json", value },
      signal,
      deadlineMs: 5_000,
    });

  const pod = (object: StoredObject) => {
    const { metadata, spec, status } = object;
    const names = arrayAt(spec, "containers").map((container) => textAt(container, "name"));
    const deleting = metadata.deletionTimestamp !== undefined;
    const phase = deleting ? "Succeeded" : "Running";
    if (textAt(spec, "nodeName") === "") {
      if (!deleting) patch(pods, object, { spec: { nodeName: "model" } });
      return;
    }
    if (textAt(status, "phase") === phase) return;
    const state = deleting ? { terminated: { exitCode: 0 } } : { running: {} };
    patch(
      pods,
      object,
      {
        status: {
          phase,
          podIP: "127.0.0.1",
          conditions: [{ type: "Ready", status: deleting ? "False" : "True" }],
          containerStatuses: names.map((name) => ({
            name,
            ready: !deleting,
            restartCount: 0,
            image: "",
            imageID: "",
            state,
          })),
        },
      },
      "status",
    );
  };
  const claim = (object: StoredObject) => {
    if (textAt(object["status"], "phase") === "")
      patch(persistentVolumeClaims, object, { status: { phase: "Bound" } }, "status");
  };
  return { done: Promise.all([watch(pods, pod), watch(persistentVolumeClaims, claim)]).then(() => {}) };
}
