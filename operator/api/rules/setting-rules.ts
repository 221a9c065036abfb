/** Rules about parameters, storage, pods and certificates. */
import type { ValidatorSwarmSpec } from "../spec/spec.ts";
import { compareQuantities } from "./quantities.ts";
import type { Rule } from "./rule.ts";

type Spec = ValidatorSwarmSpec;

function withinLimit(
  field: "resources" | "gateway.resources",
  name: "cpu" | "memory",
  of: (spec: Spec) => Spec["resources"],
): Rule<Spec> {
  const [request, limit] = [`self.${field}.requests.${name}`, `self.${field}.limits.${name}`];
  return {
    field: `${field}.requests.${name}`,
    // What is no quantity is refused at its own field, and must not be an error here.
    cel: `!has(${request}) || !has(${limit}) || !isQuantity(string(${request})) || !isQuantity(string(${limit})) || quantity(string(${request})).compareTo(quantity(string(${limit}))) <= 0`,
    sentence: {
      plain: `The request is above the limit. Lower it, or raise ${field}.limits.${name}.`,
      cel: `'A request of %s is above the limit of %s. Lower it, or raise ${field}.limits.${name}.'.format([string(${request}), string(${limit})])`,
      of: (spec) =>
        `A request of ${of(spec).requests[name]} is above the limit of ${of(spec).limits[name]}. Lower it, or raise ${field}.limits.${name}.`,
    },
    holds: (spec) =>
      compareQuantities(of(spec).requests[name] ?? 0, of(spec).limits[name] ?? Number.MAX_SAFE_INTEGER) <= 0,
  };
}

type Bucket = { readonly endpoint?: string | undefined; readonly region: string } | undefined;
function reachable(field: string, optional: readonly string[], of: (spec: Spec) => Bucket): Rule<Spec> {
  const absent = optional.map((path) => `!has(self.${path}) || `).join("");
  return {
    field,
    cel: `${absent}has(self.${field}.endpoint) || self.${field}.region != ''`,
    sentence: "Where the store is, nobody can tell. Set region, or endpoint for a store other than AWS.",
    holds: (spec) => {
      const bucket = of(spec);
      return bucket === undefined || bucket.endpoint !== undefined || bucket.region !== "";
    },
  };
}

