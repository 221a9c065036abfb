/** Every rule over a ValidatorSwarm beyond single fields, and who refuses what. */
import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../problems.ts";
import type { ValidatorSwarmSpec } from "../spec/spec.ts";
import { placementRules } from "./placement-rules.ts";
import { compareQuantities } from "./quantities.ts";
import type { ChangeRule, Rule } from "./rule.ts";
import { settingRules } from "./setting-rules.ts";

type Spec = ValidatorSwarmSpec;

/** Over the spec: refused at admission. */
export const specRules: readonly Rule<Spec>[] = [...placementRules, ...settingRules];

interface Named {
  readonly metadata: { readonly name: string };
  readonly spec: Spec;
}

/** Most characters of a swarm's and a region's name together: an identity, `<swarm>-<region>-<n>-g<generation>`, is a host's name of 63. */
const maxNames = 50;
const tooLong = ({ metadata, spec }: Named) =>
  spec.regions.find(({ name }) => metadata.name.length + name.length > maxNames);
const celTooLong = `self.spec.regions.filter(r, size(self.metadata.name) + size(r.name) > ${maxNames})`;

/** Over the whole object: refused at admission. */
export const objectRules: readonly Rule<Named>[] = [
  {
    field: "",
    cel: "self.metadata.name.matches('^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$')",
    sentence:
      "metadata.name must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters.",
    holds: ({ metadata }) => /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/.test(metadata.name),
  },
  {
    field: "spec.regions",
    cel: `size(${celTooLong}) == 0`,
    sentence: {
      plain: `The names of a swarm and of its region have at most ${maxNames} characters together. Shorten one of them.`,
      cel: `'The names %s and %s have more than ${maxNames} characters together. Shorten one of them.'.format([self.metadata.name, ${celTooLong}[0].name])`,
      of: (swarm) =>
        `The names ${swarm.metadata.name} and ${tooLong(swarm)?.name} have more than ${maxNames} characters together. Shorten one of them.`,
    },
    holds: (swarm) => tooLong(swarm) === undefined,
  },
];

/** A field that never changes once the swarm exists. */
function immutable(field: keyof Spec & string, why: string): ChangeRule<Spec> {
  return fixed(field, `self.${field} == oldSelf.${field}`, why, (spec) => spec[field]);
}

/** The same for an optional field of any depth whose holder is always there. */
function immutableOptional(field: string, why: string, of: (spec: Spec) => unknown): ChangeRule<Spec> {
  const both = `has(self.${field}) == has(oldSelf.${field})`;
  return fixed(field, `${both} && (!has(self.${field}) || self.${field} == oldSelf.${field})`, why, of);
}

function fixed(field: string, cel: string, why: string, of: (spec: Spec) => unknown): ChangeRule<Spec> {
  return {
    field,
    cel,
    sentence: `This cannot change: ${why}`,
    holds: (now, before) => isDeepStrictEqual(of(now), of(before)),
  };
}

/** Over two versions of the spec: refused at admission. */
export const changeRules: readonly ChangeRule<Spec>[] = [
  immutable("faultModel", "the quorum of every signed block rests on it. Set it back, or start a new swarm."),
  immutable(
    "genesis",
    "the chain has started from it. Set it back and change institutions, accounts or governance keys by a governance transaction.",
  ),
  immutableOptional(
    "restoreFrom",
    "the chain has started. Set it back, or start a new swarm with it.",
    ({ restoreFrom }) => restoreFrom,
  ),
  immutableOptional(
    "storage.storageClassName",
    "a volume keeps its class, and an identity its volume. Set it back, or start a new swarm.",
    ({ storage }) => storage.storageClassName,
  ),
  fixed(
    "exposure.port",
    "self.exposure.port == oldSelf.exposure.port",
    "members dial each other at it, and while it changed no two would agree. Set it back, or start a new swarm.",
    ({ exposure }) => exposure.port,
  ),
  {
    field: "storage.size",
    cel: "!isQuantity(self.storage.size) || quantity(self.storage.size).compareTo(quantity(oldSelf.storage.size)) >= 0",
    sentence: "A volume cannot shrink. Set it to what it was, or more.",
    holds: (now, before) => compareQuantities(now.storage.size, before.storage.size) >= 0,
  },
  {
    field: "protocolVersion",
    cel: "self.protocolVersion >= oldSelf.protocolVersion",
    sentence: "Rules in force are never taken back. Set it to what it was, or more.",
    holds: (now, before) => now.protocolVersion >= before.protocolVersion,
  },
];

/** A rule that no API server can evaluate at admission: the planner refuses with a condition. */
export interface PlannerRule {
  readonly check: (swarm: Named) => readonly Problem[];
}

/** What only the planner refuses: too long to compute at admission, or about names the operator makes. */
export const plannerRules: readonly PlannerRule[] = [
  {
    // A million comparisons with genesis of full size: beyond the budget of a CEL rule.
    check: ({ spec: { genesis } }) => {
      const known = new Set(genesis.institutions.map(({ bic }) => bic));
      return genesis.accounts.flatMap(({ institution }, i) =>
        known.has(institution)
          ? []
          : [
              {
                field: `spec.genesis.accounts.${i}.institution`,
                message: `No institution has the BIC ${institution}. Add it under spec.genesis.institutions, or correct it.`,
              },
            ],
      );
    },
  },
  {
    check: ({ spec: { genesis, regions, members } }) => {
      const held = new Set([...regions, ...members].flatMap(({ zones }) => zones));
      return genesis.institutions.flatMap(({ zone }, i) =>
        zone === undefined || held.has(zone)
          ? []
          : [
              {
                field: `spec.genesis.institutions.${i}.zone`,
                message: `No seat may hold private data of ${zone}. Add it to the zones of a region or a member, or correct it.`,
              },
            ],
      );
    },
  },
  {
    check: ({ metadata, spec }) =>
      spec.members.flatMap(({ id }, i) =>
        spec.regions.some(({ name }) => new RegExp(`^${metadata.name}-${name}-[0-9]+$`).test(id))
          ? [
              {
                field: `spec.members.${i}.id`,
                message: `${id} is the name of a seat run from here. Give the member the name its institution uses.`,
              },
            ]
          : [],
      ),
  },
  {
    check: ({ metadata, spec }) =>
      spec.exposure.announce.flatMap(({ seat }, i) =>
        spec.regions.some(({ name }) => new RegExp(`^${metadata.name}-${name}-[0-9]+$`).test(seat))
          ? []
          : [
              {
                field: `spec.exposure.announce.${i}.seat`,
                message: `No seat can be named ${seat}. Seats are ${metadata.name}-<region>-<n>, such as ${metadata.name}-${spec.regions[0]?.name}-0.`,
              },
            ],
      ),
  },
];
