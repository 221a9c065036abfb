/** What may happen to a world without the operator: progress that comes by itself, faults, and people changing their mind. */
import type { CanaryTrial } from "../snapshot.ts";
import { execute } from "./perform.ts";
import {
  copy,
  edit,
  elsewhere,
  keysFor,
  type ModelRegion,
  type ModelVolume,
  nodeOf,
  now,
  quorumOf,
  type Scene,
  tick,
  votingPower,
  type World,
} from "./world.ts";

export interface Event {
  readonly label: string;
  readonly kind: "progress" | "heal" | "time" | "fault" | "change";
  readonly next: World;
  /** A rule that the event itself showed to be broken. */
  readonly breach: string | undefined;
}

export interface Bounds {
  /** Faults on one path. */
  readonly faults: number;
  /** Changes of the spec on one path. */
  readonly changes: number;
}

/** Every event possible in a world, in a fixed order. */
export function events(world: World, scene: Scene, bounds: Bounds): readonly Event[] {
  if (world.gone) return [];
  return [
    ...progress(world, scene),
    ...heals(world),
    ...time(world),
    ...(world.faults < bounds.faults ? faults(world) : []),
    ...(world.changes < bounds.changes ? changes(world, scene) : []),
  ];
}

type Change = (world: World) => string | undefined;

function event(world: World, kind: Event["kind"], label: string, change: Change): Event {
  const next = copy(world);
  const breach = change(next);
  if (kind === "fault") next.faults += 1;
  return { label, kind, next, breach };
}

/** What the cluster, the processes and the chain do by themselves. */
export function progress(world: World, scene: Scene): readonly Event[] {
  const found: Event[] = [];
  const add = (label: string, change: Change) => found.push(event(world, "progress", label, change));
  for (const [r, region] of world.regions.entries()) {
    for (const [i, pod] of region.pods.entries()) {
      if (pod.state === "unscheduled" && !pod.deleting && freeNode(region))
        add(`${pod.name} starts`, (next) => start(next, edit(next, r), i));
      const node = nodeOf(region, pod.node);
      if (pod.state === "running" && pod.deleting && node?.state === "up")
        add(`${pod.name} ended`, (next) => end(edit(next, r), i));
      const budget = region.budgets.find(({ name }) => name === pod.name);
      if (pod.state === "running" && !pod.deleting && node?.drained && node.state === "up" && (!budget || budget.open))
        add(`${pod.name} is evicted`, (next) => {
          const evicted = edit(next, r).pods[i];
          if (evicted) evicted.deleting = true;
          return undefined;
        });
    }
    for (const [i, volume] of region.volumes.entries())
      if (mayFollow(world, region, volume))
        add(`${volume.name} catches up`, (next) => {
          Object.assign(edit(next, r).volumes[i] ?? {}, { synced: true });
          return undefined;
        });
    for (const { name, deleting } of region.volumes)
      if (deleting && region.pods.every((pod) => pod.name !== name))
        add(`volume ${name} is gone`, (next) => dropVolume(edit(next, r), name));
  }
  return [...found, ...chainProgress(world, scene)];
}

/** Runs, has its chain, is let in, and has not caught up yet. */
function mayFollow({ chain }: World, region: ModelRegion, { name, genesis, synced, key }: ModelVolume): boolean {
  if (!chain || !genesis || synced) return false;
  const { members, learners } = chain.current;
  const known =
    learners.some(({ peerKey }) => peerKey === keysFor(key).peerKey) || members.some(({ blsKey }) => blsKey === key);
  const process = region.processes.find(({ identity }) => identity === name);
  const pod = region.pods.find(({ uid }) => uid === process?.podUid);
  return known && pod?.healthy === true && nodeOf(region, pod.node)?.state !== "cut";
}

const freeNode = (region: ModelRegion) =>
  region.nodes
    .filter(({ state, cordoned }) => state === "up" && !cordoned)
    .toSorted((a, b) => load(region, a.name) - load(region, b.name))[0];
const load = (region: ModelRegion, node: string) => region.pods.filter((pod) => pod.node === node).length;

function start(world: World, region: ModelRegion, index: number): string | undefined {
  const pod = region.pods[index];
  const node = freeNode(region);
  const volume = region.volumes.find(({ name }) => name === pod?.name);
  if (!pod || !node) return undefined;
  pod.node = node.name;
  pod.state = "running";
  if (!volume) {
    // Its volume went before it could start: it waits for ever, not ready.
    pod.healthy = false;
    return undefined;
  }
  let breach: string | undefined;
  if (volume.key === "") {
    if (region.keyed.includes(pod.name)) breach = `a second key was made under the name ${pod.name}`;
    volume.key = `key ${pod.name}`;
    region.keyed = [...region.keyed, pod.name].sort();
  }
  const other = region.processes.find(({ key }) => key === volume.key);
  if (other && mayMatter(world, volume.key)) breach = `${pod.name} runs twice, on ${other.node} and ${node.name}`;
  region.processes.push({ identity: pod.name, seat: pod.seat, key: volume.key, node: node.name, podUid: pod.uid });
  region.processes.sort((a, b) => (a.identity < b.identity ? -1 : 1));
  return breach;
}

