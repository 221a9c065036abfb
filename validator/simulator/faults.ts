/** What goes wrong around honest processes in the hostile time: drawn one after the other, each told in a line. */
import type { HostileWorld } from "./world.ts";

interface FaultKind {
  readonly name: string;
  readonly weight: number;
  /** What was done, or undefined when it could not be done now. */
  apply(world: HostileWorld): string | undefined;
}

const pick = <T>(world: HostileWorld, from: readonly T[]): T | undefined =>
  from[Math.floor(world.swarm.world.random() * from.length)];
const nodes = (world: HostileWorld) => [...world.swarm.nodes.keys()];
const up = (world: HostileWorld) => nodes(world).filter((node) => world.isUp(node));

function onNode(world: HostileWorld, act: (node: number) => string): string | undefined {
  const node = pick(world, up(world));
  return node === undefined ? undefined : act(node);
}

const faults: readonly FaultKind[] = [
  {
    name: "crash",
    weight: 5,
    apply(world) {
      // Only a crash shows what a rotten disk has lost.
      const rotten = world.rotten.filter((node) => world.isUp(node) && world.swarm.world.random() < 0.5);
      const node = pick(world, rotten.length > 0 ? rotten : up(world));
      if (node === undefined) return undefined;
      world.crash(node);
      return `crash of ${node}`;
    },
  },
  {
    name: "crash-once-said",
    weight: 5,
    apply: (world) =>
      onNode(world, (node) => {
        world.crashOnceSaid(node);
        return `${node} will lose power after its next word`;
      }),
  },
  {
    name: "blackout",
    weight: 1,
    apply(world) {
      for (const node of up(world)) world.crash(node);
      return "blackout: everyone loses power";
    },
  },
  {
    name: "partition",
    weight: 3,
    apply(world) {
      const names = [...new Set(world.swarm.nodes.map(({ name }) => name))];
      const side = names.filter(() => world.swarm.world.random() < 0.5);
      world.swarm.network.partition([side, names.filter((name) => !side.includes(name))]);
      return `partition: ${side.length} of ${names.length} apart`;
    },
  },
  {
    name: "link",
    weight: 8,
    apply(world) {
      const { random } = world.swarm.world;
      const [from, to] = [pick(world, nodes(world)), pick(world, nodes(world))];
      const [a, b] = [world.swarm.nodes[from ?? 0]?.name, world.swarm.nodes[to ?? 0]?.name];
      if (!a || !b || a === b) return undefined;
      const quality = {
        up: random() < 0.7,
        loss: random() < 0.5 ? 0.4 * random() : 0,
        duplicate: 0.4 * random(),
        delay: [1, random() < 0.3 ? 400 * random() + 1 : 40 * random() + 1],
      } as const;
      // One direction only: the other stays as it is.
      world.swarm.network.link(a, b, quality);
      return `link ${from} to ${to}: ${quality.up ? `up to ${quality.delay[1].toFixed(0)} ms, ${(100 * quality.loss).toFixed(0)} % lost` : "cut"}`;
    },
  },
  {
    name: "network-heals",
    weight: 4,
    apply(world) {
      world.swarm.network.heal();
      return "every link is good again";
    },
  },
  {
    name: "disk-fails",
    weight: 3,
    apply: (world) =>
      onNode(world, (node) => {
        const disk = world.swarm.nodes[node]?.disk;
        if (disk) disk.failing = world.swarm.world.random() < 0.5 ? "no-space" : "input-output";
        return `disk of ${node}: ${disk?.failing}`;
      }),
  },
  {
    name: "sync-fails",
    weight: 2,
    apply: (world) =>
      onNode(world, (node) => {
        world.swarm.nodes[node]?.disk.failNextSync();
        return `the next sync of ${node} fails and its pages are lost`;
      }),
  },
  {
    name: "disks-work",
    weight: 3,
    apply(world) {
      for (const { disk } of world.swarm.nodes) disk.failing = undefined;
      return "every disk works again";
    },
  },
  {
    name: "clock-step",
    weight: 2,
    apply: (world) =>
      onNode(world, (node) => {
        const by = Math.round(20_000 * (world.swarm.world.random() - 0.5));
        world.swarm.nodes[node]?.clock.stepWall(by);
        return `clock of ${node} steps by ${by} ms`;
      }),
  },
];
const totalWeight = faults.reduce((sum, { weight }) => sum + weight, 0);

/** Draws one fault and applies it. */
export function strike(world: HostileWorld): void {
  let rest = world.swarm.world.random() * totalWeight;
  for (const fault of faults) {
    rest -= fault.weight;
    if (rest >= 0) continue;
    const line = fault.apply(world);
    if (line !== undefined) world.tell(line);
    return;
  }
}

/** Ends everything that `strike` began. Clocks that were stepped are set right by who watches them. */
export async function healAll(world: HostileWorld): Promise<void> {
  world.swarm.network.heal();
  world.spareAll();
  for (const node of world.swarm.nodes) {
    node.disk.failing = undefined;
    node.syncDelay = 0;
    node.clock.setRight();
  }
  for (const node of nodes(world)) await world.start(node);
  // A sync that was to fail may have failed at the start itself: who keeps processes running starts it again.
  for (const node of nodes(world)) await world.start(node);
}
