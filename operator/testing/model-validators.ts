/**
 * Validators without a chain behind them: every claim is taken as proven, a transaction is in force as soon as it is
 * submitted. For tests of what lies between the planner and an API server.
 */
import { createHash } from "node:crypto";
import { blsSigner } from "../../validator/crypto/bls.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import type { ObjectKey } from "../kube/objects.ts";
import type { OperatorKey, Validators, ValidatorTarget } from "../observe/validators.ts";
import type { PublicKeys, Report, SetMember, ValidatorSet } from "../plan/snapshot.ts";
import type { Transaction } from "../plan/transactions.ts";

export interface ModelValidators extends Validators {
  /** The set in force of a swarm; undefined before genesis. */
  readonly set: (swarm: ObjectKey) => ValidatorSet | undefined;
  /** From now on it follows without voting. */
  readonly silence: (swarm: ObjectKey, identity: string) => void;
  /** Everything that was submitted. */
  readonly submitted: readonly Transaction[];
}

interface ModelSwarm {
  targets: readonly ValidatorTarget[];
  started: Set<string>;
  silent: Set<string>;
  set: ValidatorSet | undefined;
  height: number;
}

const seed = new Uint8Array(32).fill(7);
/** A key for an operator of models. */
export const modelKey: OperatorKey = { seed, publicKey: Buffer.from(ed25519Signer(seed).publicKey).toString("hex") };

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** The keys of an identity: the same whenever its pod of this uid's volume is asked. */
function keysOf(identity: string): PublicKeys {
  const seed = createHash("sha256").update(identity).digest();
  const peer = ed25519Signer(seed).publicKey;
  const bls = blsSigner(seed);
  return { blsKey: hex(bls.publicKey), peerKey: hex(peer), proofOfPossession: hex(bls.provePossession(peer)) };
}

/** `wake` is called when reports change, as it is by real ones. */
export function createModelValidators(wake: (swarm: ObjectKey) => void): ModelValidators {
  const swarms = new Map<ObjectKey, ModelSwarm>();
  const keys = new Map<string, PublicKeys>();
  const submitted: Transaction[] = [];
  const swarmAt = (key: ObjectKey) => {
    const known = swarms.get(key) ?? { targets: [], started: new Set(), silent: new Set(), set: undefined, height: 0 };
    swarms.set(key, known);
    return known;
  };
  const keysAt = (identity: string) => {
    const known = keys.get(identity) ?? keysOf(identity);
    keys.set(identity, known);
    return known;
  };

  return {
    submitted,
    set: (key) => swarms.get(key)?.set,
    silence(key, identity) {
      swarmAt(key).silent.add(identity);
      queueMicrotask(() => wake(key));
    },
    forget: (key) => void swarms.delete(key),
    follow(key, { targets }) {
      const swarm = swarmAt(key);
      const shape = (all: readonly ValidatorTarget[]) =>
        all.map(({ podUid, address }) => `${podUid} ${address}`).join();
      if (shape(swarm.targets) === shape(targets)) return;
      swarm.targets = targets;
      queueMicrotask(() => wake(key));
    },
    samples: () => ({ windows: [], problem: "" }),
    reports(key) {
      const { targets, started, silent, set, height } = swarmAt(key);
      const members = new Set(set?.members.map(({ blsKey }) => blsKey));
      const signs = (identity: string) => started.has(identity) && !silent.has(identity);
      const running = targets.filter(({ identity }) => signs(identity) && members.has(keysAt(identity).blsKey));
      const heard = set?.members
        .filter(({ blsKey }) => running.some(({ identity }) => keysAt(identity).blsKey === blsKey))
        .map(({ id }) => id);
      return targets.map(({ identity, podUid }): Report => {
        const follows = set !== undefined && started.has(identity);
        const votes = follows && members.has(keysAt(identity).blsKey);
        const claim = <T>(value: T) =>
          follows ? ({ kind: "verified", value } as const) : ({ kind: "absent" } as const);
        return {
          identity,
          podUid,
          observedAt: Date.now(),
          keys: { kind: "verified", value: keysAt(identity) },
          role: votes ? "validator" : follows ? "learner" : "waiting",
          voting: votes && signs(identity),
          epoch: set?.epoch ?? 0,
          view: height,
          height: claim(height),
          root: { kind: "absent" },
          sets: set ? claim({ current: set, pending: undefined }) : { kind: "absent" },
          heard: follows ? (heard ?? []) : [],
          outcomes: claim([]),
        };
      });
    },
    async provideGenesis(key, identity, document) {
      const swarm = swarmAt(key);
      swarm.started.add(identity);
      swarm.set ??= genesisSet(JSON.parse(Buffer.from(document).toString("utf8")));
      queueMicrotask(() => wake(key));
      return { kind: "done" };
    },
    async submit(key, transaction) {
      const swarm = swarmAt(key);
      submitted.push(transaction);
      if (!swarm.set || transaction.epoch !== swarm.set.epoch) return { kind: "refused", reason: "of another epoch" };
      swarm.set = after(swarm.set, transaction);
      swarm.height += 100;
      queueMicrotask(() => wake(key));
      return { kind: "done" };
    },
  };
}

interface Document {
  readonly members: readonly Omit<SetMember, "managed">[];
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly requiredRegions?: Readonly<Record<string, number>>;
}

function genesisSet({ members, parameters, requiredRegions = {} }: Document): ValidatorSet {
  return {
    epoch: 0,
    members: members.map(({ id, power, region, blsKey, peerKey }) => ({
      id,
      power,
      region,
      blsKey,
      peerKey,
      managed: true,
    })),
    learners: [],
    parameters,
    requiredRegions,
    degradedRegions: [],
  };
}

function after(set: ValidatorSet, { body }: Transaction): ValidatorSet {
  const next = { ...set, epoch: set.epoch + 1 };
  switch (body.kind) {
    case "set-members":
      return {
        ...next,
        requiredRegions: body.requiredRegions,
        learners: set.learners.filter(({ peerKey }) => body.members.every(({ keys }) => keys.peerKey !== peerKey)),
        members: body.members.map(({ id, power, region, keys }) => ({ id, power, region, ...keys, managed: true })),
      };
    case "rotate-seat":
      return {
        ...next,
        learners: set.learners.filter(({ peerKey }) => peerKey !== body.keys.peerKey),
        members: set.members.map((member) =>
          member.id === body.seat ? { ...member, blsKey: body.keys.blsKey, peerKey: body.keys.peerKey } : member,
        ),
      };
    case "admit-learner":
      return { ...next, learners: [...set.learners, { id: body.learner, peerKey: body.peerKey }] };
    case "dismiss-learner":
      return { ...next, learners: set.learners.filter(({ id }) => id !== body.learner) };
    case "set-parameters":
      return { ...next, parameters: { ...set.parameters, ...body.parameters } };
  }
}
