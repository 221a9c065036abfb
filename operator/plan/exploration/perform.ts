/** Performs the planner's actions on the model, as an API with preconditions would; and notes what must never happen. */
import type { Action } from "../actions.ts";
import type { SetMember, ValidatorSet } from "../snapshot.ts";
import { podVersion, versionOf } from "./observe.ts";
import { editRegionOf, keysFor, type ModelChain, now, type World } from "./world.ts";

/** `changed` says whether anything did; `breach` is a rule broken by the act itself. */
export interface Performed {
  readonly changed: boolean;
  readonly breach: string | undefined;
}
const did: Performed = { changed: true, breach: undefined };
const refused: Performed = { changed: false, breach: undefined };

/** Changes `world` in place. */
export function perform(world: World, action: Action): Performed {
  switch (action.kind) {
    case "add-finalizer":
      return set(world, "finalizer", true);
    case "remove-finalizer":
      world.gone = true;
      return set(world, "finalizer", false);
    case "create-service":
      if (world.services.includes(action.service)) return refused;
      world.services = [...world.services, action.service].sort();
      return did;
    case "delete-service":
      world.services = world.services.filter((service) => service !== action.service);
      return did;
    case "delete-genesis":
      world.chain = undefined;
      return did;
    case "write-genesis":
      if (world.chain) return refused;
      world.chain = { genesis: action.set, current: action.set, pending: undefined, mempool: [], refused: [] };
      return did;
    case "take-permit":
      if (world.permit || versionOf(world.permit) !== action.version) return refused;
      world.permit = { ...action.claim, takenAt: now, submittedAt: undefined };
      return did;
    case "clear-permit":
      if (!world.permit || versionOf(world.permit) !== action.version) return refused;
      world.permit = undefined;
      return did;
    case "submit-governance":
      return submit(world, action);
    default:
      return performOnIdentity(world, action);
  }
}

function set<Key extends "finalizer">(world: World, key: Key, value: World[Key]): Performed {
  if (world[key] === value) return refused;
  world[key] = value;
  return did;
}

function submit(world: World, action: Extract<Action, { kind: "submit-governance" }>): Performed {
  const { chain, permit } = world;
  if (!chain || !permit || versionOf(permit) !== action.version) return refused;
  world.permit = { ...permit, submittedAt: now };
  if (chain.mempool.every(({ id }) => id !== action.transaction.id)) chain.mempool.push(action.transaction);
  return did;
}

type OnIdentity = Extract<Action, { readonly identity: string }>;

