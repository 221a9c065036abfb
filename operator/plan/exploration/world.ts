/**
 * A model of the world the planner acts on: objects, processes, nodes, chain. Small, exact about what may go wrong, and
 * independent of the planner's own reasoning. Time is one constant moment; what is stored of the past is recent or old.
 */
import { type Desired, seatsOf } from "../desired.ts";
import type { Memory, Permit, PublicKeys, SetMember, ValidatorSet } from "../snapshot.ts";
import type { Transaction } from "../transactions.ts";

/** The moment every snapshot is taken, ms. */
export const now = 1_800_000_000_000;
/** One step of time: longer than every timeout of the planner. */
export const tick = 900_000;

export interface ModelPod {
  name: string;
  seat: string;
  generation: number;
  uid: string;
  revision: string;
  node: string;
  state: "unscheduled" | "running" | "ended";
  /** False: it runs and neither is ready nor votes. */
  healthy: boolean;
  /** It goes on voting, and answers neither its kubelet's probe nor the operator. */
  wedged: boolean;
  deleting: boolean;
}

export interface ModelVolume {
  name: string;
  seat: string;
  generation: number;
  uid: string;
  /** Recorded on the object. */
  recorded: boolean;
  /** Created inside; "" before a process ran on it. */
  key: string;
  genesis: boolean;
  /** Has followed the chain to its end. */
  synced: boolean;
  /** What its process says of it: the state differs from the certified one, or the record is older than its boot marker. */
  verdict: "good" | "quarantined" | "retired";
  deleting: boolean;
  /** Pods made for it so far, modulo 4: names the next uid. */
  pods: number;
}

export interface ModelProcess {
  identity: string;
  seat: string;
  key: string;
  node: string;
  podUid: string;
}

export interface ModelNode {
  name: string;
  /** `up`; `cut`: from control plane and peers; `hidden`: from the control plane alone; `dead`: nothing runs. */
  state: "up" | "cut" | "hidden" | "dead";
  cordoned: boolean;
  /** Somebody drains it too. */
  drained: boolean;
  /** ms, when not up. */
  since: number;
}

/** Everything of one region: what symmetric regions are merged by. */
export interface ModelRegion {
  name: string;
  nodes: ModelNode[];
  pods: ModelPod[];
  volumes: ModelVolume[];
  processes: ModelProcess[];
  budgets: { name: string; open: boolean }[];
  /** Identities whose reports do not arrive. */
  mute: string[];
  /** Identities that ever had a key. */
  keyed: string[];
}

export interface World {
  spec: number;
  generation: number;
  faults: number;
  changes: number;
  finalizer: boolean;
  deleting: boolean;
  /** The object itself is gone. */
  gone: boolean;
  memory: Memory | undefined;
  services: string[];
  regions: ModelRegion[];
  chain: ModelChain | undefined;
  permit: Omit<Permit, "version"> | undefined;
  /** Members run elsewhere that do not vote now. */
  silent: string[];
}

export interface ModelChain {
  /** Genesis set as written. */
  genesis: ValidatorSet;
  current: ValidatorSet;
  pending: ValidatorSet | undefined;
  mempool: Transaction[];
  /** Ids of transactions refused in this epoch. */
  refused: string[];
}

/** A swarm to explore: specs it may be changed between, the first is the start. */
export interface Scene {
  readonly name: string;
  readonly specs: readonly Desired[];
  /** Nodes of each region. */
  readonly nodes: number;
  /** Deleting the object counts as a change of spec. */
  readonly deletes: boolean;
  /** The operator may not list nodes: it serves one namespace. */
  readonly namespaced: boolean;
  /** What is measured of pods that run a canary's revision. Absent: nothing is. */
  readonly measured?: "as good" | "worse";
}

export function emptyWorld(scene: Scene): World {
  const regions = new Set(scene.specs.flatMap((spec) => spec.regions.map(({ name }) => name)));
  return {
    spec: 0,
    generation: 1,
    faults: 0,
    changes: 0,
    finalizer: false,
    deleting: false,
    gone: false,
    memory: undefined,
    services: [],
    regions: [...regions].map((name) => ({
      name,
      nodes: Array.from({ length: scene.nodes }, (_, i) => ({
        name: `${name}-n${i}`,
        state: "up",
        cordoned: false,
        drained: false,
        since: 0,
      })),
      pods: [],
      volumes: [],
      processes: [],
      budgets: [],
      mute: [],
      keyed: [],
    })),
    chain: undefined,
    permit: undefined,
    silent: [],
  };
}

/** A world to change: regions are shared until `edit` is asked for one, everything of the planner's own is immutable. */
export function copy(world: World): World {
  const { chain } = world;
  return {
    ...world,
    regions: [...world.regions],
    chain: chain && { ...chain, mempool: [...chain.mempool], refused: [...chain.refused] },
  };
}

/** The region at a place of a copied world, to be changed. */
export function edit(world: World, index: number): ModelRegion {
  const region = world.regions[index];
  if (!region) throw new Error(`no region ${index}`);
  const each = <T extends object>(list: readonly T[]): T[] => list.map((item) => ({ ...item }));
  const { name, nodes, pods, volumes, processes, budgets, mute, keyed } = region;
  const own: ModelRegion = {
    name,
    nodes: each(nodes),
    pods: each(pods),
    volumes: each(volumes),
    processes: each(processes),
    budgets: each(budgets),
    mute: [...mute],
    keyed: [...keyed],
  };
  world.regions[index] = own;
  return own;
}

