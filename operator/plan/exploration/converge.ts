/** From any world, without new faults: the operator and time bring it to what the spec asks, and then do nothing. */
import { heals, lostPower, progress, time } from "./events.ts";
import { perFirst, sameMemory } from "./operator.ts";
import type { View } from "./view.ts";
import { nodeOf, quorumOf, type Scene, votingPower, type World } from "./world.ts";

export type Outcome =
  | { readonly kind: "converged"; readonly worlds: readonly World[] }
  /** More than F is gone for good, a region has no free node, or one that sleeps cannot be asked: a person is told so. */
  | { readonly kind: "lost"; readonly worlds: readonly World[] }
  | { readonly kind: "stuck" | "restless"; readonly reason: string; readonly path: readonly string[] };

/** More rounds than any convergence needs. */
const maxRounds = 400;

/** `known` says whether a world was seen to converge before. */
export function converge(from: World, view: View, known: ReadonlySet<string>): Outcome {
  const worlds: World[] = [];
  const path: string[] = [];
  const seen = new Set<string>();
  let world = from;
  for (let round = 0; round < maxRounds; round += 1) {
    const name = view.key(world);
    if (known.has(name)) return { kind: "converged", worlds };
    if (seen.has(name)) return { kind: "restless", reason: "the same worlds follow each other for ever", path };
    seen.add(name);
    worlds.push(world);
    const step = benign(world, view);
    if (!step) return verdict(world, view, worlds, path);
    path.push(step.label);
    world = step.next;
  }
  return { kind: "restless", reason: `not at rest after ${maxRounds} rounds`, path };
}

/** The operator acts; then everything that can go on does; faults that pass do; at last time passes. */
function benign(
  world: World,
  { scene, plan: planned }: View,
): { readonly label: string; readonly next: World } | undefined {
  if (world.gone) return undefined;
  const plan = planned(world);
  if (plan.actions.length > 0 || !sameMemory(world.memory, plan.status.memory)) {
    const act = perFirst(world, plan, plan.actions.length, scene, true);
    if (act.changed) return act;
  }
  // Cut nodes stay cut, as long as they like: their identities are replaced.
  const passing = heals(world).filter(({ label }) => !label.startsWith("node"));
  return progress(world, scene)[0] ?? passing[0] ?? time(world)[0];
}

function verdict(
  world: World,
  { scene, plan: planned }: View,
  worlds: readonly World[],
  path: readonly string[],
): Outcome {
  const plan = planned(world);
  const stuck = (reason: string): Outcome => ({ kind: "stuck", reason, path });
  if (world.gone) {
    const left = world.regions.flatMap(({ pods, volumes }) => [...pods, ...volumes]);
    const retained = scene.specs[world.spec]?.retainPolicy === "Retain";
    const kept = world.regions.flatMap(({ pods }) => pods).length;
    return left.length === 0 || (retained && kept === 0)
      ? { kind: "converged", worlds }
      : stuck("objects outlive the swarm");
  }
  if (plan.actions.length > 0)
    return stuck(`these actions change nothing: ${plan.actions.map(({ kind }) => kind).join(", ")}`);
  const unhappy = shortOf(world, scene);
  if (unhappy === undefined) return { kind: "converged", worlds };
  const quorum = quorumOf(world, scene);
  const condition = plan.status.conditions.find(({ type }) => type === "QuorumAvailable");
  const total = world.chain?.current.members.reduce((sum, { power }) => sum + power, 0) ?? 0;
  if (world.chain && total - lostPower(world) < quorum)
    return condition?.status === "True" ? stuck("no quorum, and the status does not say so") : { kind: "lost", worlds };
  const waits = plan.decisions.flatMap((each) => (each.kind === "wait" ? [each.reason] : []));
  // A region without a free node cannot run what it should: the plan says so.
  const crowded = world.regions.some(({ pods }) => pods.some(({ state }) => state === "unscheduled"));
  if (crowded && (waits.includes("NotScheduled") || waits.includes("NoRoom"))) return { kind: "lost", worlds };
  // Who sleeps has to have ended: on a node that does not answer, a person must see to it.
  const unseen = world.regions.some((region) =>
    region.pods.some(({ deleting, node }) => deleting && nodeOf(region, node)?.state !== "up"),
  );
  const asleep = scene.specs[world.spec]?.hibernate === true || world.deleting;
  if (asleep && unseen && waits.includes("EndNotConfirmed")) return { kind: "lost", worlds };
  return stuck(
    `${unhappy}; waits: ${plan.decisions.map((each) => ("message" in each ? each.message : each.kind)).join(" | ")}`,
  );
}

/** What a world lacks of its spec. */
export function shortOf(world: World, scene: Scene): string | undefined {
  const spec = scene.specs[world.spec];
  if (!spec || world.deleting) return "the swarm is being deleted";
  const pods = world.regions.flatMap((region) => region.pods);
  if (spec.hibernate) return pods.length === 0 ? undefined : "pods run in hibernation";
  if (spec.paused) return undefined;
  if (!world.chain) return "there is no chain";
  if (world.permit) return "the permit is held";
  const { learners, parameters } = world.chain.current;
  const members = world.chain.current.members.filter(({ managed }) => managed);
  if (world.chain.pending || world.chain.mempool.length > 0) return "the chain has work";
  if (members.length !== spec.replicas) return `${members.length} members, not ${spec.replicas}`;
  if (learners.length > 0) return "learners are left over";
  for (const { name, weight } of spec.regions) {
    const held = members.reduce((sum, member) => (member.region === name ? sum + member.power : sum), 0);
    if (held !== weight) return `region ${name} holds ${held}, not ${weight}`;
  }
  if (Object.entries(spec.parameters).some(([name, value]) => parameters[name] !== value)) return "parameters differ";
  const total = world.chain.current.members.reduce((sum, { power }) => sum + power, 0);
  if (votingPower(world, true) !== total) return "not every member votes";
  if (pods.length !== members.length) return `${pods.length} pods for ${members.length} members`;
  const untried = untriedIn(world, scene);
  if (untried !== undefined) return untried;
  if (pods.some(({ revision }) => revision !== revisionWanted(world, scene))) return "a pod is outdated";
  if (
    world.regions.some(
      ({ volumes }) =>
        volumes.length !== pods.filter(({ name }) => volumes.some((volume) => volume.name === name)).length,
    )
  )
    return "a volume is left over";
  if (world.regions.flatMap(({ budgets }) => budgets).some(({ open }) => open)) return "a budget is open";
  return undefined;
}

/** A canary that the spec asks for, that changes something and that has room is to end. */
function untriedIn({ memory, spec: at }: World, { specs }: Scene): string | undefined {
  const canary = specs[at]?.canary;
  if (!canary || canary.promotedRevision === specs[at]?.podRevision) return undefined;
  return memory?.canary?.trial === canary.trial && memory.canary.outcome ? undefined : "the canary has no verdict";
}

function revisionWanted({ memory, spec: at }: World, { specs }: Scene): string | undefined {
  const spec = specs[at];
  return spec?.canary && memory?.canary?.outcome?.kind === "Promote" ? spec.canary.promotedRevision : spec?.podRevision;
}
