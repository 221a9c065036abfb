/** Random specs: CEL and TypeScript agree on what is refused, and on the words. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { kinds } from "../crd/definitions.ts";
import { refusals, withDefaults } from "../testing/admission.ts";
import { member } from "../testing/invalid-shapes.ts";
import { edited } from "../testing/invalid-specs.ts";
import { checkChange, checkValidatorSwarm } from "../validator-swarm.ts";
import { compareQuantities, millionths } from "./quantities.ts";
import { specRules } from "./swarm-rules.ts";

const quickstart: unknown = parse(
  readFileSync(join(import.meta.dirname, "../../../manifests/quickstart.yaml"), "utf8"),
);
const small = edited(quickstart, {
  "spec.genesis.institutions": [{ bic: "QSWADEFFXXX" }],
  "spec.genesis.accounts": [],
});
const { schema } = kinds[0]!;

const names = ["eu-west", "us-east", "ap-south", "eu-north", "uk"];
const upTo = (most: number) => fc.integer({ min: 1, max: most });
const hundreds = fc.integer({ min: 100, max: 200 });
const quantity = fc.oneof(upTo(5), fc.constantFrom("500m", "1.5", "1Gi", "1G", "2", "1000Mi"));
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });

const regions = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...names), upTo(4)), { minLength: 1, maxLength: 4, selector: ([name]) => name })
  .map((all) => all.map(([name, weight]) => ({ name, weight })));
const members = fc.array(fc.tuple(fc.constantFrom(...names), upTo(4), fc.boolean()), { maxLength: 3 }).map((all) =>
  all.map(([region, power, sameKeys], i) => {
    const keys = sameKeys ? {} : { blsKey: `0${i}`.repeat(48), peerKey: `0${i}`.repeat(32) };
    return { ...member, ...keys, id: `other-${i}`, region, power };
  }),
);

const resources = fc.record({
  requests: fc.record({ cpu: quantity, memory: quantity }),
  limits: fc.record({ cpu: quantity, memory: quantity }),
});
const bucket = fc.record(
  {
    bucket: fc.constant("swarm"),
    credentialsSecret: fc.constant("bucket"),
    region: fc.constant("eu"),
    endpoint: fc.constant("https://s3.example.org"),
  },
  { requiredKeys: ["bucket", "credentialsSecret"] },
);
const destination = fc.record({ pvc: fc.constant({}), s3: bucket }, { requiredKeys: [] });

const anyEdits = fc.record({
  "spec.faultModel": fc.constantFrom("Byzantine", "Crash"),
  "spec.replicas": upTo(9),
  "spec.regions": regions,
  "spec.members": members,
  "spec.placement.surviveRegionLoss": fc.boolean(),
  "spec.exposure.type": fc.constantFrom("ClusterIP", "NodePort"),
  "spec.consensus": fc.record({ minTimeout: hundreds, maxTimeout: hundreds, checkpointInterval: hundreds }),
  // One at most: a map of CEL has no order, so which of two is named is not fixed.
  "spec.consensus.coverage.requiredRegions": optional(
    fc.dictionary(fc.constantFrom(...names, "moon"), upTo(5), { maxKeys: 1 }),
  ),
  "spec.rollout.promotion.stepPower": optional(upTo(4)),
  "spec.canary": optional(
    fc.record({ seats: upTo(4), overrides: fc.record({ minTimeout: hundreds }, { requiredKeys: [] }) }),
  ),
  "spec.autoscaling": optional(fc.record({ minSeats: upTo(9), maxSeats: upTo(9) })),
  "spec.checkpoints": optional(
    fc.record(
      { schedule: fc.constant("0 * * * *"), everyBlocks: hundreds, destination },
      { requiredKeys: ["destination"] },
    ),
  ),
  "spec.restoreFrom": optional(
    fc.record(
      {
        checkpoint: fc.constant("one"),
        s3: bucket.map((each) => ({ ...each, manifest: "m.json" })),
        recoverySecret: fc.constant("recovery"),
      },
      { requiredKeys: ["recoverySecret"] },
    ),
  ),
  "spec.resources": resources,
  "spec.gateway.resources": resources,
  "spec.genesis.governance": fc.record({
    threshold: upTo(3),
    keys: fc
      .uniqueArray(fc.constantFrom("a1", "b2", "c3"), { maxLength: 3 })
      .map((all) => all.map((each) => each.repeat(32))),
  }),
  "spec.authority": fc.record({
    keySecretName: optional(fc.constant("key")),
    seatOwner: optional(fc.constant("a1".repeat(32))),
  }),
  "spec.exposure.port": fc.constantFrom(7_100, 7_101, 7_102),
  "spec.exposure.announce": fc
    .uniqueArray(fc.constantFrom(0, 1, 2, 3), { maxLength: 4 })
    .map((all) => all.map((i) => ({ seat: `seat-${i}`, addresses: member.addresses }))),
  "spec.regions.0.tolerations": fc.array(
    fc.record(
      {
        key: fc.constant("a"),
        operator: fc.constantFrom("Exists", "Equal"),
        value: fc.constant("b"),
        effect: fc.constantFrom("NoExecute", "NoSchedule"),
        tolerationSeconds: upTo(5),
      },
      { requiredKeys: [] },
    ),
    { maxLength: 2 },
  ),
  "spec.podTemplate.env": fc.uniqueArray(
    fc.record(
      { name: fc.constantFrom("A", "B", "SWARM_A"), value: fc.constant("x"), valueFrom: fc.constant({ fieldRef: {} }) },
      { requiredKeys: ["name"] },
    ),
    { maxLength: 2, selector: ({ name }) => name },
  ),
  "spec.tls": fc.record({ issuerRef: fc.constant({ name: "ca" }), selfManaged: fc.constant({}) }, { requiredKeys: [] }),
});

/** Announced addresses of no seat: no rule of the API server's. */
const plannerOnly = /^spec\.exposure\.announce\./;

