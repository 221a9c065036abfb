/** Every field of a spec, with values at and beyond its bounds: the schema of the CRD and zod admit the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { withoutNulls } from "../object.ts";
import { explain, type Problem } from "../problems.ts";
import { broken } from "../rules/rule.ts";
import { specRules } from "../rules/swarm-rules.ts";
import { spec } from "../spec/spec.ts";
import { refusals, withDefaults } from "../testing/admission.ts";
import { member } from "../testing/invalid-shapes.ts";
import { edited } from "../testing/invalid-specs.ts";
import { misshapen } from "../testing/shapes.ts";
import { kinds } from "./definitions.ts";
import type { Structural } from "./structural.ts";

const quickstart: unknown = parse(
  readFileSync(join(import.meta.dirname, "../../../manifests/quickstart.yaml"), "utf8"),
);
const s3 = { bucket: "swarm", region: "eu-central-1", credentialsSecret: "bucket", endpoint: "https://s3.example.org" };
/** Every optional group is there, so that every field is reached. */
const full = withDefaults(
  { properties: { spec: kinds[0]!.schema.properties!["spec"]! } },
  edited(quickstart, {
    "spec.image": "validator:1",
    "spec.genesis.institutions": [{ bic: "QSWADEFFXXX", zone: "EU", key: "ab".repeat(32) }],
    "spec.genesis.accounts": [{ institution: "QSWADEFFXXX", currency: "EUR", paymentLimit: "1", dayLimit: "2" }],
    "spec.genesis.governance.keys": ["ab".repeat(32)],
    "spec.authority": { keySecretName: "key", seatOwner: "ab".repeat(32) },
    "spec.members": [{ ...member, zones: ["CH"], owner: "cd".repeat(32) }],
    "spec.regions.0.affinity": { nodeAffinity: {} },
    "spec.regions.0.nodeSelector": { disk: "ssd" },
    "spec.regions.0.tolerations": [{ key: "k", value: "v", effect: "NoExecute", tolerationSeconds: 1 }],
    "spec.rollout.promotion": { stepPower: 1, analysis: [{ metric: "MissedVotes" }] },
    "spec.canary": {
      seats: 1,
      overrides: { image: "v:2", timeoutPolicy: "ema", minTimeout: 100 },
      analysis: [{ metric: "MissedVotes" }],
    },
    "spec.checkpoints": {
      schedule: "0 0 * * *",
      everyBlocks: 200,
      destination: { s3: { ...s3, objectLock: { days: 1 } } },
    },
    "spec.restoreFrom": { s3: { ...s3, manifest: "m.json" }, recoverySecret: "recovery" },
    "spec.storage.storageClassName": "fast",
    "spec.resources": { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: 2, memory: "2Gi" } },
    "spec.podTemplate": {
      labels: { team: "a" },
      annotations: { "example.org/a": "b" },
      env: [{ name: "A", value: "x" }],
      serviceAccountName: "account",
      priorityClassName: "high",
    },
    "spec.imagePullSecrets": [{ name: "pull" }],
    "spec.exposure": {
      type: "NodePort",
      annotations: { a: "b" },
      announce: [{ seat: "quickstart-eu-west-0", addresses: member.addresses }],
    },
    "spec.gateway": { port: 8_443, tls: { secretName: "tls", clientCaSecretName: "ca" } },
    "spec.autoscaling": { minSeats: 4, maxSeats: 8 },
    "spec.monitoring": { podMonitor: { labels: { a: "b" } }, tracing: { endpoint: "http://127.0.0.1:4318" } },
    "spec.tls": { issuerRef: { name: "ca" } },
  }),
) as { readonly spec: object };
const schema = kinds[0]!.schema.properties!["spec"]!;

interface Probe {
  /** Dotted, from the spec. */
  readonly path: string;
  readonly value: unknown;
}

