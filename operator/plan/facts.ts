/** The snapshot sorted out: identities with their objects, seats with their holders, what is lost and since when. */
import { type Chain, freshReports, reachable, readChain } from "./chain.ts";
import type { Desired } from "./desired.ts";
import { type Layout, type SeatPlan, solve } from "./placement.ts";
import type {
  LossReason,
  Memory,
  Pod,
  PublicKeys,
  Report,
  SeatMemory,
  SetMember,
  Snapshot,
  Volume,
} from "./snapshot.ts";

export interface Identity {
  readonly name: string;
  readonly seat: string;
  readonly generation: number;
  readonly volume: Volume | undefined;
  readonly pod: Pod | undefined;
  /** Its pod's, not older than `reportFreshness`. */
  readonly report: Report | undefined;
  /** As recorded on the volume. */
  readonly keys: PublicKeys | undefined;
  readonly loss: Loss | undefined;
  /** A current or pending set names its key. */
  readonly inSet: boolean;
  /** It is, or a transaction that could still be executed may bring it there, or the permit is held for it: nothing of it is deleted. */
  readonly named: boolean;
}

export interface Loss {
  readonly why: LossReason;
  /** ms since the Unix epoch. */
  readonly since: number;
  /** It is given up: from then on a new generation may take its seat. */
  readonly due: boolean;
}

export interface Seat {
  readonly id: string;
  /** Undefined: the spec wants no such seat. */
  readonly plan: SeatPlan | undefined;
  /** Undefined: not in the current set. */
  readonly member: SetMember | undefined;
  /** The identity whose key the current set names; undefined when nothing of it is left. */
  readonly holder: Identity | undefined;
  readonly memory: SeatMemory | undefined;
  /** Ascending generations. */
  readonly identities: readonly Identity[];
  /** The identity on its way into the set, when there is one and it is good. */
  readonly candidate: Identity | undefined;
  /** Its holder is lost for good, and the spec wants the seat. */
  readonly orphaned: boolean;
  /** A new identity is wanted for it. */
  readonly wanting: boolean;
}

export interface Facts {
  readonly desired: Desired;
  readonly snapshot: Snapshot;
  readonly now: number;
  readonly memory: Memory;
  readonly layout: Layout;
  readonly chain: Chain | undefined;
  readonly identities: readonly Identity[];
  readonly seats: readonly Seat[];
}

export const emptyMemory: Memory = { seats: [], lost: [], epoch: 0, declinedDrains: [], refused: undefined };

export function gather(desired: Desired, snapshot: Snapshot, now: number): Facts {
  const memory = snapshot.memory ?? emptyMemory;
  const layout = solve(desired, snapshot.nodes);
  const chain = readChain(desired, snapshot, now);
  const identities = collectIdentities(desired, snapshot, memory, chain, now);
  const plans = layout.kind === "placed" ? layout.seats : [];
  const members = [chain?.current, chain?.pending].flatMap(
    (set) => set?.members.filter(({ managed }) => managed) ?? [],
  );
  const ids = new Set([...plans, ...members].map(({ id }) => id).concat(identities.map(({ seat }) => seat)));
  const seats = [...ids].toSorted(byName).map((id) => describeSeat(id, plans, chain, identities, memory));
  return { desired, snapshot, now, memory, layout, chain, identities, seats: onePerTime(seats) };
}

export const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function collectIdentities(
  desired: Desired,
  snapshot: Snapshot,
  memory: Memory,
  chain: Chain | undefined,
  now: number,
): readonly Identity[] {
  const labels = new Map([...snapshot.pods, ...snapshot.volumes].map((object) => [object.name, object]));
  const fresh = freshReports(snapshot, now);
  const recorded = new Map(snapshot.volumes.flatMap(({ keys, name }) => (keys ? [[keys.blsKey, name] as const] : [])));
  const held = new Set([
    ...(snapshot.permit?.identities ?? []),
    ...(memory.refused?.epoch === chain?.epoch ? (memory.refused?.identities ?? []) : []),
  ]);
  return [...labels.values()]
    .map(({ name, seat, generation }): Identity => {
      const volume = snapshot.volumes.find((each) => each.name === name);
      const pod = snapshot.pods.find((each) => each.name === name);
      const report = pod && fresh.find((each) => each.podUid === pod.uid);
      const keys = volume ? volume.keys : keysOf(report);
      const why =
        lossOf(volume, pod, report, snapshot, recorded) ??
        lastingLoss(name, report, memory) ??
        (desired.replaced.includes(name) ? "replaced" : undefined);
      const member = chain?.current.members.find(({ blsKey }) => blsKey === keys?.blsKey);
      const inSet = keys !== undefined && chain?.named.has(keys.blsKey) === true;
      const votes = member !== undefined && chain?.voting.get(member.id) === "yes";
      return {
        name,
        seat,
        generation,
        volume,
        pod,
        report,
        keys,
        loss: why && countdown(name, why, votes, desired, memory, now, snapshot, pod),
        inSet,
        named: inSet || held.has(name),
      };
    })
    .toSorted((a, b) => byName(a.seat, b.seat) || a.generation - b.generation);
}