test("the same objects are refused, with the same words", () => {
  let refused = 0;
  const seen = new Set<string>();
  fc.assert(
    fc.property(anyEdits, (edits) => {
      const object = edited(small, edits);
      const result = checkValidatorSwarm(object);
      const offline = result.kind === "ok" ? [] : result.problems.filter(({ field }) => !plannerOnly.test(field));
      for (const { field, message } of offline) seen.add(`${field}: ${message.replaceAll(/\d+/g, "N")}`);
      refused += offline.length > 0 ? 1 : 0;
      expect(refusals(schema, withDefaults(schema, object), undefined)).toEqual(offline);
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(100);
  // Every rule but the two over names, which here never change.
  const broken = new Set([...seen].map((each) => each.slice(0, each.indexOf(":"))));
  expect(specRules.map(({ field }) => `spec.${field}`).filter((field) => !broken.has(field))).toEqual([]);
});

const goodEdits = fc.record({
  "spec.faultModel": fc.constantFrom("Byzantine", "Crash"),
  "spec.storage.size": fc.constantFrom("10Gi", "20Gi", "20G"),
  "spec.storage.storageClassName": fc.constantFrom(undefined, "fast", "slow"),
  "spec.protocolVersion": upTo(2),
  "spec.genesis.institutions": fc.shuffledSubarray(
    [{ bic: "QSWADEFFXXX" }, { bic: "QSWBUS33XXX" }, { bic: "QSWBUS33XXY", name: "B" }],
    { minLength: 2 },
  ),
  "spec.genesis.governance.keys": fc.shuffledSubarray(["a1".repeat(32), "b2".repeat(32)], { minLength: 1 }),
  "spec.authority.keySecretName": fc.constantFrom("one", "two"),
  "spec.restoreFrom": fc.constantFrom(
    undefined,
    { checkpoint: "one", recoverySecret: "recovery" },
    { checkpoint: "two", recoverySecret: "recovery" },
  ),
});

test("the same changes are refused, with the same words", () => {
  fc.assert(
    fc.property(goodEdits, goodEdits, (one, other) => {
      const [now, before] = [edited(small, one), edited(small, other)];
      const [checked, earlier] = [checkValidatorSwarm(now), checkValidatorSwarm(before)];
      if (checked.kind !== "ok" || earlier.kind !== "ok") throw new Error("both are valid by themselves");
      expect(refusals(schema, withDefaults(schema, now), withDefaults(schema, before))).toEqual(
        checkChange(checked.swarm.spec, earlier.swarm.spec),
      );
    }),
    { numRuns: 100 },
  );
});

test("quantities compare as Kubernetes compares them", () => {
  expect(millionths("500m")).toBe(500_000n);
  expect(millionths("1.001m")).toBe(1_001n);
  expect(millionths("0.001Ki")).toBe(1_024_000n);
  expect(["1e3", "0.0001", "-1", "", "1Pi", "1234567Gi"].map(millionths)).toEqual(Array(6).fill(undefined));
  expect(compareQuantities("1Gi", "1G")).toBe(1);
  expect(compareQuantities("1000Mi", "1Gi")).toBe(-1);
  expect(compareQuantities(2, "2000m")).toBe(0);
});
