/** The CustomResourceDefinitions: schemas, rules, columns, subresources. */

import { checkpointChangeRules, checkpointRules } from "../rules/checkpoint-rules.ts";
import type { ChangeRule, Rule } from "../rules/rule.ts";
import { changeRules, objectRules, specRules } from "../rules/swarm-rules.ts";
import { spec } from "../spec/spec.ts";
import { status } from "../status.ts";
import { checkpointSpec, checkpointStatus } from "../swarm-checkpoint.ts";
import { type Structural, structural, type Validation } from "./structural.ts";

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date" | "boolean";
  readonly jsonPath: string;
  readonly description: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 1;
}

/** What distinguishes one kind from another. */
interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly schema: Structural;
  readonly columns: readonly Column[];
  readonly subresources: Readonly<Record<string, object>>;
}

const group = "validatorswarm.io";
const version = "v1alpha1";
/** Never `all`: `kubectl delete all --all` would take the ledger with it. */
const category = "swarms";

const condition = (type: string, field: "status" | "reason" | "message") =>
  `.status.conditions[?(@.type=="${type}")].${field}`;
const age: Column = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Since when it exists.",
};

const swarm: Kind = {
  kind: "ValidatorSwarm",
  plural: "validatorswarms",
  shortName: "vsw",
  description: "A swarm of validators that settles payments with Byzantine-fault-tolerant finality.",
  schema: {
    type: "object",
    required: ["spec"],
    properties: {
      spec: withRules(structural(spec), specRules, changeRules),
      status: describe(structural(status), "What the swarm is, as the operator last saw it."),
    },
    "x-kubernetes-validations": objectRules.map(validation),
  },
  columns: [
    { name: "Ready", type: "string", jsonPath: condition("Ready", "status"), description: "Every seat votes." },
    { name: "Doing", type: "string", jsonPath: condition("Progressing", "reason"), description: "What goes on." },
    { name: "Seats", type: "integer", jsonPath: ".status.replicas", description: "Seats in the set in force." },
    { name: "Wanted", type: "integer", jsonPath: ".spec.replicas", description: "Seats asked for." },
    { name: "Power", type: "integer", jsonPath: ".status.power.available", description: "Power seen voting." },
    { name: "Of", type: "integer", jsonPath: ".status.power.total", description: "Power of the set in force." },
    {
      name: "May-Fail",
      type: "integer",
      jsonPath: ".status.power.faultBudgetLeft",
      description: "Power that may still fail without stopping the swarm.",
    },
    { name: "Epoch", type: "integer", jsonPath: ".status.epoch", description: "Epoch of the set in force." },
    age,
    {
      name: "Quorum",
      type: "string",
      jsonPath: condition("QuorumAvailable", "status"),
      description: "The power seen voting makes a quorum.",
      priority: 1,
    },
    {
      name: "Placement",
      type: "string",
      jsonPath: condition("PlacementSatisfied", "status"),
      description: "The set in force keeps what placement promises.",
      priority: 1,
    },
    {
      name: "Checkpoint",
      type: "date",
      jsonPath: ".status.lastCheckpoint.completedAt",
      description: "Newest checkpoint kept outside the volumes.",
      priority: 1,
    },
    {
      name: "Message",
      type: "string",
      jsonPath: condition("Ready", "message"),
      description: "Why it is ready or not.",
      priority: 1,
    },
  ],
  subresources: {
    status: {},
    scale: {
      specReplicasPath: ".spec.replicas",
      statusReplicasPath: ".status.replicas",
      labelSelectorPath: ".status.selector",
    },
  },
};

const checkpoint: Kind = {
  kind: "SwarmCheckpoint",
  plural: "swarmcheckpoints",
  shortName: "swcp",
  description: "A checkpoint of a swarm kept outside its validators' volumes.",
  schema: {
    type: "object",
    required: ["spec"],
    properties: {
      spec: withRules(structural(checkpointSpec), checkpointRules, checkpointChangeRules),
      status: describe(structural(checkpointStatus), "What became of it."),
    },
  },
  columns: [
    { name: "Swarm", type: "string", jsonPath: ".spec.swarm", description: "The swarm it is of." },
    { name: "Height", type: "integer", jsonPath: ".status.height", description: "Height it is of, blocks." },
    { name: "Complete", type: "string", jsonPath: condition("Complete", "status"), description: "It is written." },
    { name: "Verified", type: "string", jsonPath: condition("Verified", "status"), description: "It was restored." },
    { name: "Bytes", type: "integer", jsonPath: ".status.bytes", description: "Its size, bytes." },
    age,
    {
      name: "Message",
      type: "string",
      jsonPath: condition("Complete", "message"),
      description: "Why it is complete or not.",
      priority: 1,
    },
  ],
  subresources: { status: {} },
};

/** Both kinds, with what documents and definitions need. */
export const kinds: readonly Kind[] = [swarm, checkpoint];

/** A CustomResourceDefinition as the API server takes it. */
export function definition({ kind, plural, shortName, description, schema, columns, subresources }: Kind) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: [category],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources,
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              ...schema,
              description,
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                ...schema.properties,
              },
            },
          },
        },
      ],
    },
  };
}

function validation<Subject>({ cel, sentence, field }: Rule<Subject>): Validation {
  return {
    rule: cel,
    ...(typeof sentence === "string"
      ? { message: sentence }
      : { message: sentence.plain, messageExpression: sentence.cel }),
    ...(field === "" ? {} : { fieldPath: `.${field}` }),
  };
}

function changeValidation<Subject>({ cel, sentence, field }: ChangeRule<Subject>): Validation {
  return { rule: cel, message: sentence, reason: "FieldValueForbidden", fieldPath: `.${field}` };
}

function withRules<Subject>(
  schema: Structural,
  rules: readonly Rule<Subject>[],
  changes: readonly ChangeRule<Subject>[],
): Structural {
  return {
    ...describe(schema, "What is asked for."),
    "x-kubernetes-validations": [...rules.map(validation), ...changes.map(changeValidation)],
  };
}

function describe(schema: Structural, description: string): Structural {
  return { description, ...schema };
}