/** In the order in which they are reported. */
export const settingRules: readonly Rule<Spec>[] = [
  {
    field: "genesis.governance.threshold",
    cel: "self.genesis.governance.threshold <= (size(self.genesis.governance.keys) > 1 ? size(self.genesis.governance.keys) : 1)",
    sentence: {
      plain: "More signatures are asked for than there are keys. Lower it or add keys.",
      cel: "'%d signatures of %d keys can never be had. Lower it or add keys.'.format([self.genesis.governance.threshold, size(self.genesis.governance.keys)])",
      of: ({ genesis: { governance } }) =>
        `${governance.threshold} signatures of ${governance.keys.length} keys can never be had. Lower it or add keys.`,
    },
    holds: ({ genesis: { governance } }) => governance.threshold <= Math.max(1, governance.keys.length),
  },
  {
    field: "genesis.governance.keys",
    cel: "size(self.genesis.governance.keys) == 0 || has(self.authority.keySecretName) || has(self.authority.seatOwner)",
    sentence:
      "The operator holds none of these keys. Name the Secret with one of them in authority.keySecretName, or set authority.seatOwner to make the operator its delegate.",
    holds: ({ genesis: { governance }, authority }) =>
      governance.keys.length === 0 || authority.keySecretName !== undefined || authority.seatOwner !== undefined,
  },
  {
    field: "consensus.maxTimeout",
    cel: "self.consensus.minTimeout <= self.consensus.maxTimeout",
    sentence: {
      plain: "maxTimeout is below minTimeout. Raise it.",
      cel: "'%d ms is below minTimeout = %d ms. Raise it.'.format([self.consensus.maxTimeout, self.consensus.minTimeout])",
      of: ({ consensus }) => `${consensus.maxTimeout} ms is below minTimeout = ${consensus.minTimeout} ms. Raise it.`,
    },
    holds: ({ consensus }) => consensus.minTimeout <= consensus.maxTimeout,
  },
  {
    field: "canary.overrides.minTimeout",
    cel: "!has(self.canary) || !has(self.canary.overrides.minTimeout) || self.canary.overrides.minTimeout <= self.consensus.maxTimeout",
    sentence: {
      plain: "It is above consensus.maxTimeout. Lower it.",
      cel: "'%d ms is above consensus.maxTimeout = %d ms. Lower it.'.format([self.canary.overrides.minTimeout, self.consensus.maxTimeout])",
      of: ({ canary, consensus }) =>
        `${canary?.overrides.minTimeout} ms is above consensus.maxTimeout = ${consensus.maxTimeout} ms. Lower it.`,
    },
    holds: ({ canary, consensus }) => (canary?.overrides.minTimeout ?? 0) <= consensus.maxTimeout,
  },
  {
    field: "checkpoints",
    cel: "!has(self.checkpoints) || has(self.checkpoints.schedule) || has(self.checkpoints.everyBlocks)",
    sentence: "Nothing says when. Set schedule, everyBlocks or both.",
    holds: ({ checkpoints }) =>
      !checkpoints || checkpoints.schedule !== undefined || checkpoints.everyBlocks !== undefined,
  },
  {
    field: "checkpoints.everyBlocks",
    cel: "!has(self.checkpoints) || !has(self.checkpoints.everyBlocks) || self.checkpoints.everyBlocks >= self.consensus.checkpointInterval",
    sentence: {
      plain: "The chain certifies checkpoints less often. Raise it, or lower consensus.checkpointInterval.",
      cel: "'The chain certifies a checkpoint every %d blocks. Set it to at least that, or lower consensus.checkpointInterval.'.format([self.consensus.checkpointInterval])",
      of: ({ consensus }) =>
        `The chain certifies a checkpoint every ${consensus.checkpointInterval} blocks. Set it to at least that, or lower consensus.checkpointInterval.`,
    },
    holds: ({ checkpoints, consensus }) =>
      checkpoints?.everyBlocks === undefined || checkpoints.everyBlocks >= consensus.checkpointInterval,
  },
  {
    field: "checkpoints.destination",
    cel: "!has(self.checkpoints) || has(self.checkpoints.destination.pvc) != has(self.checkpoints.destination.s3)",
    sentence: "Set exactly one of pvc and s3.",
    holds: ({ checkpoints }) =>
      !checkpoints || (checkpoints.destination.pvc !== undefined) !== (checkpoints.destination.s3 !== undefined),
  },
  reachable(
    "checkpoints.destination.s3",
    ["checkpoints", "checkpoints.destination.s3"],
    ({ checkpoints }) => checkpoints?.destination.s3,
  ),
  {
    field: "restoreFrom",
    cel: "!has(self.restoreFrom) || has(self.restoreFrom.checkpoint) != has(self.restoreFrom.s3)",
    sentence: "Set exactly one of checkpoint and s3.",
    holds: ({ restoreFrom }) =>
      !restoreFrom || (restoreFrom.checkpoint !== undefined) !== (restoreFrom.s3 !== undefined),
  },
  reachable("restoreFrom.s3", ["restoreFrom", "restoreFrom.s3"], ({ restoreFrom }) => restoreFrom?.s3),
  withinLimit("resources", "cpu", ({ resources }) => resources),
  withinLimit("resources", "memory", ({ resources }) => resources),
  withinLimit("gateway.resources", "cpu", ({ gateway }) => gateway.resources),
  withinLimit("gateway.resources", "memory", ({ gateway }) => gateway.resources),
  {
    field: "exposure.port",
    cel: "!(self.exposure.port in [7101, 7102])",
    sentence: "Ports 7101 and 7102 are those of a validator's requests and metrics. Use another.",
    holds: ({ exposure }) => ![7_101, 7_102].includes(exposure.port),
  },
  {
    field: "regions",
    cel: "self.regions.all(r, r.tolerations.all(t, t.operator == 'Exists' ? !has(t.value) : has(t.key)))",
    sentence: "A toleration with Exists has no value, and one with Equal has a key. Remove the value or add the key.",
    holds: ({ regions }) =>
      regions.every(({ tolerations }) =>
        tolerations.every(({ operator, key, value }) =>
          operator === "Exists" ? value === undefined : key !== undefined,
        ),
      ),
  },
  {
    field: "regions",
    cel: "self.regions.all(r, r.tolerations.all(t, !has(t.tolerationSeconds) || (has(t.effect) && t.effect == 'NoExecute')))",
    sentence: "Only a toleration of NoExecute has tolerationSeconds. Set its effect, or remove them.",
    holds: ({ regions }) =>
      regions.every(({ tolerations }) =>
        tolerations.every(({ effect, tolerationSeconds }) => tolerationSeconds === undefined || effect === "NoExecute"),
      ),
  },
  {
    field: "podTemplate.env",
    cel: "self.podTemplate.env.all(e, !e.name.startsWith('SWARM_'))",
    sentence: "Names that begin with SWARM_ are the operator's. Use another name.",
    holds: ({ podTemplate }) => podTemplate.env.every(({ name }) => !name.startsWith("SWARM_")),
  },
  {
    field: "podTemplate.env",
    cel: "self.podTemplate.env.all(e, has(e.value) != has(e.valueFrom))",
    sentence: "Each variable has exactly one of value and valueFrom. Remove or add one.",
    holds: ({ podTemplate }) =>
      podTemplate.env.every(({ value, valueFrom }) => (value !== undefined) !== (valueFrom !== undefined)),
  },
  {
    field: "tls",
    cel: "!(has(self.tls.issuerRef) && has(self.tls.selfManaged))",
    sentence: "Certificates come from one place. Remove issuerRef or selfManaged.",
    holds: ({ tls }) => tls.issuerRef === undefined || tls.selfManaged === undefined,
  },
];
