/** The definitions in a real API server: what it admits, what it refuses and in which words. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { edited, type InvalidSpec, invalidSpecs } from "../../operator/api/testing/invalid-specs.ts";
import type { ApiFailure } from "../../operator/kube/api-client.ts";
import { validatorSwarms } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, numberAt, pathOf, textAt } from "../../operator/kube/objects.ts";
import { bodyOf, must, namespace, type Suite } from "./suite.ts";

const root = join(import.meta.dirname, "../..");
const definitions = ["validatorswarms", "swarmcheckpoints"];
const largestBytes = 256 * 1024;
const quickstart: unknown = parse(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));

export async function admission(suite: Suite): Promise<void> {
  await suite.scenario("kubectl apply -f crds/: accepted with every rule, within the cost limits", () =>
    install(suite),
  );
  await suite.scenario("kubectl apply of the quickstart, again and unchanged", () => applyTwice(suite));
  await suite.scenario("every invalid spec is refused in its own words", () => refuse(suite));
  await suite.scenario("what only the planner can refuse is admitted", () => admitForPlanner(suite));
  await suite.scenario("short name, category, columns and the scale subresource", () => surface(suite));
}

/** Definitions, and the namespace of everything here. The server refuses a rule whose cost it cannot bound. */
async function install(suite: Suite): Promise<string> {
  await suite.kubectl(["create", "namespace", namespace]);
  await suite.kubectl(["apply", "--server-side", "-f", join(root, "crds")]);
  const names = definitions.map((plural) => `crd/${plural}.validatorswarm.io`);
  await suite.kubectl(["wait", "--for=condition=Established", "--timeout=30s", ...names]);
  const sizes: string[] = [];
  for (const plural of definitions) {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.validatorswarm.io`;
    const found = bodyOf(await suite.send("GET", path));
    const wrong = arrayAt(found["status"], "conditions").filter(
      (each) => textAt(each, "type") === "NonStructuralSchema" && textAt(each, "status") === "True",
    );
    must(wrong.length === 0, `${plural} is not structural: ${JSON.stringify(wrong)}`);
    const bytes = statSync(join(root, `crds/${plural}.yaml`)).size;
    // Client-side apply keeps the whole object in an annotation, which may have so many bytes.
    must(bytes < largestBytes, `${plural} has ${bytes} bytes`);
    sizes.push(`${plural} ${(bytes / 1024).toFixed(0)} KiB`);
  }
  await suite.kubectl(["apply", "--dry-run=server", "-f", join(root, "crds")]);
  return sizes.join(", ");
}

async function applyTwice(suite: Suite): Promise<string> {
  const apply = ["apply", "-n", namespace, "-f", join(root, "manifests/quickstart.yaml")];
  await suite.kubectl(apply);
  const first = bodyOf(await suite.send("GET", pathOf(validatorSwarms, namespace, "quickstart")));
  // Client-side apply sends lists whole: it may say "configured", and the server finds that nothing changes.
  await suite.kubectl(apply);
  const second = bodyOf(await suite.send("GET", pathOf(validatorSwarms, namespace, "quickstart")));
  must(JSON.stringify(first["spec"]) === JSON.stringify(second["spec"]), "the second apply changed the spec");
  must(generationOf(first) === 1 && generationOf(second) === 1, `generation ${generationOf(second)}`);
  const spec = second["spec"];
  must(isRecord(spec) && isRecord(spec["storage"]), "the server filled in no defaults");
  await suite.kubectl(["delete", "-n", namespace, "vsw/quickstart"]);
  return "created with defaults; generation still 1 after the second";
}

async function refuse(suite: Suite): Promise<string> {
  const schema = invalidSpecs.filter(({ layer }) => layer === "schema");
  const wrong: string[] = [];
  for (const each of schema) {
    const problem = await refusedAs(suite, each);
    if (problem !== "") wrong.push(`${each.name}: ${problem}`);
  }
  must(wrong.length === 0, `${wrong.length} of ${schema.length}:\n${wrong.join("\n")}`);
  const changes = schema.filter(({ before }) => before !== undefined).length;
  return `${schema.length} refused, ${changes} of them changes; ${schema.filter(({ server }) => server === undefined).length} by rules of ours, word for word`;
}

/** "" when the server says what the table says. */
async function refusedAs(suite: Suite, each: InvalidSpec): Promise<string> {
  const path = pathOf(validatorSwarms, namespace);
  const strict = { fieldValidation: "Strict" };
  const object = edited(quickstart, each.set);
  if (each.before === undefined) {
    const answer = await suite.send("POST", path, object, { ...strict, dryRun: "All" });
    return answer.kind === "ok" ? "admitted" : differs(each, answer.failure);
  }
  bodyOf(await suite.send("POST", path, edited(quickstart, each.before), strict));
  const one = pathOf(validatorSwarms, namespace, "quickstart");
  try {
    const answer = await suite.send("PUT", one, await asNext(suite, one, object), strict);
    return answer.kind === "ok" ? "admitted" : differs(each, answer.failure);
  } finally {
    bodyOf(await suite.send("DELETE", one));
  }
}

/** The new spec on the metadata of what is stored. */
async function asNext(suite: Suite, path: string, object: unknown): Promise<unknown> {
  const { metadata } = bodyOf(await suite.send("GET", path));
  return { ...(isRecord(object) ? object : {}), metadata };
}

function differs({ field, message, server }: InvalidSpec, failure: ApiFailure): string {
  const said = JSON.stringify({ message: failure.message, causes: failure.causes });
  if (server !== undefined) return failure.message.includes(server) ? "" : said;
  const [cause, ...more] = failure.causes;
  if (!cause || more.length > 0) return said;
  const at = cause.field.replaceAll(/\[([^\]]+)\]/g, ".$1").replace(/^<nil>$/, "");
  return at === field && cause.message.endsWith(`: ${message}`) ? "" : said;
}

async function admitForPlanner(suite: Suite): Promise<string> {
  const planner = invalidSpecs.filter(({ layer }) => layer === "planner");
  for (const each of planner) {
    const query = { fieldValidation: "Strict", dryRun: "All" };
    const answer = await suite.send("POST", pathOf(validatorSwarms, namespace), edited(quickstart, each.set), query);
    must(answer.kind === "ok", `${each.name} is refused: ${JSON.stringify(answer)}`);
  }
  return `${planner.length} admitted`;
}

async function surface(suite: Suite): Promise<string> {
  await suite.kubectl(["apply", "-n", namespace, "-f", join(root, "manifests/quickstart.yaml")]);
  const one = pathOf(validatorSwarms, namespace, "quickstart");
  const patched = await report(suite, 4);
  const scale = bodyOf(await suite.send("GET", `${one}/scale`));
  must(isRecord(scale["spec"]) && scale["spec"]["replicas"] === 4, JSON.stringify(scale));
  must(textAt(scale["status"], "selector") === "app.kubernetes.io/instance=quickstart", JSON.stringify(scale));

  const columns = (await suite.kubectl(["get", "-n", namespace, "vsw"])).split("\n")[0]?.trim().split(/\s+/) ?? [];
  const wanted = ["NAME", "READY", "DOING", "SEATS", "WANTED", "POWER", "OF", "MAY-FAIL", "EPOCH", "AGE"];
  must(JSON.stringify(columns) === JSON.stringify(wanted), `columns ${columns.join(" ")}`);
  must(/quickstart/.test(await suite.kubectl(["get", "-n", namespace, "swarms"])), "not in its category");

  // Weight 1 cannot be split among two seats: the rule holds through the subresource, too.
  bodyOf(await suite.send("PATCH", one, { spec: { regions: weighing(patched, 1) } }));
  const refused = await suite.plane.kubectl(["scale", "-n", namespace, "vsw/quickstart", "--replicas=7"]);
  must(refused.code !== 0 && /cannot be split/.test(refused.stderr), `scale to 7: ${refused.stdout}${refused.stderr}`);
  const patch = { spec: { replicas: 8, regions: weighing(patched, 12) } };
  bodyOf(await suite.send("PATCH", one, patch));
  await suite.kubectl(["scale", "-n", namespace, "vsw/quickstart", "--replicas=7"]);
  await report(suite, 7);
  await suite.kubectl(["wait", "-n", namespace, "--for=condition=Ready", "vsw/quickstart", "--timeout=10s"]);
  await suite.kubectl(["delete", "-n", namespace, "vsw/quickstart"]);
  return "columns as documented; scale to 7 refused with weights of 1 and done with weights of 12";
}

/** Writes a status as the operator does: of the generation that is there now. */
async function report(suite: Suite, replicas: number): Promise<Readonly<Record<string, unknown>>> {
  const one = pathOf(validatorSwarms, namespace, "quickstart");
  const generation = generationOf(bodyOf(await suite.send("GET", one)));
  const ready = {
    type: "Ready",
    status: "True",
    reason: "AllSeatsVote",
    message: `${replicas} of ${replicas} seats vote.`,
    lastTransitionTime: "2026-01-01T00:00:00Z",
    observedGeneration: generation,
  };
  const selector = "app.kubernetes.io/instance=quickstart";
  return bodyOf(await suite.send("PATCH", `${one}/status`, { status: { replicas, selector, conditions: [ready] } }));
}

const generationOf = (object: Readonly<Record<string, unknown>>) => numberAt(object["metadata"], "generation") ?? 0;

function weighing(swarm: Readonly<Record<string, unknown>>, weight: number): readonly unknown[] {
  return arrayAt(swarm["spec"], "regions").map((region) => (isRecord(region) ? { ...region, weight } : region));
}