const mayMatter = (world: World, key: string) => key !== "" && (world.chain === undefined || !world.deleting);

function end(region: ModelRegion, index: number): undefined {
  const pod = region.pods[index];
  if (!pod) return undefined;
  pod.state = "ended";
  region.processes = region.processes.filter(({ podUid }) => podUid !== pod.uid);
  return undefined;
}

function dropVolume(region: ModelRegion, name: string): undefined {
  region.volumes = region.volumes.filter((volume) => volume.name !== name);
  return undefined;
}

function chainProgress(world: World, scene: Scene): readonly Event[] {
  const { chain } = world;
  if (!chain || votingPower(world, false) < quorumOf(world, scene)) return [];
  if (chain.pending)
    return [
      event(world, "progress", `epoch ${chain.pending.epoch} begins`, ({ chain: next }) => {
        if (!next?.pending) return undefined;
        next.current = next.pending;
        next.pending = undefined;
        next.refused = [];
        return undefined;
      }),
    ];
  const set = execute(chain);
  if (chain.mempool.length === 0) return epochEnds(world);
  return [
    event(world, "progress", `the chain takes up ${chain.mempool[0]?.id}`, ({ chain: next }) => {
      next?.mempool.shift();
      if (next && set) next.pending = set;
      return undefined;
    }),
  ];
}

/** Every epoch ends after so many blocks, whatever is asked of it; here only while something waits for that. */
function epochEnds(world: World): readonly Event[] {
  if (world.memory?.refused?.epoch !== world.chain?.current.epoch) return [];
  return [
    event(world, "progress", "the epoch ends", ({ chain }) => {
      if (chain) chain.pending = { ...chain.current, epoch: chain.current.epoch + 1 };
      return undefined;
    }),
  ];
}

/** Ends of faults that pass. */
export function heals(world: World): readonly Event[] {
  const heard = event(world, "heal", "all institutions vote again", (next) => {
    next.silent = [];
    return undefined;
  });
  const inRegions = world.regions.flatMap((region, r) => [
    ...region.nodes.flatMap((node, i) => {
      const mended = (next: World) => edit(next, r).nodes[i];
      const back = event(
        world,
        "heal",
        node.state === "cut" ? `node ${node.name} is back` : `${node.name} is seen again`,
        (next) => {
          const its = mended(next);
          if (its) Object.assign(its, { state: "up", since: 0 });
          return undefined;
        },
      );
      const uncordoned = event(world, "heal", `node ${node.name} is uncordoned`, (next) => {
        const its = mended(next);
        if (its) Object.assign(its, { cordoned: false, drained: false });
        return undefined;
      });
      return [
        ...(node.state === "cut" || node.state === "hidden" ? [back] : []),
        ...(node.cordoned ? [uncordoned] : []),
      ];
    }),
    ...region.pods.flatMap((pod, i) =>
      pod.state === "running" &&
      (!pod.healthy || pod.wedged) &&
      region.processes.some(({ podUid }) => podUid === pod.uid)
        ? [
            event(world, "heal", `${pod.name} is ready again`, (next) => {
              Object.assign(edit(next, r).pods[i] ?? {}, { healthy: true, wedged: false });
              return undefined;
            }),
          ]
        : [],
    ),
    ...(region.mute.length > 0
      ? [
          event(world, "heal", `${region.name} reports again`, (next) => {
            edit(next, r).mute = [];
            return undefined;
          }),
        ]
      : []),
  ]);
  return world.silent.length > 0 ? [...inRegions, heard] : inRegions;
}

/** What is recent becomes old. */
export function time(world: World): readonly Event[] {
  let recent = false;
  const age = (at: number) => {
    recent ||= at === now;
    return at === now ? now - tick : at;
  };
  const { memory, permit } = world;
  const next: World = {
    ...world,
    memory: memory && {
      ...memory,
      lost: memory.lost.map((each) => ({ ...each, since: age(each.since) })),
      refused: memory.refused && { ...memory.refused, at: age(memory.refused.at) },
      ...(memory.canary ? { canary: aged(memory.canary, age) } : {}),
    },
    permit: permit && {
      ...permit,
      takenAt: age(permit.takenAt),
      submittedAt: permit.submittedAt === undefined ? undefined : age(permit.submittedAt),
    },
    regions: world.regions.map((region) =>
      region.nodes.some(({ since }) => since === now)
        ? { ...region, nodes: region.nodes.map((node) => ({ ...node, since: age(node.since) })) }
        : region,
    ),
  };
  return recent ? [{ label: "time passes", kind: "time", next, breach: undefined }] : [];
}

