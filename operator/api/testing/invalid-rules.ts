/** Wrong because two fields do not go together. */

import { member } from "./invalid-shapes.ts";
import type { InvalidSpec } from "./invalid-specs.ts";

const reachable = { "spec.exposure.type": "LoadBalancer" };
const bucket = { bucket: "checkpoints", credentialsSecret: "bucket" };
const everyHour = "0 * * * *";
const nested = (levels: number): object => (levels === 0 ? {} : { a: nested(levels - 1) });

export const invalidRules: readonly InvalidSpec[] = [
  {
    name: "a name that leaves no room for seats",
    set: { "metadata.name": "a".repeat(41) },
    layer: "schema",
    field: "",
    message:
      "metadata.name must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters.",
  },
  {
    name: "names too long together",
    set: {
      "metadata.name": "a".repeat(40),
      "spec.regions.0.name": "europe-west",
      "spec.consensus.coverage": undefined,
    },
    layer: "schema",
    field: "spec.regions",
    message: `The names ${"a".repeat(40)} and europe-west have more than 50 characters together. Shorten one of them.`,
  },
  {
    name: "fewer seats than regions",
    set: { "spec.replicas": 3 },
    layer: "schema",
    field: "spec.replicas",
    message: "3 seats cannot fill 4 regions. Set replicas to at least 4, or remove regions.",
  },
  {
    name: "a weight that cannot be split",
    set: { "spec.replicas": 5, "spec.regions.0.weight": 1, "spec.placement.surviveRegionLoss": false },
    layer: "schema",
    field: "spec.regions",
    message: "Weight 1 cannot be split among the 2 seats of eu-west. Set it to at least 2.",
  },
  {
    name: "a region that must not be lost",
    set: { "spec.regions.0.weight": 36 },
    layer: "schema",
    field: "spec.placement.surviveRegionLoss",
    message:
      "eu-west holds 36, more than F = 23: losing it would stop the swarm. Use at least 4 regions of equal weight, lower its weight, or set surviveRegionLoss to false.",
  },
  {
    name: "a member run elsewhere that makes its region too heavy",
    set: { "spec.members": [{ ...member, region: "us-east", power: 6 }], ...reachable },
    layer: "schema",
    field: "spec.placement.surviveRegionLoss",
    message:
      "us-east holds 18, more than F = 17: losing it would stop the swarm. Use at least 4 regions of equal weight, lower its weight, or set surviveRegionLoss to false.",
  },
  {
    name: "a required region nobody knows",
    set: { "spec.consensus.coverage.requiredRegions": { moon: 1 } },
    layer: "schema",
    field: "spec.consensus.coverage.requiredRegions",
    message: 'No region is named moon. Use one of ["eu-west", "us-east", "ap-south", "eu-north"].',
  },
  {
    name: "more required of a region than it holds",
    set: { "spec.consensus.coverage.requiredRegions": { "eu-west": 13 } },
    layer: "schema",
    field: "spec.consensus.coverage.requiredRegions",
    message: "eu-west holds 12, less than the 13 asked for. Lower it.",
  },
  {
    name: "two members with one key",
    set: { "spec.members": [member, { ...member, id: "bank-of-elsewhere-1", region: "ch" }], ...reachable },
    layer: "schema",
    field: "spec.members",
    message: "Two members share a key. Give each seat the keys of its own volume.",
  },
  {
    name: "members that cannot dial",
    set: { "spec.members": [member] },
    layer: "schema",
    field: "spec.exposure.type",
    message:
      "Members run elsewhere cannot dial a ClusterIP. Set it to NodePort or LoadBalancer, or list every seat in exposure.announce.",
  },
  {
    name: "a promotion in steps above F",
    set: { "spec.rollout.promotion.stepPower": 16 },
    layer: "schema",
    field: "spec.rollout.promotion.stepPower",
    message: "A step of 16 power is more than F = 15. Lower it, or remove it to use F.",
  },
  {
    name: "too many canaries",
    set: { "spec.canary": { seats: 2 } },
    layer: "schema",
    field: "spec.canary.seats",
    message: "2 canary seats hold at least 24 power, more than F = 15. Use fewer, or add seats.",
  },
  {
    name: "an autoscaler upside down",
    set: { "spec.autoscaling": { minSeats: 8, maxSeats: 6 } },
    layer: "schema",
    field: "spec.autoscaling.maxSeats",
    message: "6 is below minSeats = 8. Raise it.",
  },
  {
    name: "an autoscaler that would empty regions",
    set: { "spec.autoscaling": { minSeats: 2, maxSeats: 8 } },
    layer: "schema",
    field: "spec.autoscaling.minSeats",
    message: "2 seats cannot fill 4 regions. Set it to at least 4.",
  },
  {
    name: "seats outside the autoscaler's bounds",
    set: { "spec.autoscaling": { minSeats: 5, maxSeats: 8 } },
    layer: "schema",
    field: "spec.replicas",
    message: "4 is outside autoscaling.minSeats = 5 and maxSeats = 8. Change one of them.",
  },
  {
    name: "an autoscaler beyond a region's weight",
    set: {
      "spec.regions.0.weight": 2,
      "spec.placement.surviveRegionLoss": false,
      "spec.autoscaling": { minSeats: 4, maxSeats: 9 },
    },
    layer: "schema",
    field: "spec.autoscaling.maxSeats",
    message:
      "9 seats are 3 in eu-west, and its weight of 2 cannot be split among them. Raise the weight, or lower maxSeats.",
  },
  {
    name: "a key set that the operator has no part in",
    set: { "spec.genesis.governance.keys": [member.peerKey] },
    layer: "schema",
    field: "spec.genesis.governance.keys",
    message:
      "The operator holds none of these keys. Name the Secret with one of them in authority.keySecretName, or set authority.seatOwner to make the operator its delegate.",
  },
  {
    name: "a canary whose timeouts end before they begin",
    set: { "spec.canary": { seats: 1, overrides: { minTimeout: 10_001 } } },
    layer: "schema",
    field: "spec.canary.overrides.minTimeout",
    message: "10001 ms is above consensus.maxTimeout = 10000 ms. Lower it.",
  },
  {
    name: "members on the port of requests",
    set: { "spec.exposure.port": 7_101 },
    layer: "schema",
    field: "spec.exposure.port",
    message: "Ports 7101 and 7102 are those of a validator's requests and metrics. Use another.",
  },
  {
    name: "a toleration of every key with a value",
    set: { "spec.regions.0.tolerations": [{ operator: "Exists", value: "x" }] },
    layer: "schema",
    field: "spec.regions",
    message: "A toleration with Exists has no value, and one with Equal has a key. Remove the value or add the key.",
  },
  {
    name: "a toleration that ends of what evicts nobody",
    set: { "spec.regions.0.tolerations": [{ key: "a", effect: "NoSchedule", tolerationSeconds: 5 }] },
    layer: "schema",
    field: "spec.regions",
    message: "Only a toleration of NoExecute has tolerationSeconds. Set its effect, or remove them.",
  },
  {
    name: "more signatures than keys",
    set: { "spec.genesis.governance.threshold": 2 },
    layer: "schema",
    field: "spec.genesis.governance.threshold",
    message: "2 signatures of 0 keys can never be had. Lower it or add keys.",
  },
  {
    name: "timeouts upside down",
    set: { "spec.consensus.minTimeout": 2_000, "spec.consensus.maxTimeout": 1_000 },
    layer: "schema",
    field: "spec.consensus.maxTimeout",
    message: "1000 ms is below minTimeout = 2000 ms. Raise it.",
  },
  {
    name: "checkpoints at no time",
    set: { "spec.checkpoints": { destination: { pvc: {} } } },
    layer: "schema",
    field: "spec.checkpoints",
    message: "Nothing says when. Set schedule, everyBlocks or both.",
  },
  {
    name: "checkpoints more often than the chain certifies them",
    set: { "spec.checkpoints": { everyBlocks: 100, destination: { pvc: {} } } },
    layer: "schema",
    field: "spec.checkpoints.everyBlocks",
    message:
      "The chain certifies a checkpoint every 200 blocks. Set it to at least that, or lower consensus.checkpointInterval.",
  },
  {
    name: "checkpoints in two places",
    set: {
      "spec.checkpoints": { schedule: everyHour, destination: { pvc: {}, s3: { ...bucket, region: "eu-central-1" } } },
    },
    layer: "schema",
    field: "spec.checkpoints.destination",
    message: "Set exactly one of pvc and s3.",
  },
  {
    name: "a store nobody can find",
    set: { "spec.checkpoints": { schedule: everyHour, destination: { s3: bucket } } },
    layer: "schema",
    field: "spec.checkpoints.destination.s3",
    message: "Where the store is, nobody can tell. Set region, or endpoint for a store other than AWS.",
  },
  {
    name: "a restore from nowhere",
    set: { "spec.restoreFrom": { recoverySecret: "recovery" } },
    layer: "schema",
    field: "spec.restoreFrom",
    message: "Set exactly one of checkpoint and s3.",
  },
  {
    name: "a restore from a store nobody can find",
    set: { "spec.restoreFrom": { s3: { ...bucket, manifest: "m.json" }, recoverySecret: "recovery" } },
    layer: "schema",
    field: "spec.restoreFrom.s3",
    message: "Where the store is, nobody can tell. Set region, or endpoint for a store other than AWS.",
  },
  {
    name: "more memory asked for than allowed",
    set: { "spec.resources": { requests: { memory: "4Gi" }, limits: { memory: "4G" } } },
    layer: "schema",
    field: "spec.resources.requests.memory",
    message: "A request of 4Gi is above the limit of 4G. Lower it, or raise resources.limits.memory.",
  },
  {
    name: "a gateway with more cores than allowed",
    set: { "spec.gateway.resources": { requests: { cpu: "1.5" }, limits: { cpu: 1 } } },
    layer: "schema",
    field: "spec.gateway.resources.requests.cpu",
    message: "A request of 1.5 is above the limit of 1. Lower it, or raise gateway.resources.limits.cpu.",
  },
  {
    name: "a request above its limit",
    set: { "spec.resources": { requests: { cpu: 2 }, limits: { cpu: "500m" } } },
    layer: "schema",
    field: "spec.resources.requests.cpu",
    message: "A request of 2 is above the limit of 500m. Lower it, or raise resources.limits.cpu.",
  },
  {
    name: "a gateway's request above its limit",
    set: { "spec.gateway.resources": { requests: { memory: "1Gi" }, limits: { memory: "1G" } } },
    layer: "schema",
    field: "spec.gateway.resources.requests.memory",
    message: "A request of 1Gi is above the limit of 1G. Lower it, or raise gateway.resources.limits.memory.",
  },
  {
    name: "a variable that is the operator's",
    set: { "spec.podTemplate.env": [{ name: "SWARM_DIR", value: "/tmp" }] },
    layer: "schema",
    field: "spec.podTemplate.env",
    message: "Names that begin with SWARM_ are the operator's. Use another name.",
  },
  {
    name: "a variable with two values",
    set: {
      "spec.podTemplate.env": [{ name: "A", value: "x", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
    },
    layer: "schema",
    field: "spec.podTemplate.env",
    message: "Each variable has exactly one of value and valueFrom. Remove or add one.",
  },
  {
    name: "certificates from two places",
    set: { "spec.tls": { issuerRef: { name: "bank-ca" }, selfManaged: {} } },
    layer: "schema",
    field: "spec.tls",
    message: "Certificates come from one place. Remove issuerRef or selfManaged.",
  },
  {
    name: "an account of nobody",
    set: { "spec.genesis.accounts.0.institution": "NOSUDEFFXXX" },
    layer: "planner",
    field: "spec.genesis.accounts.0.institution",
    message: "No institution has the BIC NOSUDEFFXXX. Add it under spec.genesis.institutions, or correct it.",
  },
  {
    name: "private data that no seat may hold",
    set: { "spec.genesis.institutions.0.zone": "CH" },
    layer: "planner",
    field: "spec.genesis.institutions.0.zone",
    message: "No seat may hold private data of CH. Add it to the zones of a region or a member, or correct it.",
  },
  {
    name: "a label no pod could have",
    set: { "spec.podTemplate.labels": { "a b": "x" } },
    layer: "planner",
    field: "spec.podTemplate.labels.a b",
    message: "The key must be the key of a label, such as topology.kubernetes.io/zone.",
  },
  {
    name: "an affinity without an end",
    set: { "spec.regions.0.affinity": nested(40) },
    layer: "planner",
    field: "spec.regions.0.affinity",
    message: "Must be nested at most 32 levels deep.",
  },
  {
    name: "a member under the name of a seat run from here",
    set: { "spec.members": [{ ...member, id: "quickstart-eu-west-0" }], ...reachable },
    layer: "planner",
    field: "spec.members.0.id",
    message: "quickstart-eu-west-0 is the name of a seat run from here. Give the member the name its institution uses.",
  },
  {
    name: "an address announced for no seat",
    set: { "spec.exposure.announce": [{ seat: "quickstart-moon-0", addresses: member.addresses }] },
    layer: "planner",
    field: "spec.exposure.announce.0.seat",
    message: "No seat can be named quickstart-moon-0. Seats are quickstart-<region>-<n>, such as quickstart-eu-west-0.",
  },
];
