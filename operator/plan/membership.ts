/** What is asked of the chain: learners admitted and dismissed, parameters; always as one transaction under the permit. */
import type { Chain } from "./chain.ts";
import { type Decision, type Topic, wait } from "./decisions.ts";
import type { Facts, Identity } from "./facts.ts";
import type { SetMember } from "./snapshot.ts";
import { timeText } from "./time.ts";
import type { TransactionBody } from "./transactions.ts";

/** A learner this many blocks behind the newest proven height has caught up. */
export const maxLearnerLag = 64;
/** What the chain refused is asked again after this long, or at once when the spec changed, ms. */
const refusalPause = 600_000;

interface MembershipWish {
  readonly topic: Topic;
  readonly purpose?: "membership" | "parameters";
  readonly epoch: number;
  readonly what: string;
  readonly seats: readonly string[];
  readonly identities: readonly string[];
  readonly power: number;
  readonly body: TransactionBody;
  readonly reason: string;
  readonly message: string;
}

/** A transaction under the permit. The permit holds it, so that every operator submits the same one. */
export function membershipClaim(wish: MembershipWish): Decision {
  const { topic, epoch, what, seats, identities, power, body, reason, message } = wish;
  const id = `${epoch} ${body.kind} ${what}`;
  return {
    kind: "claim",
    topic,
    reason,
    message,
    claim: {
      id,
      purpose: wish.purpose ?? "membership",
      seats,
      identities,
      power,
      podUid: "",
      transaction: { id, epoch, body },
    },
    steps: () => [],
  };
}

/** Why nothing can be asked of the chain now. */
export function chainBusy({ memory, snapshot, now }: Facts, chain: Chain): Decision | undefined {
  if (chain.pending)
    return wait(
      "Membership",
      "EpochClosing",
      `The set of epoch ${chain.epoch + 1} is decided; it starts with the next epoch.`,
    );
  const { refused } = memory;
  const again = !refused || refused.generation !== snapshot.swarm.generation || now - refused.at >= refusalPause;
  return again
    ? undefined
    : wait(
        "Membership",
        "ChainRefused",
        `The chain refused "${refused.id}": ${refused.reason}. It is asked again at ${timeText(refused.at + refusalPause)}, or when the spec changes.`,
      );
}

const isAdmitted = ({ current, pending }: Chain, peerKey: string) =>
  (pending ?? current).learners.some((learner) => learner.peerKey === peerKey);

/** The claim or the wait that stands between an identity and following the chain; undefined when it may. */
export function admit({ seats }: Facts, chain: Chain, { name, seat, keys }: Identity): Decision | undefined {
  if (!keys)
    return wait(
      "Membership",
      "KeysMissing",
      `${name} has not reported its public keys yet: see why its pod does not answer.`,
    );
  if (isAdmitted(chain, keys.peerKey)) return undefined;
  const region = seats.find(({ id }) => id === seat)?.plan?.region ?? "";
  return membershipClaim({
    topic: "Membership",
    epoch: chain.epoch,
    what: name,
    seats: [],
    identities: [name],
    power: 0,
    body: { kind: "admit-learner", seat, learner: name, peerKey: keys.peerKey },
    reason: "LearnerWaits",
    message: `${name} is to follow the chain in ${region}, without a vote.`,
  });
}

export function caughtUp(chain: Chain, { name, report }: Identity): Decision | undefined {
  const height =
    report?.height.kind === "verified" && Number.isSafeInteger(report.height.value) ? report.height.value : -1;
  if (report?.role === "learner" && height >= chain.height - maxLearnerLag) return undefined;
  const seen = height < 0 ? "has shown no certified height yet" : `is at height ${height} of ${chain.height}`;
  return wait("Membership", "CatchingUp", `${name} ${seen}; it is seated when it is at most ${maxLearnerLag} behind.`);
}

/** Learners of ours on chain that are on their way nowhere. */
export function planDismissals(facts: Facts): readonly Decision[] {
  const { chain, desired, seats, identities } = facts;
  if (!chain || chainBusy(facts, chain)) return [];
  const kept = new Set(seats.flatMap(({ candidate }) => (candidate ? [candidate.name] : [])));
  const held = new Set(identities.filter(({ named }) => named).map(({ name }) => name));
  return chain.current.learners
    .filter(({ id }) => isOurs(desired.name, id) && !kept.has(id) && !held.has(id))
    .slice(0, 1)
    .map(({ id }) =>
      membershipClaim({
        topic: "Membership",
        epoch: chain.epoch,
        what: id,
        seats: [],
        identities: [],
        power: 0,
        body: { kind: "dismiss-learner", learner: id },
        reason: "LearnerUnwanted",
        message: `${id} is no longer wanted as a learner.`,
      }),
    );
}

const isOurs = (swarm: string, learner: string) => learner.startsWith(`${swarm}-`) && /-g\d+$/.test(learner);

/** Members run elsewhere are counted, never managed: where spec and chain differ, their institutions have to agree. */
export function planOthers({ chain, desired }: Facts): readonly Decision[] {
  if (!chain) return [];
  const shape = ({ id, power, region, blsKey }: Pick<SetMember, "id" | "power" | "region" | "blsKey">) =>
    `${id} ${power} ${region} ${blsKey}`;
  const others = new Set(chain.current.members.filter(({ managed }) => !managed).map(shape));
  const wanted = new Set(desired.members.map(shape));
  const name = (text: string) => text.split(" ")[0] ?? "";
  const differ = [...wanted]
    .filter((each) => !others.has(each))
    .concat([...others].filter((each) => !wanted.has(each)));
  const ids = [...new Set(differ.map(name))];
  if (ids.length === 0) return [];
  return [
    wait(
      "Membership",
      "GovernanceNeeded",
      `spec.members and the chain differ on ${ids.join(", ")}. The operator never changes other institutions' seats: have the governance set sign it, or correct spec.members.`,
    ),
  ];
}

/** Governed parameters the chain has otherwise than the spec. */
export function planParameters(facts: Facts): readonly Decision[] {
  const { chain, desired } = facts;
  if (!chain) return [];
  const changed = Object.fromEntries(
    Object.entries(desired.parameters).filter(([name, value]) => chain.current.parameters[name] !== value),
  );
  const names = Object.keys(changed).sort();
  if (names.length === 0) return [];
  const busy = chainBusy(facts, chain);
  if (busy) return [busy];
  return [
    membershipClaim({
      topic: "Membership",
      purpose: "parameters",
      epoch: chain.epoch,
      what: names.map((name) => `${name} ${changed[name]}`).join(", "),
      seats: [],
      identities: [],
      power: 0,
      body: { kind: "set-parameters", parameters: changed },
      reason: "ParametersChanged",
      message: `Governed parameters differ from the spec: ${names.join(", ")}.`,
    }),
  ];
}
