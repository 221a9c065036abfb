/** An API server with what an operator would have put there, and a home whose kubeconfig names it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { z } from "zod";
import { type FaultyServer, startFaultyServer } from "../../operator/kube/testing/faulty-server.ts";
import { isObject, type Json, type JsonObject } from "../../operator/kube/testing/field-ownership.ts";
import type { ObjectPath } from "../../operator/kube/testing/object-base.ts";
import { createHome, type Ended, type Home, type Running, type RunOptions } from "./run.ts";

export interface Cluster {
  readonly server: FaultyServer;
  readonly home: Home;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Ended>;
  readonly start: (args: readonly string[], options?: RunOptions) => Running;
  /** Makes an object, or merges fields into it, as somebody else. */
  readonly put: (resource: string, name: string, fields: JsonObject, namespace?: string) => void;
  readonly get: (resource: string, name: string) => JsonObject | undefined;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

export const swarmResource = "validatorswarm.io/v1alpha1/validatorswarms";
export const podResource = "/v1/pods";
export const mapResource = "/v1/configmaps";

export async function createCluster(): Promise<Cluster> {
  const server = await startFaultyServer();
  const home = createHome();
  mkdirSync(join(home.path, ".kube"));
  writeFileSync(join(home.path, ".kube", "config"), server.config.exportConfig());
  const at = (resource: string, name: string, namespace = "default"): ObjectPath => ({ resource, namespace, name });
  return {
    server,
    home,
    run: home.run,
    start: home.start,
    put(resource, name, fields, namespace) {
      const path = at(resource, name, namespace);
      const [group, version] = resource.split("/");
      const metadata = { name, namespace: path.namespace ?? "", ...part(fields["metadata"]) };
      const whole = { apiVersion: group ? `${group}/${version}` : "v1", kind: "Any", ...fields, metadata };
      const { status } = server.objects.create(path, whole, "somebody");
      if (status === 409) server.objects.merge(path, fields, "somebody");
    },
    get(resource, name) {
      const { status, body } = server.objects.get(at(resource, name));
      return status === 200 ? body : undefined;
    },
    async [Symbol.asyncDispose]() {
      home[Symbol.dispose]();
      await server.close();
    },
  };
}

const part = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

/** What a program wrote: of exactly the documented shape, no field more. */
export function documented<T extends z.ZodType>(shape: T, text: string): z.infer<T> {
  const value: unknown = JSON.parse(text);
  const parsed = shape.parse(value);
  expect(value).toEqual(parsed);
  return parsed;
}
