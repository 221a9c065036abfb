/**
 * `npm run e2e:api`: the operator's side of the Kubernetes API against a real server: etcd, kube-apiserver and
 * kube-controller-manager, without nodes. Ends with `N passed, N failed`.
 */
import { buildBinary } from "../control-plane/build.ts";
import { startControlPlane } from "../control-plane/control-plane.ts";
import { admission } from "./admission.ts";
import { contract } from "./contract.ts";
import { election } from "./election.ts";
import { nodesAndDisks } from "./nodes.ts";
import { reconcile } from "./reconcile.ts";
import { createSuite, namespace } from "./suite.ts";
import { watching } from "./watching.ts";
import { writing } from "./writing.ts";

const binary = await buildBinary(console.log);
const started = performance.now();
const plane = await startControlPlane(binary);
console.log(`a control plane in ${((performance.now() - started) / 1_000).toFixed(1)} s`);
const suite = createSuite(plane);
// Whoever kills the API server comes last: the controllers take a minute to find their way back.
const parts = { admission, writing, nodes: nodesAndDisks, reconcile, contract, watching, election };
const wanted = process.argv.slice(2);
// Every part after the first stands in its namespace.
try {
  if (wanted.length > 0 && !wanted.includes("admission")) await suite.kubectl(["create", "namespace", namespace]);
  for (const [name, run] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await run(suite);
} finally {
  suite.close();
  await plane.stop();
}
const { passed, failed } = suite.verdict();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
