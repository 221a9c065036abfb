/** What most tests here start from: a server, a client of it, and names for things. */
import { type ApiClient, createApiClient } from "../api-client.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { KubeObject } from "../objects.ts";
import { type FaultyServer, startFaultyServer } from "./faulty-server.ts";
import type { JsonObject } from "./field-ownership.ts";
import type { ObjectPath } from "./object-base.ts";

/** Config maps: the simplest kind. */
export { configMaps } from "../kinds.ts";

export interface Fixture {
  readonly server: FaultyServer;
  readonly api: ApiClient;
  readonly stop: AbortController;
  /** Another client of the same server. */
  readonly client: (agent: string, clock?: Clock) => ApiClient;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

export async function createFixture(options: { readonly maxLineBytes?: number } = {}): Promise<Fixture> {
  const server = await startFaultyServer();
  const stop = new AbortController();
  const clients: ApiClient[] = [];
  const client = (userAgent: string, clock: Clock = systemClock) => {
    const made = createApiClient({ config: server.config, clock, userAgent, ...options });
    clients.push(made);
    return made;
  };
  return {
    server,
    api: client("test"),
    stop,
    client,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.close();
      for (const one of clients) one.close();
    },
  };
}

export const pathOfMap = (name: string, namespace = "swarm"): ObjectPath => ({
  resource: "/v1/configmaps",
  namespace,
  name,
});

/** A config map as a client writes it. */
export function configMap(
  name: string,
  data: Readonly<Record<string, string>> = {},
  namespace = "swarm",
): KubeObject & JsonObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

/** Creates or changes a config map as another client of the server would. */
export function put(
  { server }: Fixture,
  name: string,
  data: Readonly<Record<string, string>>,
  namespace = "swarm",
): void {
  const path = pathOfMap(name, namespace);
  const { status } = server.objects.create(path, configMap(name, data, namespace), "somebody");
  if (status === 409) server.objects.merge(path, { data }, "somebody");
}
