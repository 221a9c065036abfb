/** The operator in the model: observes, plans with the shipped planner, performs; and may stop after any action. */
import type { Action } from "../actions.ts";
import { type Plan, plan } from "../plan.ts";
import type { Memory } from "../snapshot.ts";
import { observe } from "./observe.ts";
import { perform } from "./perform.ts";
import { copy, now, quorumOf, type Scene, votingPower, type World } from "./world.ts";

export interface Act {
  readonly label: string;
  readonly next: World;
  readonly breach: string | undefined;
  /** Anything is otherwise than before. */
  readonly changed: boolean;
}

export function planFor(world: World, scene: Scene): Plan {
  const desired = scene.specs[world.spec] ?? scene.specs[0];
  if (!desired) throw new Error("a scene has specs");
  return plan(desired, observe(world, scene), now);
}

export const sameMemory = (a: Memory | undefined, b: Memory) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Writes the status and performs the first `count` actions of a plan, which may have been made for an earlier world.
 * An action that the API refuses ends the round. `lenient`: a fault came after the plan was made; then power that is
 * taken while it came is nobody's error.
 */
export function perFirst(world: World, { actions, status }: Plan, count: number, scene: Scene, lenient: boolean): Act {
  const next = copy(world);
  next.memory = status.memory;
  let breach: string | undefined;
  let performed = 0;
  for (const action of actions.slice(0, count)) {
    const before = votingPower(next, true);
    const covered = coveredRegions(next);
    const again = next.permit?.submittedAt !== undefined;
    const result = perform(next, action);
    breach ??= result.breach;
    if (!result.changed) break;
    performed += 1;
    const after = votingPower(next, true);
    const quorum = quorumOf(next, scene);
    const excused = lenient || world.deleting || scene.specs[world.spec]?.hibernate === true;
    if (after < before && after < quorum && !excused && !isBlindFix(world, action, scene))
      breach ??= `${action.kind} left ${after} of the ${quorum} power that a quorum needs`;
    const spec = scene.specs[world.spec];
    const uncovered = covered.filter((region) => !coveredRegions(next).includes(region));
    if (uncovered.length > 0 && spec?.allowSettlementPause === false && !excused && !isBlindFix(world, action, scene))
      breach ??= `${action.kind} left required region ${uncovered[0]} without the power that settlement asks of it`;
    breach ??= triedTooFar(next, action, scene);
    if (action.kind === "submit-governance" && !again) breach ??= weakens(next, action.transaction.id, scene, lenient);
    if (next.regions.flatMap(({ budgets }) => budgets).filter(({ open }) => open).length > 1)
      breach ??= "two budgets are open";
  }
  const label = `operator: ${["status", ...actions.slice(0, performed).map(({ kind, ...rest }) => `${kind} ${"identity" in rest ? rest.identity : ""}`.trim())].join(", ")}`;
  return { label, next, breach, changed: performed > 0 || !sameMemory(world.memory, status.memory) };
}

/**
 * The restart of a pod that is unready and silent, while too few report to show that it votes all the same. Its
 * kubelet's liveness probe would end it as well.
 */
function isBlindFix(world: World, action: Action, scene: Scene): boolean {
  if (action.kind !== "delete-pod" || action.version === undefined) return false;
  const members = world.chain?.current.members ?? [];
  const reporting = observe(world, scene)
    .reports.filter(({ role }) => role === "validator")
    .flatMap(({ keys }) => members.filter(({ blsKey }) => keys.kind === "verified" && keys.value.blsKey === blsKey));
  return reporting.reduce((sum, { power }) => sum + power, 0) < quorumOf(world, scene);
}

/** Overrides run on at most F power, and on all only when they were measured to be as good. */
function triedTooFar(world: World, action: Action, { specs, measured }: Scene): string | undefined {
  const spec = specs[world.spec];
  if (action.kind !== "create-pod" || !spec?.canary || !world.chain) return undefined;
  const { revision, promotedRevision } = spec.canary;
  if (action.revision === promotedRevision && promotedRevision !== spec.podRevision && measured !== "as good")
    return `${action.identity} got overrides that nothing speaks for`;
  const tried = world.regions.flatMap(({ pods }) => pods.filter((pod) => pod.revision === revision));
  const { members } = world.chain.current;
  const total = members.reduce((sum, { power }) => sum + power, 0);
  const power = members.reduce(
    (sum, { id, power: own }) => (tried.some(({ seat }) => seat === id) ? sum + own : sum),
    0,
  );
  const fault = Math.floor((total - 1) / (spec.faultModel === "Crash" ? 2 : 3));
  return power > fault ? `${power} power runs overrides that are on trial, above F = ${fault}` : undefined;
}

/** Required regions whose power votes and stays. */
function coveredRegions(world: World): readonly string[] {
  const required = Object.entries(world.chain?.current.requiredRegions ?? {});
  return required.filter(([region, least]) => votingPower(world, true, region) >= least).map(([region]) => region);
}

/** The set that a transaction makes must have a quorum among those that vote now and stay. */
function weakens(world: World, id: string, scene: Scene, lenient: boolean): string | undefined {
  const { chain } = world;
  const body = chain?.mempool.find((transaction) => transaction.id === id)?.body;
  if (!chain || lenient || (body?.kind !== "set-members" && body?.kind !== "rotate-seat")) return undefined;
  const after = copy(world);
  if (!after.chain) return undefined;
  const powers = new Map(
    body.kind === "set-members"
      ? body.members.map(({ keys, power }) => [keys.blsKey, power] as const)
      : chain.current.members.map(
          (member) => [member.id === body.seat ? body.keys.blsKey : member.blsKey, member.power] as const,
        ),
  );
  const synced = world.regions.flatMap(({ volumes }) =>
    volumes.filter((volume) => volume.synced).map(({ key }) => key),
  );
  for (const key of powers.keys())
    if (
      !synced.includes(key) &&
      chain.current.members.every(({ blsKey }) => blsKey !== key) &&
      volumeExists(world, key)
    )
      return `"${id}" seats ${key}, which has not caught up`;
  const total = [...powers.values()].reduce((sum, power) => sum + power, 0);
  const quorum = total - Math.floor((total - 1) / (scene.specs[0]?.faultModel === "Crash" ? 2 : 3));
  const stay = chain.current.members.map((member) => ({
    ...member,
    power: Math.min(member.power, powers.get(member.blsKey) ?? 0),
  }));
  after.chain.current = { ...chain.current, members: stay };
  const left = votingPower(after, true);
  return left < quorum ? `"${id}" leaves ${left} of the ${quorum} power that the next set's quorum needs` : undefined;
}

/** It was not lost meanwhile. */
const volumeExists = (world: World, key: string) =>
  world.regions.some(({ volumes }) => volumes.some((volume) => volume.key === key));
