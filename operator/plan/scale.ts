/** Scale, weights and required regions: the next set on the way to the layout, in steps of at most F power. */
import type { Chain } from "./chain.ts";
import { type Decision, wait } from "./decisions.ts";
import { splitPower } from "./desired.ts";
import type { Facts, Identity, Seat } from "./facts.ts";
import { admit, caughtUp, chainBusy, membershipClaim } from "./membership.ts";
import { faultPower, lapse } from "./placement.ts";
import type { SetMember } from "./snapshot.ts";
import type { MemberChange } from "./transactions.ts";

/** Scale, weights, required regions: the next set on the way to the layout, or why it waits. */
export function planScale(facts: Facts): readonly Decision[] {
  const { chain, desired, seats, layout } = facts;
  if (!chain || layout.kind === "refused") return [];
  const joining = seats.flatMap((seat) =>
    seat.candidate && !seat.orphaned ? [{ seat, identity: seat.candidate }] : [],
  );
  const busy = chainBusy(facts, chain);
  const hurdles = joining.map(({ identity }) => ({
    identity,
    hurdle: admit(facts, chain, identity) ?? caughtUp(chain, identity),
  }));
  const ready = new Map(hurdles.filter(({ hurdle }) => !hurdle).map(({ identity }) => [identity.seat, identity]));
  const goal = goalOf(facts, chain, ready);
  const changes = differing(chain.current.members, goal);
  const regions = requiredNow(desired.requiredRegions, goal);
  const rules = sameRecord(regions, chain.current.requiredRegions);
  if (changes.length === 0 && joining.length === 0 && rules) return [];
  if (busy) return [busy];
  // Admissions first: they move no power, and the learners catch up while other steps are taken.
  const admissions = hurdles.flatMap(({ hurdle }) => (hurdle?.kind === "claim" ? [hurdle] : []));
  if (admissions.length > 0) return admissions.slice(0, 1);
  const waits = hurdles.flatMap(({ hurdle }) => (hurdle ? [hurdle] : []));
  if (changes.length === 0 && rules) return waits;
  return [...waits, nextStep(facts, chain, goal, ready)];
}

/** The powers wanted, with the seats that could take part now. External members stay as the chain has them. */
function goalOf(
  { desired, layout, seats }: Facts,
  chain: Chain,
  ready: ReadonlyMap<string, Identity>,
): readonly SetMember[] {
  const { members } = chain.current;
  const own = new Map(members.filter(({ managed }) => managed).map((member) => [member.id, member]));
  const planned = layout.kind === "placed" ? layout.seats : [];
  const goal = new Map<string, SetMember>();
  const stay: SetMember[] = [];
  for (const region of new Set([...planned, ...own.values()].map((each) => each.region))) {
    const able = planned.filter((plan) => plan.region === region && (own.has(plan.id) || ready.has(plan.id)));
    const wanted = planned.some((plan) => plan.region === region);
    // A region whose seats are all still to come keeps what it has.
    if (wanted && able.length === 0)
      stay.push(...members.filter((member) => member.managed && member.region === region));
    const weight = desired.regions.find(({ name }) => name === region)?.weight ?? 0;
    const shares = splitPower(weight, Math.max(1, able.length));
    for (const [i, plan] of able.entries()) {
      const keys = own.get(plan.id) ?? ready.get(plan.id)?.keys;
      if (keys && seats.some(({ id }) => id === plan.id))
        goal.set(plan.id, {
          id: plan.id,
          power: shares[i] ?? 0,
          region,
          blsKey: keys.blsKey,
          peerKey: keys.peerKey,
          managed: true,
        });
    }
  }
  for (const member of stay) goal.set(member.id, member);
  return [...goal.values(), ...members.filter(({ managed }) => !managed)];
}

interface Change {
  readonly id: string;
  readonly region: string;
  readonly from: number;
  readonly to: number;
}

function differing(from: readonly SetMember[], to: readonly SetMember[]): readonly Change[] {
  const all = new Map([...from, ...to].map((member) => [member.id, member]));
  return [...all.values()]
    .map(({ id, region }) => ({ id, region, from: powerIn(from, id), to: powerIn(to, id) }))
    .filter((change) => change.from !== change.to);
}
const powerIn = (members: readonly SetMember[], id: string) => members.find((member) => member.id === id)?.power ?? 0;

/** Power that changes hands: the larger of what comes and what goes. */
export function movedPower(from: readonly SetMember[], to: readonly SetMember[]): number {
  const gain = (a: readonly SetMember[], b: readonly SetMember[]) =>
    b.reduce((sum, member) => sum + Math.max(0, member.power - keyPower(a, member.blsKey)), 0);
  return Math.max(gain(from, to), gain(to, from));
}
const keyPower = (members: readonly SetMember[], key: string) =>
  members.find(({ blsKey }) => blsKey === key)?.power ?? 0;

