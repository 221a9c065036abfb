/**
 * The quickstart from its manifest to a running swarm and away again: the operator's process with its own rights, a real
 * API server, real validators behind faked pods, and kubectl as the client.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { persistentVolumeClaims, pods, swarmCheckpoints, validatorSwarms } from "../../operator/kube/kinds.ts";
import {
  arrayAt,
  isRecord,
  type JsonRecord,
  type Kind,
  numberAt,
  pathOf,
  textAt,
} from "../../operator/kube/objects.ts";
import { genesisName, operatorKeySecret } from "../../operator/objects/names.ts";
import { createAddresses, type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { accountConfig, type OperatorProcess, startOperatorProcess } from "./operator-process.ts";
import { account, accountNamespace, compareRights, oneNamespace } from "./operator-rights.ts";
import { quickstart } from "./quickstart.ts";
import { bodyOf, must, reached, type Suite } from "./suite.ts";
import { createValidatorRunner, type ValidatorRunner } from "./validator-runner.ts";

const root = join(import.meta.dirname, "../..");
const namespace = "bank";
const swarm = "quickstart";
/** kubectl's own calls may take two minutes. */
const waitSeconds = 115;
/** A moment of the schedule, and a run. */
const checkpointBound = 180_000;

interface Stage {
  readonly suite: Suite;
  readonly runner: ValidatorRunner;
  readonly kubelet: FakeKubelet;
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  readonly start: (name: string, image?: string) => OperatorProcess;
}