function aged(trial: CanaryTrial, age: (at: number) => number): CanaryTrial {
  // What has ended goes on being remembered, and waits for nothing.
  if (trial.outcome) return trial;
  return { ...trial, chosenAt: age(trial.chosenAt), since: trial.since === undefined ? undefined : age(trial.since) };
}

function faults(world: World): readonly Event[] {
  const found: Event[] = [];
  const add = (label: string, change: (next: World) => void) =>
    found.push(
      event(world, "fault", label, (next) => {
        change(next);
        return undefined;
      }),
    );
  for (const [r, region] of world.regions.entries()) {
    const its = (next: World) => edit(next, r);
    for (const [i, pod] of region.pods.entries()) {
      if (pod.state !== "running" || nodeOf(region, pod.node)?.state !== "up") continue;
      if (pod.healthy)
        add(`${pod.name} is unready`, (next) =>
          Object.assign(its(next).pods[i] ?? {}, { healthy: false, wedged: false }),
        );
      if (pod.healthy && !pod.wedged)
        add(`${pod.name} is wedged`, (next) => Object.assign(its(next).pods[i] ?? {}, { wedged: true }));
      add(`${pod.name} dies`, (next) => end(its(next), i));
      if (!pod.deleting)
        add(`${pod.name} is force-deleted`, (next) => Object.assign(its(next).pods[i] ?? {}, { deleting: true }));
      if (!region.mute.includes(pod.name)) add(`${pod.name} does not report`, (next) => its(next).mute.push(pod.name));
    }
    for (const [i, node] of region.nodes.entries()) {
      if (node.state !== "up" || load(region, node.name) === 0) continue;
      for (const state of ["cut", "hidden", "dead"] as const)
        add(`node ${node.name} is ${state}`, (next) => {
          const own = its(next);
          Object.assign(own.nodes[i] ?? {}, { state, since: now });
          if (state === "dead") own.processes = own.processes.filter((process) => process.node !== node.name);
        });
      if (!node.cordoned)
        for (const drained of [false, true])
          add(`node ${node.name} is ${drained ? "drained" : "cordoned"}`, (next) =>
            Object.assign(its(next).nodes[i] ?? {}, { cordoned: true, drained }),
          );
    }
    for (const [i, { name, deleting, verdict, key }] of region.volumes.entries()) {
      if (deleting) continue;
      add(`volume ${name} is lost`, (next) => dropVolume(its(next), name));
      if (verdict !== "good" || region.processes.every((process) => process.key !== key)) continue;
      for (const worse of ["quarantined", "retired"] as const)
        add(`${name} says that it is ${worse}`, (next) =>
          Object.assign(its(next).volumes[i] ?? {}, { verdict: worse }),
        );
    }
  }
  for (const { id } of elsewhere(world))
    add(`${id} is silent`, (next) => Object.assign(next, { silent: [...next.silent, id] }));
  const { chain } = world;
  const [transaction] = chain?.mempool ?? [];
  if (transaction) {
    add(`${transaction.id} is dropped`, (next) => next.chain?.mempool.shift());
    add(`${transaction.id} is refused`, (next) => {
      next.chain?.mempool.shift();
      if (transaction.epoch === chain?.current.epoch) next.chain?.refused.push(transaction.id);
    });
    if (!chain?.pending)
      add("the epoch ends without it", ({ chain: its }) => {
        if (its) its.pending = { ...its.current, epoch: its.current.epoch + 1 };
      });
  }
  return found;
}

function changes(world: World, scene: Scene): readonly Event[] {
  if (world.deleting) return [];
  const found = scene.specs.flatMap((_, spec) =>
    spec === world.spec
      ? []
      : [
          event(world, "change", `spec ${spec}`, (next) => {
            Object.assign(next, { spec, changes: next.changes + 1, generation: next.generation + 1 });
            return undefined;
          }),
        ],
  );
  const deleted = event(world, "change", "the swarm is deleted", (next) => {
    Object.assign(next, { deleting: true, changes: next.changes + 1 });
    return undefined;
  });
  return scene.deletes ? [...found, deleted] : found;
}

/** Power of members that cannot vote again while nodes stay as they are: volume gone, node down, or no node to start on. */
export function lostPower(world: World): number {
  const { chain } = world;
  if (!chain) return 0;
  const able = world.regions.flatMap((region) =>
    region.volumes
      .filter((volume) => !volume.deleting && volume.verdict === "good" && mayRun(region, volume))
      .map(({ key }) => key),
  );
  return chain.current.members
    .filter(({ blsKey, managed }) => managed && !able.includes(blsKey))
    .reduce((sum, { power }) => sum + power, 0);
}

function mayRun(region: ModelRegion, { name }: ModelVolume): boolean {
  const pod = region.pods.find((each) => each.name === name);
  const node = pod && nodeOf(region, pod.node);
  if (node && pod?.state === "running") return node.state === "up" || node.state === "hidden";
  return freeNode(region) !== undefined;
}
