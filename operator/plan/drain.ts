/** Budgets of voting pods, and cordoned nodes as requests: a permit for the seat's power, then that one budget opens. */
import type { Chain } from "./chain.ts";
import { act, type Decision, wait } from "./decisions.ts";
import type { Facts, Seat } from "./facts.ts";
import type { Node, Snapshot } from "./snapshot.ts";

/** How long a budget stays open for an eviction that does not come, ms. */
export const drainWindow = 600_000;

/** One budget per voting identity; open only while the permit says so. */
export function planBudgets(facts: Facts): readonly Decision[] {
  const { chain, snapshot, identities } = facts;
  if (!chain) return [];
  return identities.flatMap(({ name, seat, keys }): readonly Decision[] => {
    if (!keys || !chain.named.has(keys.blsKey)) return [];
    const budget = snapshot.budgets.find((each) => each.name === name);
    if (!budget)
      return [
        act("Drain", {
          kind: "create-budget",
          identity: name,
          seat,
          reason: "BudgetMissing",
          message: `${name} votes: an eviction has to ask.`,
        }),
      ];
    if (!budget.open || drainOf(facts, name)) return [];
    return [
      act("Drain", {
        kind: "close-budget",
        identity: name,
        version: budget.version,
        reason: "DrainOver",
        message: `Nothing is to be evicted at ${name} any more.`,
      }),
    ];
  });
}

/** The cordoned node that the permit lets this identity's pod leave. */
function drainOf({ snapshot, memory, now }: Facts, name: string): Node | undefined {
  const { permit } = snapshot;
  const pod = snapshot.pods.find((each) => each.name === name);
  if (permit?.purpose !== "drain" || !permit.identities.includes(name) || pod?.uid !== permit.podUid) return undefined;
  return now - permit.takenAt < drainWindow ? cordonedNode(snapshot, memory.declinedDrains, pod.node) : undefined;
}

function cordonedNode({ nodes }: Snapshot, declined: readonly string[], name: string | undefined): Node | undefined {
  return nodes?.find((node) => node.name === name && node.cordoned && node.reachable && !declined.includes(node.name));
}

export function planDrains(facts: Facts): readonly Decision[] {
  const { chain, seats } = facts;
  return chain ? seats.flatMap((seat) => drainSeat(facts, chain, seat)) : [];
}

function drainSeat({ snapshot, memory, now }: Facts, chain: Chain, seat: Seat): readonly Decision[] {
  const { member, holder } = seat;
  const pod = holder?.pod;
  const node = cordonedNode(snapshot, memory.declinedDrains, pod?.node);
  if (!member || !holder || !pod || pod.deleting || pod.state !== "running" || !node) return [];
  const { permit } = snapshot;
  if (permit?.podUid === pod.uid && permit.purpose === "drain" && now - permit.takenAt >= drainWindow) return [];
  const room = snapshot.nodes?.some((each) => each.region === node.region && each.reachable && !each.cordoned);
  if (!room)
    return [
      wait(
        "Drain",
        "NoRoom",
        `Node ${node.name} is cordoned, and no other node of ${node.region ?? "its region"} could take ${holder.name}. Add one, or uncordon it.`,
      ),
    ];
  const message = `Node ${node.name} is cordoned: ${holder.name} may be evicted from it.`;
  const budget = snapshot.budgets.find(({ name }) => name === holder.name);
  return [
    {
      kind: "claim",
      topic: "Drain",
      reason: "NodeCordoned",
      message,
      claim: {
        id: `drain ${holder.name} ${pod.uid}`,
        purpose: "drain",
        seats: [seat.id],
        identities: [holder.name],
        power: chain.voting.get(member.id) === "no" ? 0 : member.power,
        podUid: pod.uid,
        transaction: undefined,
      },
      steps: () =>
        budget && !budget.open
          ? [{ kind: "open-budget", identity: holder.name, version: budget.version, reason: "NodeCordoned", message }]
          : [],
    },
  ];
}

/** Cordoned nodes whose turn came and that nobody drained: asked again after they were uncordoned. */
export function declinedDrains({ snapshot, memory, now }: Facts): readonly string[] {
  const { permit, nodes, pods } = snapshot;
  const pod = pods.find(({ uid }) => uid === permit?.podUid);
  const over = permit?.purpose === "drain" && now - permit.takenAt >= drainWindow && pod && !pod.deleting;
  const declined = over && pod.node !== undefined ? [...memory.declinedDrains, pod.node] : memory.declinedDrains;
  return [...new Set(declined)].filter((name) => nodes?.some((node) => node.name === name && node.cordoned)).sort();
}
