/**
 * The API server of the embedded world. It speaks what the operator, the command line and kubectl need of the
 * Kubernetes API, keeps its objects in a directory, and answers a write only once it is durable.
 */
import type { ApiClient } from "../../kube/api-client.ts";
import type { Clock } from "../../kube/clock.ts";
import { createInProcessClient } from "./client.ts";
import { type Credentials, createCredentials, kubeconfigText, writeKubeconfig } from "./credentials.ts";
import { createCollector } from "./garbage.ts";
import type { Hooks } from "./hooks.ts";
import { type HttpFace, startHttpFace } from "./http-face.ts";
import { createHandler } from "./requests.ts";
import { type Resource, resourceOf } from "./resources.ts";
import { type ServedKind, servedKinds } from "./served.ts";
import { type Entry, openStore } from "./store.ts";
import { patch, remove, type Target } from "./writes.ts";

export interface ApiServerOptions {
  /** Where the objects are kept; made when it is not there. Absent: in memory alone. One process at a time. */
  readonly directory?: string;
  readonly clock: Clock;
  readonly kinds?: readonly ServedKind[];
  /** The only ones there are. */
  readonly namespaces?: readonly string[];
  /** Hears once when nothing can be stored any more, a sentence: every request is refused from then on. */
  readonly onFailure?: (message: string) => void;
  /** Changes kept for watches and pages: so many, and so many bytes of JSON. */
  readonly historyChanges?: number;
  readonly historyBytes?: number;
  /** The file of the objects is written anew above this size. */
  readonly compactBytes?: number;
  readonly maxObjectBytes?: number;
  readonly maxBytes?: number;
  readonly maxWatches?: number;
  /** Between two bookmarks of a watch. */
  readonly bookmarkMs?: number;
}

export type OpenedApiServer =
  | { readonly kind: "open"; readonly server: ApiServer }
  /** A sentence that names the file and, of a damaged one, the place. */
  | { readonly kind: "failed"; readonly message: string };

export type ListenResult =
  | { readonly kind: "listening"; readonly port: number; readonly kubeconfig: string }
  | { readonly kind: "failed"; readonly message: string };

export interface ApiServer {
  /** In process. `userAgent` names the field manager of writes that name none. */
  readonly client: (userAgent: string) => ApiClient;
  /** HTTPS on 127.0.0.1; port 0 takes any. The kubeconfig is written to the file too, when one is named. Once. */
  readonly listen: (options: { readonly port: number; readonly kubeconfig?: string }) => Promise<ListenResult>;
  /** The kubelet's part; replaced when it starts, emptied when it ends. */
  readonly setHooks: (hooks: Hooks) => void;
  readonly stats: () => ApiServerStats;
  /** Forgets the changes so far: watches of older versions are told to list again. */
  readonly compact: () => void;
  /** Resolves when the garbage collector has nothing left to do. */
  readonly collected: () => Promise<void>;
  /** Ends streams, stores what was written, closes the sockets. */
  readonly close: () => Promise<void>;
}

export interface ApiServerStats {
  readonly objects: number;
  /** Of their JSON. */
  readonly bytes: number;
  readonly historyBytes: number;
  /** Torn off the end of the file when it was opened: writes that were never answered. */
  readonly tornBytes: number;
}

const sweepMs = 60_000;

export async function createApiServer(options: ApiServerOptions): Promise<OpenedApiServer> {
  const { clock, kinds = servedKinds, namespaces = ["default"], onFailure = () => {} } = options;
  const resources = new Map<string, Resource>(kinds.map(resourceOf).map((resource) => [resource.id, resource]));
  const opened = await openStore({
    directory: options.directory,
    resources: [...resources.values()],
    historyChanges: options.historyChanges ?? 10_000,
    historyBytes: options.historyBytes ?? 32 << 20,
    compactBytes: options.compactBytes,
    onFailure,
  });
  if (opened.kind === "failed") return opened;
  const { store, tornBytes } = opened;
  let hooks: Hooks = {};
  const closing = new AbortController();
  const handler = createHandler({
    store,
    resources,
    namespaces,
    clock,
    hooks: {
      log: (...args) => hooks.log?.(...args) ?? Promise.resolve({ kind: "refused", message: "there is no kubelet" }),
      evict: (...args) =>
        hooks.evict?.(...args) ?? Promise.resolve({ kind: "unavailable", message: "there is no kubelet" }),
    },
    bookmarkMs: options.bookmarkMs ?? 30_000,
    maxWatches: options.maxWatches ?? 1_024,
    maxObjectBytes: options.maxObjectBytes ?? 1_536 << 10,
    maxBytes: options.maxBytes ?? 512 << 20,
  });

  const own = () => ({ manager: "garbage-collector", subresource: "", strict: false, nowMs: clock.wall() });
  const drop = (entry: Entry) =>
    handler.carryOut(
      remove(targetOf(entry), entry, {
        preconditions: { uid: entry.uid },
        propagation: "Background",
        grace: undefined,
        nowMs: clock.wall(),
      }),
    );
  const everything = [...resources.values()].flatMap((resource) => store.list(resource, undefined));
  const collector = createCollector(store, everything, {
    remove: drop,
    patch: (entry, body) => handler.carryOut(patch(targetOf(entry), entry, body, "merge", own())),
  });

  let cancelSweep = clock.after(sweepMs, sweep);
  /** Forgets what has outlived its kind's lifetime. */
  function sweep(): void {
    for (const resource of resources.values()) {
      const { lifetimeMs } = resource;
      if (lifetimeMs === undefined) continue;
      const limit = clock.wall() - lifetimeMs;
      for (const entry of store.list(resource, undefined)) if (lastWrite(entry) < limit) drop(entry);
    }
    cancelSweep = clock.after(sweepMs, sweep);
  }

  let credentials: Credentials | undefined;
  let face: HttpFace | undefined;

  return {
    kind: "open",
    server: {
      client: (userAgent) => createInProcessClient({ handler, clock, userAgent, closing: closing.signal }),
      async listen({ port, kubeconfig: file }) {
        if (credentials) return { kind: "failed", message: "the API server listens already" };
        credentials = await createCredentials(clock.wall());
        const listening = await startHttpFace({ handler, port, ...credentials });
        if (listening.kind === "failed") {
          credentials = undefined;
          return listening;
        }
        face = listening.face;
        const kubeconfig = kubeconfigText(face.port, namespaces[0] ?? "default", credentials);
        if (file !== undefined) await writeKubeconfig(file, kubeconfig);
        return { kind: "listening", port: face.port, kubeconfig };
      },
      setHooks(next) {
        hooks = next;
      },
      stats: () => ({ ...store.stats(), tornBytes }),
      compact: () => store.compact(),
      collected: () => collector.idle(),
      async close() {
        cancelSweep();
        collector.close();
        closing.abort();
        await face?.close();
        await store.close();
      },
    },
  };
}

function targetOf({ resource, namespace, name }: Entry): Target {
  return { resource, namespace, name };
}

function lastWrite({ owners }: Entry): number {
  return Math.max(0, ...owners.map(({ time }) => Date.parse(time)));
}