function performOnIdentity(world: World, action: OnIdentity): Performed {
  const region = editRegionOf(world, action.identity);
  const pod = region.pods.find(({ name }) => name === action.identity);
  const volume = region.volumes.find(({ name }) => name === action.identity);
  const budget = region.budgets.find(({ name }) => name === action.identity);
  const process = region.processes.find(({ podUid }) => podUid === pod?.uid);
  switch (action.kind) {
    case "create-volume": {
      if (volume) return refused;
      const { identity, seat, generation } = action;
      const uid = `${identity} v${region.keyed.length % 3}`;
      const fresh = {
        recorded: false,
        key: "",
        genesis: false,
        synced: false,
        verdict: "good" as const,
        deleting: false,
        pods: 0,
      };
      region.volumes.push({ name: identity, seat, generation, uid, ...fresh });
      region.volumes.sort((a, b) => (a.name < b.name ? -1 : 1));
      return did;
    }
    case "delete-volume": {
      if (volume?.uid !== action.uid || volume.deleting) return refused;
      const breach = mayVote(world, volume.key)
        ? `deleted the volume of ${action.identity}, which a set names`
        : undefined;
      volume.deleting = true;
      return { changed: true, breach };
    }
    case "record-keys":
      if (volume?.uid !== action.uid || volume.recorded || action.keys.blsKey !== keysFor(volume.key).blsKey)
        return refused;
      volume.recorded = true;
      return did;
    case "create-pod": {
      if (pod || volume?.uid !== action.volumeUid || volume.deleting) return refused;
      const { identity, seat, generation, revision } = action;
      const uid = `${identity} p${volume.pods}`;
      volume.pods = (volume.pods + 1) % 4;
      const fresh = { node: "", state: "unscheduled" as const, healthy: true, wedged: false, deleting: false };
      region.pods.push({ name: identity, seat, generation, uid, revision, ...fresh });
      region.pods.sort((a, b) => (a.name < b.name ? -1 : 1));
      return did;
    }
    case "delete-pod":
      if (pod?.uid !== action.uid || pod.deleting) return refused;
      if (action.version !== undefined && action.version !== podVersion(pod)) return refused;
      pod.deleting = true;
      return did;
    case "release-pod": {
      if (pod?.uid !== action.uid) return refused;
      region.pods = region.pods.filter((each) => each !== pod);
      const breach =
        process && mayVote(world, process.key) ? `released the pod of ${action.identity} while it runs` : undefined;
      return { changed: true, breach };
    }
    case "create-budget":
      if (budget) return refused;
      region.budgets.push({ name: action.identity, open: false });
      region.budgets.sort((a, b) => (a.name < b.name ? -1 : 1));
      return did;
    case "open-budget":
    case "close-budget": {
      const open = action.kind === "open-budget";
      if (!budget || budget.open === open || versionOf(budget) !== action.version) return refused;
      budget.open = open;
      return did;
    }
    case "delete-budget":
      if (!budget || versionOf(budget) !== action.version) return refused;
      region.budgets = region.budgets.filter((each) => each !== budget);
      return did;
    case "provide-genesis":
      if (!volume || pod?.uid !== action.podUid || !process || !pod.healthy || volume.genesis) return refused;
      volume.genesis = true;
      // Who is there from the first block has nothing to catch up with.
      volume.synced =
        world.chain?.current.epoch === 0 && world.chain.current.members.some(({ blsKey }) => blsKey === volume.key);
      return did;
  }
}

/** A set names the key, or a transaction that can still be executed does. */
function mayVote({ chain, deleting }: World, key: string): boolean {
  if (!chain || deleting) return false;
  const sets = [chain.current, chain.pending].flatMap((each) => each?.members ?? []);
  const live = chain.mempool.filter(({ epoch }) => epoch === chain.current.epoch && !chain.pending);
  return (
    sets.some(({ blsKey }) => blsKey === key) ||
    live.some((transaction) => JSON.stringify(transaction).includes(`"${key}"`))
  );
}

/** The set that the oldest transaction makes; undefined when it is none of this epoch. */
export function execute(chain: ModelChain): ValidatorSet | undefined {
  const [transaction] = chain.mempool;
  const { current } = chain;
  if (transaction?.epoch !== current.epoch) return undefined;
  const { body } = transaction;
  const next = { ...current, epoch: current.epoch + 1 };
  switch (body.kind) {
    case "set-members": {
      const members = body.members.map(
        ({ id, power, region, keys }): SetMember => ({
          id,
          power,
          region,
          ...keys,
          managed: current.members.find((member) => member.id === id)?.managed ?? true,
        }),
      );
      return seated({ ...next, members, requiredRegions: body.requiredRegions });
    }
    case "rotate-seat":
      return seated({
        ...next,
        members: current.members.map((member) =>
          member.id === body.seat ? { ...member, blsKey: body.keys.blsKey, peerKey: body.keys.peerKey } : member,
        ),
      });
    case "admit-learner":
      return { ...next, learners: [...current.learners, { id: body.learner, peerKey: body.peerKey }] };
    case "dismiss-learner":
      return { ...next, learners: current.learners.filter(({ id }) => id !== body.learner) };
    case "set-parameters":
      return { ...next, parameters: { ...current.parameters, ...body.parameters } };
  }
}

/** Who became a member is a learner no more. */
function seated(set: ValidatorSet): ValidatorSet {
  return {
    ...set,
    learners: set.learners.filter(({ peerKey }) => set.members.every((member) => member.peerKey !== peerKey)),
  };
}
