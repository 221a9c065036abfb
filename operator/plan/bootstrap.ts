/** From nothing to a chain: services, one volume and one pod per identity, keys recorded, genesis from them. */
import { act, type Decision, wait } from "./decisions.ts";
import { identityName } from "./desired.ts";
import { type Facts, type Identity, keysOf, type Seat } from "./facts.ts";
import type { SetMember, ValidatorSet } from "./snapshot.ts";
import type { MemberChange } from "./transactions.ts";

export const servicesOf = (swarm: string) => [
  { service: `${swarm}-peers`, role: "peers" as const },
  { service: swarm, role: "clients" as const },
];

export function planServices({ desired, snapshot }: Facts): readonly Decision[] {
  return servicesOf(desired.name)
    .filter(({ service }) => !snapshot.services.includes(service))
    .map(({ service, role }) =>
      act("Bootstrap", {
        kind: "create-service",
        service,
        role,
        reason: "ServiceMissing",
        message:
          role === "peers" ? "Members find each other through it." : "Gateways and tools reach a validator through it.",
      }),
    );
}

/**
 * New identities for the seats that want one. A generation is written into the status before anything is created under
 * it, and `made` before a pod runs on its volume: so no name ever stands for two keys, whatever crashes in between.
 */
export function planIdentities(facts: Facts): readonly Decision[] {
  return facts.seats.flatMap((seat) => nextGeneration(seat));
}

function nextGeneration(seat: Seat): readonly Decision[] {
  const { id, memory, identities, plan } = seat;
  const latest = identities.at(-1);
  const known = memory?.generation ?? 0;
  const remember = (generation: number, made: boolean, message: string): readonly Decision[] => [
    { kind: "remember", topic: "Bootstrap", seat: { seat: id, generation, made }, message },
  ];
  if (latest && (known < latest.generation || (known === latest.generation && !memory?.made)))
    return remember(latest.generation, true, `${latest.name} exists.`);
  if (!seat.wanting || seat.candidate || !plan) return [];
  if (!memory) return remember(1, false, `Seat ${id} gets its first identity.`);
  const name = identityName(id, known);
  if (!memory.made)
    return [
      act(seat.orphaned ? "Repair" : "Bootstrap", {
        kind: "create-volume",
        identity: name,
        seat: id,
        generation: known,
        place: plan.place,
        reason: seat.orphaned ? "IdentityLost" : "SeatWanted",
        message: seat.orphaned
          ? `${lossSentence(seat)} ${name} is to take the seat over.`
          : `Seat ${id} of ${plan.region} is wanted.`,
      }),
    ];
  return remember(known + 1, false, `${name} is used up; seat ${id} gets generation ${known + 1}.`);
}

export function lossSentence({ id, holder }: Seat): string {
  if (!holder) return `Nothing is left of the identity that holds seat ${id}.`;
  switch (holder.loss?.why) {
    case "volume-gone":
      return `${holder.name} lost its volume, and with it its key.`;
    case "keys-differ":
      return `The volume of ${holder.name} holds another key than the one it was made with.`;
    case "retired":
      return `${holder.name} says that its record is missing or older than its boot marker: it never signs again.`;
    case "quarantined":
      return `${holder.name} quarantined itself: its state differs from the certified one.`;
    case "node-unreachable":
      return `${holder.name} runs, if it does, on a node that does not answer.`;
    case "replaced":
      return `${holder.name} is to be replaced, as a person asked.`;
    case undefined:
      return `${holder.name} is replaced.`;
  }
}

/** The keys that a validator created in its volume, recorded at first sight. */
export function planKeys({ identities, snapshot }: Facts): readonly Decision[] {
  const taken = new Set(snapshot.volumes.map(({ keys }) => keys?.blsKey));
  return identities.flatMap(({ name, volume, report, loss }) => {
    const keys = keysOf(report);
    if (!keys || !volume || volume.keys || loss || taken.has(keys.blsKey)) return [];
    taken.add(keys.blsKey);
    return [
      act("Bootstrap", {
        kind: "record-keys",
        identity: name,
        uid: volume.uid,
        keys,
        reason: "KeysReported",
        message: `${name} reported its public keys with a proof of possession.`,
      }),
    ];
  });
}

export function planGenesis(facts: Facts): readonly Decision[] {
  const { layout, seats, snapshot, desired } = facts;
  if (snapshot.genesis) return provideGenesis(facts);
  if (layout.kind === "refused") return [];
  const ready = layout.seats.map((plan) => ({ plan, identity: seats.find(({ id }) => id === plan.id)?.candidate }));
  const missing = ready.filter(({ identity }) => !identity?.keys);
  if (missing.length > 0) {
    const names = missing.map(({ plan, identity }) => identity?.name ?? plan.id).join(", ");
    return [
      wait(
        "Bootstrap",
        "KeysMissing",
        `Genesis waits for the public keys of ${names}: see why their pods do not answer.`,
      ),
    ];
  }
  const own = ready.flatMap(({ plan, identity }): MemberChange[] =>
    identity?.keys
      ? [
          {
            id: plan.id,
            power: plan.power,
            region: plan.region,
            zones: plan.zones,
            keys: { blsKey: identity.keys.blsKey, peerKey: identity.keys.peerKey },
            proofOfPossession: identity.keys.proofOfPossession,
          },
        ]
      : [],
  );
  const others = desired.members.map(
    ({ blsKey, peerKey, ...member }): MemberChange => ({ ...member, keys: { blsKey, peerKey } }),
  );
  const members = [...own, ...others];
  const set: ValidatorSet = {
    epoch: 0,
    members: members.map(
      ({ id, power, region, keys }, i): SetMember => ({ id, power, region, ...keys, managed: i < own.length }),
    ),
    learners: [],
    parameters: desired.parameters,
    requiredRegions: desired.requiredRegions,
    degradedRegions: [],
  };
  return [
    act("Bootstrap", {
      kind: "write-genesis",
      members,
      set,
      reason: "KeysComplete",
      message: `${own.length} seats reported their keys, ${others.length} members run elsewhere: the chain can start.`,
    }),
  ];
}

function provideGenesis({ identities }: Facts): readonly Decision[] {
  return identities.filter(waitsForGenesis).map(({ name, pod }) =>
    act("Bootstrap", {
      kind: "provide-genesis",
      identity: name,
      podUid: pod?.uid ?? "",
      reason: "GenesisWanted",
      message: `${name} waits for its chain.`,
    }),
  );
}

const waitsForGenesis = ({ report, keys, pod }: Identity) =>
  report?.role === "waiting" && keys !== undefined && pod !== undefined && !pod.deleting;
