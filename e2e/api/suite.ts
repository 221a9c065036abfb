/** What every scenario here stands on: a name, a verdict, and an API server. */
import { KubeConfig } from "@kubernetes/client-node";
import { type Answer, type ApiClient, type ApiRequest, createApiClient } from "../../operator/kube/api-client.ts";
import { systemClock } from "../../operator/kube/clock.ts";
import type { Kind, KubeObject } from "../../operator/kube/objects.ts";
import { pathOf } from "../../operator/kube/objects.ts";
import type { Completed, ControlPlane } from "../control-plane/control-plane.ts";

export const namespace = "e2e";

export interface Suite {
  readonly plane: ControlPlane;
  readonly api: ApiClient;
  /** Another client, with connections of its own. */
  readonly client: (userAgent: string) => ApiClient;
  /** Prints `passed` with the figures that the run returns, or `FAILED` with what it threw. */
  readonly scenario: (name: string, run: () => Promise<string>) => Promise<void>;
  readonly send: (
    method: ApiRequest["method"],
    path: string,
    body?: unknown,
    query?: ApiRequest["query"],
  ) => Promise<Answer>;
  readonly create: (kind: Kind, object: KubeObject) => Promise<Answer>;
  /** Of a scenario that must go well: throws what kubectl said otherwise. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  readonly verdict: () => { readonly passed: number; readonly failed: number };
  readonly close: () => void;
}

export function createSuite(plane: ControlPlane): Suite {
  const config = new KubeConfig();
  config.loadFromFile(plane.kubeconfig);
  const clients: ApiClient[] = [];
  const client = (userAgent: string) => {
    const made = createApiClient({ config, clock: systemClock, userAgent });
    clients.push(made);
    return made;
  };
  const api = client("e2e");
  const signal = new AbortController().signal;
  let passed = 0;
  let failed = 0;

  const send: Suite["send"] = (method, path, value, query) =>
    api.request({
      method,
      path,
      signal,
      deadlineMs: 30_000,
      ...(query ? { query } : {}),
      ...(value === undefined
        ? {}
        : { body: { type: method === "PATCH" ? "application/merge-patch+json" : "application/json", value } }),
    });

  return {
    plane,
    api,
    client,
    send,
    create: (kind, object) => send("POST", pathOf(kind, object.metadata.namespace), object),
    async scenario(name, run) {
      const started = performance.now();
      const seconds = () => ((performance.now() - started) / 1_000).toFixed(1);
      try {
        const figures = await run();
        passed++;
        console.log(`passed  ${name} (${seconds()} s)\n        ${figures}`);
      } catch (error) {
        failed++;
        const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
        console.log(`FAILED  ${name} (${seconds()} s)\n        ${what}`);
      }
    },
    async kubectl(args, input) {
      const done: Completed = await plane.kubectl(args, input);
      if (done.code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${done.stderr || done.stdout}`);
      return done.stdout;
    },
    verdict: () => ({ passed, failed }),
    close: () => {
      for (const one of clients) one.close();
    },
  };
}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** The body of an answer that must be one. */
export function bodyOf(answer: Answer): Readonly<Record<string, unknown>> {
  if (answer.kind === "failed")
    throw new Error(`${answer.failure.kind} ${answer.failure.status}: ${answer.failure.message}`);
  return answer.body;
}

/** Resolves when the condition holds; throws after `ms`. For what cannot be awaited: another process. */
export async function reached(what: string, ms: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Math.round(performance.now() - started);
}
