/** A real API server as a world: the definitions installed, and a namespace that goes with everything in it. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";
import { createApiClient } from "../../kube/api-client.ts";
import { systemClock } from "../../kube/clock.ts";
import { arrayAt, type JsonRecord, type Kind, textAt } from "../../kube/objects.ts";
import { bodyOf, createSession, part, type World } from "../world.ts";

const definitions: Kind = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};
const namespaces: Kind = { group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false };
const accounts: Kind = {
  group: "",
  version: "v1",
  plural: "serviceaccounts",
  kind: "ServiceAccount",
  namespaced: true,
};

export async function openCluster(config: KubeConfig): Promise<World> {
  const api = createApiClient({ config, clock: systemClock, userAgent: "contract" });
  const namespace = `contract-${randomBytes(3).toString("hex")}`;
  const world: World = {
    api,
    namespace,
    compact: undefined,
    async close() {
      bodyOf(await session.remove(namespaces, namespace));
      api.close();
    },
  };
  const session = createSession(world);
  for (const plural of ["validatorswarms", "swarmcheckpoints"]) {
    const file = join(import.meta.dirname, "../../../crds", `${plural}.yaml`);
    const { spec } = parse(readFileSync(file, "utf8")) as JsonRecord;
    const name = `${plural}.validatorswarm.io`;
    bodyOf(await session.apply(definitions, name, { spec }, { force: true }));
    await session.until(definitions, name, isEstablished);
  }
  await session.create(namespaces, namespace, {});
  // No pod is admitted without it.
  await session.until(accounts, "default", (account) => account !== undefined);
  return world;
}

function isEstablished(definition: JsonRecord | undefined): boolean {
  return arrayAt(part(definition, "status"), "conditions").some(
    (each) => textAt(each, "type") === "Established" && textAt(each, "status") === "True",
  );
}