/** Values to put in the place of every field that the full spec has. */
function probes(node: Structural, value: unknown, path: string): readonly Probe[] {
  // A list has no absent entries.
  const own = valuesFor(node, value)
    .filter((each) => path !== "" && !(each === undefined && /\.\d+$/.test(path)))
    .map((each) => ({ path, value: each }));
  const under = (name: string | number) => (path === "" ? `${name}` : `${path}.${name}`);
  if (Array.isArray(value))
    return [...own, ...value.slice(0, 1).flatMap((each) => probes(node.items ?? {}, each, under(0)))];
  if (typeof value !== "object" || value === null || node["x-kubernetes-preserve-unknown-fields"]) return own;
  const fields = Object.entries(value).flatMap(([name, each]) => {
    const property = node.properties?.[name] ?? node.additionalProperties;
    return property && each !== undefined ? probes(property, each, under(name)) : [];
  });
  const unknown = node.properties ? [{ path: under("unknownField"), value: 1 }] : [];
  return [...own, ...unknown, ...fields];
}

const otherTypes: readonly unknown[] = [undefined, null, true, "", "x", 0, 1.5, [], {}, [null], { a: null }];

function valuesFor(node: Structural, value: unknown): readonly unknown[] {
  const { minimum, maximum, maxLength, maxItems } = node;
  const around = [minimum, maximum].filter((each) => each !== undefined).flatMap((each) => [each - 1, each, each + 1]);
  const numbers = node.type === "integer" || node["x-kubernetes-int-or-string"] ? [...around, -1, 10 ** 15, "1"] : [];
  const lengths = maxLength === undefined ? [] : [maxLength, maxLength + 1];
  const texts = lengths.flatMap((length) => ["a".repeat(length), "1".repeat(length), "\u{1f600}".repeat(length)]);
  const odd = node.type === "string" ? [...texts, "a b", "a\n", "é", "-a", "a-", "A", "a..b", `${value} `] : [];
  const isQuantity = node["x-kubernetes-validations"]?.some(({ message }) => message.includes("quantity"));
  const quantities = isQuantity
    ? ["1Gi", "1023Mi", "1e3", "0.0001", "-1", "1Pi", "+1", "1GI", "999999Ti", "1000000Ti", ".5"]
    : [];
  const lists =
    Array.isArray(value) && maxItems !== undefined
      ? [[...value, ...value], Array.from({ length: maxItems + 1 }, () => value[0])]
      : [];
  return [...otherTypes, ...numbers, ...odd, ...lists, ...quantities];
}

/** Refused at admission according to zod and the rules. */
function offline(object: object): readonly Problem[] {
  const parsed = spec.safeParse(withoutNulls(object), { reportInput: true });
  return parsed.success ? broken(specRules, parsed.data, "") : parsed.error.issues.flatMap(explain);
}

/** Refused at admission according to the CRD: what is wrong with one field, or else with several. */
function online(object: object): readonly Problem[] {
  const filled = withDefaults(schema, withoutNulls(object));
  const wrong = misshapen(schema, filled, "");
  if (wrong.length > 0) return wrong.map((field) => ({ field, message: "shape" }));
  const ofFields = refusals(fieldsAlone, filled, undefined);
  return ofFields.length > 0 ? ofFields : refusals(rulesAlone, filled, undefined);
}
const { "x-kubernetes-validations": rules = [], ...fieldsAlone } = schema;
const rulesAlone: Structural = { "x-kubernetes-validations": rules };

test("the full spec is good", () => {
  expect(offline(full.spec)).toEqual([]);
  expect(online(full.spec)).toEqual([]);
});

test("both sides refuse the same values of every field, and say the same where the rule is ours", () => {
  const all = probes(schema, full.spec, "");
  const reached = new Set(all.map(({ path }) => path.replaceAll(/\.\d+/g, "[]")));
  expect(reached.size).toBeGreaterThan(180);
  const disagreements: string[] = [];
  let refused = 0;
  for (const { path, value } of all) {
    const object = edited(full.spec, { [path]: value }) as object;
    const [left, right] = [offline(object), online(object)];
    if (right.length > 0) refused++;
    const same = right[0]?.message === "shape" ? left.length > 0 : JSON.stringify(left) === JSON.stringify(right);
    if (!same)
      disagreements.push(
        `${path} = ${JSON.stringify(value)?.slice(0, 60)}: ${JSON.stringify(left).slice(0, 200)} / ${JSON.stringify(right).slice(0, 200)}`,
      );
  }
  expect(disagreements).toEqual([]);
  expect(refused).toBeGreaterThan(all.length / 3);
});
