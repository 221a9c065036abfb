/**
 * The contract over the embedded API server, in process and over HTTPS; and over the server of KUBECONFIG when that
 * is one of this machine, in a namespace of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { createApiServer } from "../embedded/api-server/api-server.ts";
import { createApiClient } from "../kube/api-client.ts";
import { systemClock } from "../kube/clock.ts";
import { contract } from "./contract.ts";
import { openCluster } from "./testing/cluster.ts";
import type { World } from "./world.ts";

contract("in process", () => embedded(false));
contract("over HTTPS", () => embedded(true));

const cluster = localCluster();
if (cluster) contract("the cluster of KUBECONFIG", () => openCluster(cluster));

async function embedded(overHttps: boolean): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "contract-"));
  const opened = await createApiServer({ directory, clock: systemClock });
  if (opened.kind === "failed") throw new Error(opened.message);
  const { server } = opened;
  const api = overHttps ? await overSockets() : server.client("contract");
  return {
    api,
    namespace: "default",
    compact: () => Promise.resolve(server.compact()),
    async close() {
      api.close();
      await server.close();
      rmSync(directory, { recursive: true });
    },
  };

  async function overSockets() {
    const listening = await server.listen({ port: 0 });
    if (listening.kind === "failed") throw new Error(listening.message);
    const config = new KubeConfig();
    config.loadFromString(listening.kubeconfig);
    return createApiClient({ config, clock: systemClock, userAgent: "contract" });
  }
}

/** Whoever has a configuration lying around has not asked for tests in that cluster. */
function localCluster(): KubeConfig | undefined {
  const file = process.env["KUBECONFIG"] ?? "";
  if (file === "") return undefined;
  const config = new KubeConfig();
  config.loadFromFile(file);
  return URL.parse(config.getCurrentCluster()?.server ?? "")?.hostname === "127.0.0.1" ? config : undefined;
}