/** The largest acceptable step of the first region that has one. */
function nextStep(
  facts: Facts,
  chain: Chain,
  goal: readonly SetMember[],
  ready: ReadonlyMap<string, Identity>,
): Decision {
  const { desired } = facts;
  const { members } = chain.current;
  const changes = differing(members, goal);
  const regions = [...new Set(changes.map(({ region }) => region))].sort();
  if (regions.length === 0) return setMembers(facts, chain, members, [], ready);
  const obstacles: string[] = [];
  for (const region of regions) {
    const own = changes.filter((change) => change.region === region);
    for (let amount = chain.fault; amount >= 1; amount = Math.floor(amount / 2)) {
      const next = shift(members, goal, own, amount);
      const obstacle = refusalOf(facts, chain, next);
      if (obstacle === undefined) return setMembers(facts, chain, next, own, ready);
      if (amount === chain.fault) obstacles.push(obstacle);
    }
  }
  const first =
    obstacles[0] ?? `F = ${chain.fault}: no power can change hands. Add members that hold less than a third of it each`;
  const at =
    desired.regions.length === 1 ? "" : ` Raise several regions' weights in smaller steps, or relax placement.`;
  return wait("Membership", "GuaranteeWouldLapse", `The next step waits: ${first}.${at}`);
}

/** Moves at most `amount` down and at most `amount` up among the changes, in their order. */
function shift(
  members: readonly SetMember[],
  goal: readonly SetMember[],
  changes: readonly Change[],
  amount: number,
): readonly SetMember[] {
  let [down, up] = [amount, amount];
  const powers = new Map<string, number>();
  for (const { id, from, to } of changes) {
    const lost = Math.min(down, Math.max(0, from - to));
    const won = Math.min(up, Math.max(0, to - from));
    down -= lost;
    up -= won;
    powers.set(id, from - lost + won);
  }
  const newcomers = goal.filter(({ id }) => powers.has(id) && !members.some((member) => member.id === id));
  return [...members, ...newcomers]
    .map((member) => ({ ...member, power: powers.get(member.id) ?? member.power }))
    .filter(({ power }) => power > 0);
}

function refusalOf({ desired }: Facts, chain: Chain, next: readonly SetMember[]): string | undefined {
  const { members } = chain.current;
  const least = Math.min(chain.fault, faultPower(next, desired.faultModel));
  const moved = movedPower(members, next);
  if (moved > least) return `it would move ${moved} power, above F = ${least}`;
  return lapse(members, next, desired);
}

function setMembers(
  { desired, seats }: Facts,
  chain: Chain,
  next: readonly SetMember[],
  changes: readonly Change[],
  ready: ReadonlyMap<string, Identity>,
): Decision {
  const { members } = chain.current;
  const moved = differing(members, next);
  const text = moved.map(({ id, from, to }) => `${id} ${from} to ${to}`).join(", ");
  const zones = new Map(seats.map(({ id, plan }) => [id, plan?.zones ?? []]));
  const identities = moved.flatMap(({ id }) => {
    const seat: Seat | undefined = seats.find((each) => each.id === id);
    return [ready.get(id)?.name, seat?.holder?.name].filter((name) => name !== undefined);
  });
  return membershipClaim({
    topic: "Membership",
    epoch: chain.epoch,
    what: text === "" ? "required regions" : text,
    seats: moved.map(({ id }) => id),
    identities,
    power: movedPower(members, next),
    body: {
      kind: "set-members",
      members: next.map(
        (member): MemberChange => ({
          id: member.id,
          power: member.power,
          region: member.region,
          zones: zones.get(member.id) ?? desired.members.find(({ id }) => id === member.id)?.zones ?? [],
          keys: { blsKey: member.blsKey, peerKey: member.peerKey },
          proofOfPossession: members.some(({ blsKey }) => blsKey === member.blsKey)
            ? undefined
            : ready.get(member.id)?.keys?.proofOfPossession,
        }),
      ),
      requiredRegions: requiredNow(desired.requiredRegions, next),
    },
    reason: changes.length === 0 ? "CoverageChanged" : "SeatsChanged",
    message: text === "" ? "Settlement is to wait for other regions." : `Power in the next set: ${text}.`,
  });
}

/** Required regions that the members can serve: the others become required once their seats are there. */
function requiredNow(
  required: Readonly<Record<string, number>>,
  members: readonly SetMember[],
): Record<string, number> {
  const held = (region: string) => members.reduce((sum, each) => (each.region === region ? sum + each.power : sum), 0);
  return Object.fromEntries(
    Object.entries(required)
      .filter(([region, least]) => held(region) >= least)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function sameRecord(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