export async function reconcile(suite: Suite): Promise<void> {
  await suite.scenario("an operator of one namespace, with rights in no other", () => oneNamespace(suite));
  const stop = new AbortController();
  const directory = mkdtempSync(join(tmpdir(), "swarm-pods-"));
  const addressOf = createAddresses();
  const api = suite.client("kubelet");
  const runner = createValidatorRunner({ api, directory, addressOf });
  const kubectl = (args: readonly string[], input?: string) => suite.kubectl(["-n", namespace, ...args], input);
  await suite.kubectl(["create", "namespace", namespace]);
  // No pod is admitted without it.
  await kubectl(["wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
  await suite.kubectl(["apply", "--server-side", "-f", join(root, "crds")]);
  await suite.kubectl(["apply", "-f", join(root, "manifests/operator/cluster.yaml")]);
  const kubeconfig = await accountConfig(suite, accountNamespace, account);
  const regions = arrayAt(quickstart()["spec"], "regions").map((each) => textAt(each, "name"));
  const kubelet = await startFakeKubelet({ api, namespace, regions, runner, addressOf, signal: stop.signal });
  const operators: OperatorProcess[] = [];
  const start = (name: string, image = "validator-swarm:e2e") => {
    const args = ["--image", image, "--lease-namespace", accountNamespace];
    const operator = startOperatorProcess(suite, name, kubeconfig, args);
    operators.push(operator);
    return operator;
  };
  try {
    await story({ suite, runner, kubelet, kubectl, start });
  } catch (error) {
    // Each step stands on the one before. What the operators said last is the best clue there is.
    for (const { name, lines } of operators)
      for (const line of lines().slice(-12)) console.log(`        ${name}: ${JSON.stringify(line)}`);
    const { stdout } = await suite.plane.kubectl(["-n", namespace, "get", `vsw/${swarm}`, "-o", "jsonpath={.status}"]);
    console.log(`        status: ${stdout}`);
    if (!(error instanceof StoryEnded)) throw error;
  } finally {
    await Promise.all(operators.map((operator) => operator.end("SIGKILL")));
    stop.abort();
    await kubelet.done;
    await runner.close();
  }
}

class StoryEnded extends Error {}

async function story({ suite, runner, kubelet, kubectl, start }: Stage): Promise<void> {
  const step = async (name: string, run: () => Promise<string>) => {
    const { failed } = suite.verdict();
    await suite.scenario(`reconcile: ${name}`, run);
    if (suite.verdict().failed > failed) throw new StoryEnded();
  };
  const first = start("operator-a");
  let operator = first;
  await step("kubectl apply of the quickstart, wait until it is Ready", async () => {
    const key = operatorKeySecret(swarm);
    await kubectl(["create", "secret", "generic", key, `--from-literal=key=${randomBytes(32).toString("hex")}`]);
    const applied = performance.now();
    await kubectl(["apply", "-f", "-"], stringify(quickstart()));
    await ready();
    const [, row = ""] = (await kubectl(["get", "vsw"])).trim().split("\n");
    must(/^quickstart +True +\S+ +4 +4 +48 +48 +15 +0 /.test(row), row);
    must((await identities(pods)).length === 4, "not four pods");
    return `${since(applied)}; ${row}`;
  });

  await step("kubectl scale to 7, the operator killed on the way", async () => {
    const next = start("operator-b");
    await reached("the second waits", 30_000, () => next.port() > 0);
    const scaled = performance.now();
    const before = runner.starts();
    await kubectl(["scale", `vsw/${swarm}`, "--replicas=7"]);
    await reached("the set has begun to change", 120_000, async () => (await status("epoch")) > 0);
    await operator.end("SIGKILL");
    const killed = performance.now();
    await reached("the second leads", 60_000, next.leads);
    const took = since(killed);
    operator = next;
    await ready();
    must((await status("replicas")) === 7, "not seven seats");
    for (const [pod, starts] of before) must(runner.starts().get(pod) === starts, `${pod} was started again`);
    return `${since(scaled)}, epoch ${await status("epoch")}; the other leads ${took} after kill -9`;
  });

  await step("kubectl scale back to 4", async () => {
    const scaled = performance.now();
    await kubectl(["scale", `vsw/${swarm}`, "--replicas=4"]);
    await ready();
    await reached("four pods", 60_000, async () => (await identities(pods)).length === 4);
    must((await status("replicas")) === 4, "not four seats");
    return `${since(scaled)}, epoch ${await status("epoch")}`;
  });

  await step("a disk is lost, another identity takes the seat", async () => {
    const lost = `${swarm}-eu-west-0-g1`;
    const taken = performance.now();
    runner.loseDisk(lost);
    await kubelet.loseDisk(lost);
    await reached("another holds the seat", 110_000, async () => (await holders()).includes(`${swarm}-eu-west-0-g2`));
    await ready();
    await reached("nothing is left of the old one", 60_000, async () =>
      [...(await identities(pods)), ...(await identities(persistentVolumeClaims))].every(
        (each) => !each.includes(lost),
      ),
    );
    return `${since(taken)}, epoch ${await status("epoch")}`;
  });

  await step("the operator is upgraded, and no validator notices", async () => {
    const before = runner.starts();
    const running = await identities(pods);
    const asked = performance.now();
    const code = await operator.end("SIGTERM");
    const took = since(asked);
    must(code === 0, `exit ${code}`);
    // Another release, which brings another image.
    operator = start("operator-c", "validator-swarm:e2e-next");
    await reached("the next leads", 30_000, operator.leads);
    const led = since(asked);
    // A visit after the takeover: the generation is observed anew and nothing else changes.
    await kubectl(["patch", `vsw/${swarm}`, "--type=merge", "-p", '{"spec":{"gateway":{"replicas":2}}}']);
    await ready();
    must((await identities(pods)).join() === running.join(), "a pod is another one");
    must(JSON.stringify([...runner.starts()]) === JSON.stringify([...before]), "a validator was started again");
    const metrics = await (await fetch(`http://127.0.0.1:${operator.port()}/metrics`)).text();
    must(/^operator_leader 1$/m.test(metrics), "its metrics do not say that it leads");
    for (const probe of ["healthz", "readyz"]) {
      const { ok } = await fetch(`http://127.0.0.1:${operator.port()}/${probe}`);
      must(ok, `/${probe} says no`);
    }
    return `ended in ${took} with exit code 0, the next led ${led} after the signal`;
  });

  await step("swarm status and swarm explain", async () => {
    const told = await cli(suite, ["status", swarm]);
    must(told.code === 0 && /eu-west/.test(told.out), `${told.code}: ${told.out}`);
    const why = await cli(suite, ["explain", swarm]);
    must(why.code === 0 && why.out.trim() !== "", `${why.code}: ${why.out}`);
    return `${told.out.split("\n")[0]} | ${why.out.split("\n")[0]}`;
  });

  await step("checkpoints by the clock: read over mutual TLS, restored, the oldest deleted", async () => {
    const asked = performance.now();
    const checkpoints = { schedule: "* * * * *", retention: 1, destination: { pvc: { size: "1Gi" } } };
    await kubectl(["patch", `vsw/${swarm}`, "--type=merge", "-p", JSON.stringify({ spec: { checkpoints } })]);
    const made = async () => {
      const list = bodyOf(await suite.send("GET", pathOf(swarmCheckpoints, namespace)));
      return arrayAt(list, "items").filter(isRecord);
    };
    const isVerified = ({ status: said }: JsonRecord) =>
      arrayAt(said, "conditions").some(
        (each) => textAt(each, "type") === "Verified" && textAt(each, "status") === "True",
      );
    const nameOf = ({ metadata }: JsonRecord) => textAt(metadata, "name");
    await reached("one is verified", checkpointBound, async () => (await made()).some(isVerified));
    const took = since(asked);
    const [first] = (await made()).filter(isVerified).map(nameOf);
    await reached("a later one is, and the first is gone", checkpointBound, async () => {
      const now = await made();
      return now.some(isVerified) && now.every((each) => nameOf(each) !== first);
    });
    await kubectl(["patch", `vsw/${swarm}`, "--type=merge", "-p", '{"spec":{"checkpoints":null}}']);
    return `${first} verified after ${took}, replaced after ${since(asked)}`;
  });

  await step("kubectl delete, the volumes stay", async () => {
    const asked = performance.now();
    await kubectl(["delete", `vsw/${swarm}`, `--timeout=${waitSeconds}s`]);
    const took = since(asked);
    must((await identities(pods)).length === 0, "pods are left");
    const kept = await identities(persistentVolumeClaims);
    must(kept.length === 4, `volumes ${kept.join(", ")}`);
    await kubectl(["get", `configmap/${genesisName(swarm)}`]);
    return `${took}; ${kept.length} volumes and the genesis kept`;
  });

  await step("nothing was refused, nothing secret was logged", async () => {
    const code = await operator.end("SIGTERM");
    must(code === 0, `exit ${code}`);
    const secret = JSON.parse(await kubectl(["get", `secret/${operatorKeySecret(swarm)}`, "-o", "json"]));
    const seed = Buffer.from(textAt(isRecord(secret) ? secret["data"] : {}, "key"), "base64").toString();
    const logs = ["operator-a", "operator-b", "operator-c"].map((name) =>
      readFileSync(join(suite.plane.directory, `${name}.log`), "utf8"),
    );
    must(/^[0-9a-f]{64}$/.test(seed) && !logs.some((log) => log.includes(seed)), "the seed is in a log");
    const forbidden = logs.flatMap((log) => log.split("\n")).filter((line) => /forbidden/i.test(line));
    must(forbidden.length === 0, forbidden.slice(0, 3).join("\n"));
    return `${logs.map((log) => log.split("\n").length - 1).join(" + ")} lines of log; ${compareRights(suite)}`;
  });

  function ready(): Promise<string> {
    return kubectl(["wait", "--for=condition=Ready", `vsw/${swarm}`, `--timeout=${waitSeconds}s`]);
  }

  /** Who votes for each seat. */
  async function holders(): Promise<readonly string[]> {
    const found = bodyOf(await suite.send("GET", pathOf(validatorSwarms, namespace, swarm)));
    const seats = arrayAt(found["status"], "seats").filter((each) => textAt(each, "role") === "validator");
    return seats.map((each) => textAt(each, "identity"));
  }

  async function status(field: "epoch" | "replicas"): Promise<number> {
    const found = bodyOf(await suite.send("GET", pathOf(validatorSwarms, namespace, swarm)));
    return numberAt(found["status"], field) ?? 0;
  }

  /** Name and uid of each identity's object. */
  async function identities(kind: Kind): Promise<readonly string[]> {
    const query = { labelSelector: "app.kubernetes.io/component=validator" };
    const list = bodyOf(await suite.send("GET", pathOf(kind, namespace), undefined, query));
    return arrayAt(list, "items")
      .map((item) => (isRecord(item) ? item["metadata"] : undefined))
      .map((metadata) => `${textAt(metadata, "name")} ${textAt(metadata, "uid")}`)
      .sort();
  }
}

/** The command line against the same server. */
function cli(suite: Suite, args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; out: string }>();
  const config = ["--kubeconfig", suite.plane.kubeconfig, "-n", namespace];
  execFile(process.execPath, [join(root, "cli/main.ts"), ...args, ...config], { timeout: 60_000 }, (error, out, err) =>
    resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, out: out + err }),
  );
  return promise;
}

const since = (started: number) => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
