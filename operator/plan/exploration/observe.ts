/** The model's observer: what the planner is shown of a world. */
import type { Node, Pod, Report, SetMember, Snapshot, Volume } from "../snapshot.ts";
import { measure } from "./measure.ts";
import {
  elsewhere,
  keysFor,
  type ModelPod,
  type ModelProcess,
  type ModelRegion,
  type ModelVolume,
  nodeOf,
  now,
  quorumOf,
  type Scene,
  votes,
  votingPower,
  type World,
} from "./world.ts";

/** resourceVersions are contents here: equal content, equal version. */
export const versionOf = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value));

export const podVersion = ({ uid, state, healthy, wedged, deleting }: ModelPod) =>
  `${uid} ${state} ${healthy && !wedged} ${deleting}`;

export function observe(world: World, scene: Scene): Snapshot {
  const region = world.regions.map(observeRegion);
  return {
    swarm: { generation: world.generation, deleting: world.deleting, finalizer: world.finalizer },
    memory: world.memory,
    conditions: [],
    pods: region.flatMap(({ pods }) => pods),
    volumes: region.flatMap(({ volumes }) => volumes),
    services: world.services,
    budgets: region.flatMap(({ budgets }) => budgets),
    nodes: scene.namespaced ? undefined : region.flatMap(({ nodes }) => nodes),
    genesis: world.chain && { set: world.chain.genesis },
    permit: world.permit && { ...world.permit, version: versionOf(world.permit) },
    permitVersion: versionOf(world.permit),
    reports: reportsOf(world, scene),
    analysis: measure(world, scene),
  };
}

type Objects = Pick<Snapshot, "pods" | "volumes" | "budgets"> & { readonly nodes: readonly Node[] };
const observed = new WeakMap<ModelRegion, Objects>();

/** Regions are shared between worlds and never changed once they are in one. */
function observeRegion(region: ModelRegion): Objects {
  const known = observed.get(region);
  if (known) return known;
  const objects: Objects = {
    pods: region.pods.map((model): Pod => {
      const { healthy, wedged, node, ...pod } = model;
      const up = nodeOf(region, node)?.state === "up";
      return {
        version: podVersion(model),
        ...pod,
        node: node === "" ? undefined : node,
        nodeLost: !up && node !== "",
        ready: pod.state === "running" && healthy && !wedged && up,
      };
    }),
    volumes: region.volumes.map(
      ({ recorded, key, genesis: _, synced: __, verdict: ___, pods: ____, ...volume }): Volume => ({
        ...volume,
        keys: recorded ? keysFor(key) : undefined,
        state: "present",
        node: undefined,
      }),
    ),
    budgets: region.budgets.map((budget) => ({ ...budget, version: versionOf(budget) })),
    nodes: region.nodes.map(
      ({ name, state, cordoned, since }): Node => ({
        name,
        region: region.name,
        zone: region.name,
        reachable: state === "up",
        unreachableSince: state === "up" ? undefined : since,
        cordoned,
      }),
    ),
  };
  observed.set(region, objects);
  return objects;
}

function reportsOf(world: World, scene: Scene): readonly Report[] {
  const voters = world.regions.flatMap((region) =>
    region.processes.filter((process) => votes(world, region, process)).map(({ key }) => key),
  );
  const members = world.chain?.current.members ?? [];
  const others = elsewhere(world);
  // Without a quorum views stand still, and who voted in the last ones goes on being shown.
  const stands = world.chain !== undefined && votingPower(world, false) < quorumOf(world, scene);
  const heard = members
    .filter((each) => stands || voters.includes(each.blsKey) || others.includes(each))
    .map(({ id }) => id);
  const own = world.regions.flatMap((region) =>
    region.processes.flatMap((process) => {
      const pod = region.pods.find(({ uid }) => uid === process.podUid);
      const answers =
        pod?.healthy &&
        !pod.wedged &&
        nodeOf(region, process.node)?.state === "up" &&
        !region.mute.includes(process.identity);
      return answers ? [reportOf(world, region, process, heard)] : [];
    }),
  );
  return [...own, ...others.map((member) => reportFromElsewhere(world, member, heard))];
}

function roleOf(volume: ModelVolume | undefined, member: boolean): Report["role"] {
  if (!volume) return "retired";
  if (volume.verdict !== "good") return volume.verdict;
  if (!volume.genesis) return "waiting";
  return member ? "validator" : "learner";
}

function reportFromElsewhere({ chain }: World, { id, blsKey, peerKey }: SetMember, heard: readonly string[]): Report {
  const { current, pending } = chain ?? {};
  return {
    identity: id,
    podUid: "",
    observedAt: now,
    keys: { kind: "verified", value: { blsKey, peerKey, proofOfPossession: "" } },
    role: "validator",
    voting: true,
    epoch: current?.epoch ?? 0,
    view: 1,
    height: { kind: "verified", value: 1_000 },
    root: { kind: "absent" },
    sets: current ? { kind: "verified", value: { current, pending } } : { kind: "absent" },
    heard,
    outcomes: { kind: "absent" },
  };
}

function reportOf(world: World, region: ModelRegion, process: ModelProcess, heard: readonly string[]): Report {
  const { chain } = world;
  const volume = region.volumes.find(({ name, key }) => name === process.identity && key === process.key);
  const admitted = chain?.current.learners.some(({ peerKey }) => peerKey === keysFor(process.key).peerKey);
  const member = chain?.current.members.some(({ blsKey }) => blsKey === process.key);
  const follows = chain !== undefined && volume?.genesis === true && (admitted || member);
  const voting = votes(world, region, process);
  return {
    identity: process.identity,
    podUid: process.podUid,
    observedAt: now,
    keys: { kind: "verified", value: keysFor(process.key) },
    role: roleOf(volume, member === true),
    voting,
    epoch: follows ? chain.current.epoch : 0,
    view: 1,
    height: follows && volume.synced ? { kind: "verified", value: 1_000 } : { kind: "absent" },
    root: { kind: "absent" },
    sets: follows
      ? { kind: "verified", value: { current: chain.current, pending: chain.pending } }
      : { kind: "absent" },
    heard,
    outcomes:
      follows && chain.refused.length > 0
        ? {
            kind: "verified",
            value: chain.refused.map((id) => ({ id, outcome: "refused" as const, reason: "the model says so" })),
          }
        : { kind: "absent" },
  };
}
