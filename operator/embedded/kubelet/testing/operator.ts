/** A kubelet in a process of its own, for tests to kill: `operator.ts <directory> <API server's URL> <port base>`. */
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { createApiClient } from "../../../kube/api-client.ts";
import { systemClock } from "../../../kube/clock.ts";
import { createAddresses } from "../../addresses.ts";
import { createLinks } from "../../links/links.ts";
import { openPortBook } from "../../port-book.ts";
import { startKubelet } from "../kubelet.ts";

const [directory = "", server = "", base = ""] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromClusterAndUser({ name: "test", server, skipTLSVerify: true }, { name: "kubelet" });
const program = join(import.meta.dirname, "member.ts");
await startKubelet({
  api: createApiClient({ config, clock: systemClock, userAgent: "kubelet" }),
  clock: systemClock,
  random: Math.random,
  directory,
  namespaces: ["default"],
  programs: { validator: program },
  addresses: createAddresses(openPortBook({ file: join(directory, "ports.json"), base: Number(base) })),
  links: createLinks(),
  onProblem: (message) => console.error(message),
});