export const keysFor = (key: string): PublicKeys => ({
  blsKey: key,
  peerKey: `peer ${key}`,
  proofOfPossession: `proof ${key}`,
});

/** The region of an identity, to be changed. */
export function editRegionOf(world: World, identity: string): ModelRegion {
  return edit(
    world,
    world.regions.findIndex(({ name }) => identity.includes(`-${name}-`)),
  );
}

export const nodeOf = (region: ModelRegion, name: string) => region.nodes.find((node) => node.name === name);

/** A process signs votes: its key is in the set, its volume is there, it is healthy, and peers hear it. */
export function votes(world: World, region: ModelRegion, process: ModelProcess): boolean {
  const { chain } = world;
  if (!chain?.current.members.some(({ blsKey }) => blsKey === process.key)) return false;
  const node = nodeOf(region, process.node);
  if (node?.state === "cut" || node?.state === "dead") return false;
  const volume = region.volumes.find(({ name, key }) => name === process.identity && key === process.key);
  if (!volume?.synced || volume.verdict !== "good") return false;
  const pod = region.pods.find(({ uid }) => uid === process.podUid);
  return pod === undefined || pod.healthy;
}

/** Members run elsewhere that vote. */
export const elsewhere = ({ chain, silent }: World): readonly SetMember[] =>
  chain?.current.members.filter(({ managed, id }) => !managed && !silent.includes(id)) ?? [];

/** Power that votes, of one region when it is named; `staying`: without what the operator has sent away or opened the budget of. */
export function votingPower(world: World, staying: boolean, only?: string): number {
  const { chain } = world;
  if (!chain) return 0;
  let sum = elsewhere(world).reduce(
    (total, { power, region }) => (only === undefined || region === only ? total + power : total),
    0,
  );
  for (const region of world.regions)
    for (const process of only === undefined || region.name === only ? region.processes : []) {
      if (!votes(world, region, process)) continue;
      const pod = region.pods.find(({ uid }) => uid === process.podUid);
      const leaves = pod?.deleting || region.budgets.some(({ name, open }) => open && name === process.identity);
      if (staying && leaves) continue;
      sum += chain.current.members.find(({ blsKey }) => blsKey === process.key)?.power ?? 0;
    }
  return sum;
}

/** What each spec asks of a region: worlds are merged over regions of which all specs ask the same. */
export function rolesOf({ specs }: Scene): ReadonlyMap<string, string> {
  const names = new Set(specs.flatMap(({ regions }) => regions.map(({ name }) => name)));
  const role = (name: string) =>
    specs.map(({ regions, replicas, requiredRegions }) => {
      const at = regions.findIndex((region) => region.name === name);
      return at < 0 ? [] : [regions[at]?.weight, seatsOf(at, replicas, regions.length), requiredRegions[name]];
    });
  return new Map([...names].map((name) => [name, JSON.stringify(role(name))]));
}

/** Q of the current set, by the model's own arithmetic. */
export function quorumOf(world: World, scene: Scene): number {
  const total = world.chain?.current.members.reduce((sum, { power }) => sum + power, 0) ?? 0;
  const model = scene.specs[0]?.faultModel;
  return total - Math.floor((total - 1) / (model === "Crash" ? 2 : 3));
}

/**
 * The world as a string, the same for worlds that differ only in which of several equal regions is which: regions are
 * sorted by what is in them and what points at them, then renamed by their place.
 */
export function canonical(world: World, roles: ReadonlyMap<string, string>): string {
  const { regions, chain, memory, permit, ...rest } = world;
  const { seats = [], lost = [], ...remembered } = memory ?? {};
  const global = JSON.stringify([
    rest,
    remembered,
    permit,
    chain && [chain.mempool, chain.refused, ruling(chain.current), chain.pending && ruling(chain.pending)],
  ]);
  const mentioned = [...global.matchAll(/r\d+/g)].map(([name]) => name);
  const signed = regions.map((region) => {
    const mark = `-${region.name}-`;
    const its = JSON.stringify([
      seats.filter(({ seat }) => seat.includes(mark)),
      lost.filter(({ identity }) => identity.includes(mark)),
      chain && [chain.genesis, chain.current, chain.pending].map((set) => set && shareOf(set, region.name)),
    ]).replaceAll(region.name, "*");
    const seen = mentioned.map((name) => (name === region.name ? "*" : "r")).join("");
    return { name: region.name, text: `${roles.get(region.name)} ${textOf(region)} ${its} ${seen}` };
  });
  signed.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  const names = new Map(signed.map(({ name }, i) => [name, `q${i}`]));
  return global.replaceAll(/r\d+/g, (name) => names.get(name) ?? name) + signed.map(({ text }) => text).join("\n");
}

const ruling = ({ epoch, parameters, requiredRegions }: ValidatorSet) => [epoch, parameters, requiredRegions];
const shareOf = ({ members, learners }: ValidatorSet, region: string) => [
  members.filter((member) => member.region === region).map(({ id, power, blsKey }) => [id, power, blsKey]),
  learners.filter(({ id }) => id.includes(`-${region}-`)).map(({ peerKey }) => peerKey),
];

const texts = new WeakMap<ModelRegion, string>();
function textOf(region: ModelRegion): string {
  const known = texts.get(region);
  if (known !== undefined) return known;
  const text = JSON.stringify(region).replaceAll(region.name, "*");
  texts.set(region, text);
  return text;
}
