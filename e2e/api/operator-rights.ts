/** What the manifests grant the operator, compared with what it asks for. */
import { join } from "node:path";
import { clusterRights, ownRights, rights } from "../../operator/cluster/rights.ts";
import { textAt } from "../../operator/kube/objects.ts";
import { accountConfig, startOperatorProcess } from "./operator-process.ts";
import { must, reached, type Suite } from "./suite.ts";

const root = join(import.meta.dirname, "../..");
/** In the manifest for a whole cluster. */
export const account = "validator-swarm-operator";
export const accountNamespace = "validator-swarm-system";

/** Leads and has filled every store, so that nothing it watches is kept from it. */
export async function oneNamespace(suite: Suite): Promise<string> {
  const own = "payments";
  await suite.kubectl(["create", "namespace", own]);
  await suite.kubectl(["apply", "--server-side", "-f", join(root, "crds")]);
  await suite.kubectl(["apply", "-f", join(root, "manifests/operator/namespace.yaml")]);
  const kubeconfig = await accountConfig(suite, own, account);
  const args = ["--image", "validator-swarm:e2e", "--namespace", own, "--lease-namespace", own];
  const operator = startOperatorProcess(suite, "operator-of-one", kubeconfig, args);
  try {
    const ms = await reached("it leads", 60_000, operator.leads);
    const code = await operator.end("SIGTERM");
    must(code === 0, `exit ${code}`);
    const problems = operator.lines().filter((line) => textAt(line, "level") !== "info");
    must(problems.length === 0, JSON.stringify(problems.slice(0, 3)));
    return `led after ${ms} ms, ended with exit code 0`;
  } finally {
    await operator.end("SIGKILL");
  }
}

/** Compares what the account asked for with what it was granted. */
export function compareRights(suite: Suite): string {
  const user = `system:serviceaccount:${accountNamespace}:${account}`;
  const asked = suite.plane.audited().filter((each) => each.user === user);
  const refused = asked.filter(({ code }) => code === 401 || code === 403);
  must(refused.length === 0, `refused: ${JSON.stringify(refused.slice(0, 3))}`);
  const used = new Set(asked.map(({ verb, group, resource }) => `${verb} ${group}/${resource}`));
  const granted = [...rights, ...clusterRights, ...ownRights].flatMap(({ kind, subresource, verbs }) =>
    verbs.map((verb) => `${verb} ${kind.group}/${kind.plural}${subresource === undefined ? "" : `/${subresource}`}`),
  );
  const isUsed = (right: string) =>
    // An apply that makes an object is logged as a patch, and refused without the right to create.
    used.has(right) || (right.startsWith("create ") && used.has(right.replace("create", "patch")));
  const inVain = granted.filter((right) => !isUsed(right));
  must(inVain.length === 0, `granted and not used: ${inVain.join(", ")}`);
  return `${asked.length} requests, none refused, none of ${granted.length} rights in vain`;
}