export const keysOf = (report: Report | undefined): PublicKeys | undefined =>
  report?.keys.kind === "verified" ? report.keys.value : undefined;

function lossOf(
  volume: Volume | undefined,
  pod: Pod | undefined,
  report: Report | undefined,
  snapshot: Snapshot,
  recorded: ReadonlyMap<string, string>,
): LossReason | undefined {
  // A volume that is being deleted goes with its pod: the identity is as good as gone.
  if (!volume || volume.state === "lost" || volume.deleting) return "volume-gone";
  const said = keysOf(report);
  const holder = said && (recorded.get(said.blsKey) ?? volume.name);
  if (said && (holder !== volume.name || (volume.keys && volume.keys.blsKey !== said.blsKey))) return "keys-differ";
  if (report?.role === "retired") return "retired";
  if (report?.role === "quarantined") return "quarantined";
  const stranded =
    pod?.node === undefined && volume.node !== undefined && snapshot.nodes !== undefined
      ? snapshot.nodes.find(({ name }) => name === volume.node)?.reachable !== true
      : pod?.state === "running" && !reachable(pod, snapshot);
  return stranded ? "node-unreachable" : undefined;
}

/** What it said before its pod ended: it cannot take it back, or only by saying something else. */
function lastingLoss(name: string, report: Report | undefined, { lost }: Memory): LossReason | undefined {
  const why = lost.find(({ identity }) => identity === name)?.why;
  return why === "retired" || why === "keys-differ" || (why === "quarantined" && !report) ? why : undefined;
}

/** What may come back is waited for; what cannot is lost at once. */
function countdown(
  name: string,
  why: LossReason,
  votes: boolean,
  { identityTimeout }: Desired,
  memory: Memory,
  now: number,
  { nodes }: Snapshot,
  pod: Pod | undefined,
): Loss | undefined {
  // The countdown runs on when it is missed for another reason.
  const remembered = memory.lost.find((each) => each.identity === name);
  if (why === "volume-gone" || why === "keys-differ" || why === "retired" || why === "replaced")
    return { why, since: remembered?.since ?? now, due: true };
  // Cut off from us, heard by its peers: it is not lost.
  if (why === "node-unreachable" && votes) return undefined;
  const since = remembered?.since ?? nodes?.find((node) => node.name === pod?.node)?.unreachableSince ?? now;
  return { why, since, due: remembered !== undefined && now - since >= identityTimeout };
}

function describeSeat(
  id: string,
  plans: readonly SeatPlan[],
  chain: Chain | undefined,
  all: readonly Identity[],
  memory: Memory,
): Seat {
  const identities = all.filter(({ seat }) => seat === id);
  const plan = plans.find((each) => each.id === id);
  const member = chain?.current.members.find((each) => each.id === id && each.managed);
  const next = chain?.pending ?? chain?.current;
  const nextKey = next?.members.find((each) => each.id === id)?.blsKey;
  const holder = identities.find(({ keys }) => keys !== undefined && keys.blsKey === member?.blsKey);
  const settled = identities.find(({ keys }) => keys !== undefined && keys.blsKey === nextKey);
  const orphaned = plan !== undefined && nextKey !== undefined && (settled === undefined || settled.loss?.due === true);
  const wanting = plan !== undefined && (nextKey === undefined || orphaned);
  const latest = identities.at(-1);
  const good = latest !== undefined && latest !== holder && latest !== settled && latest.loss?.due !== true;
  return {
    id,
    plan,
    member,
    holder,
    memory: memory.seats.find(({ seat }) => seat === id),
    identities,
    candidate: wanting && good ? latest : undefined,
    orphaned,
    wanting,
  };
}

/**
 * Lost identities are replaced one at a time: whoever has a successor already, else the first by name. Who votes still
 * and is to be replaced comes last, for its power may not be affordable before the others are back.
 */
function onePerTime(seats: readonly Seat[]): readonly Seat[] {
  const orphans = seats.filter(({ orphaned }) => orphaned);
  const lost = orphans.filter(({ holder }) => holder?.loss?.why !== "replaced");
  const open = lost.length > 0 ? lost : orphans;
  const first = open.find(({ candidate }) => candidate) ?? open[0];
  return seats.map((seat) => (seat.orphaned && seat !== first && !seat.candidate ? { ...seat, wanting: false } : seat));
}
