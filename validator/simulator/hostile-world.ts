/**
 * One seed, one hostile world: the shipped driver, storage and ledger under crashes that lose the page cache, cuts,
 * loss, duplication and reorder, with one member that withholds or garbles what it says. Safety throughout, then the
 * world heals and has to settle something new on every member.
 */
import { decodeGossip, type Gossip } from "../codec/peer.ts";
import { createSwarm, type Swarm } from "../driver/testing/swarm.ts";

export type Verdict =
  | { readonly kind: "passed"; readonly blocks: number }
  | { readonly kind: "failed"; readonly reason: string };

/** What a faulty member does to a gossip message of its own; undefined swallows it. Named as they are reported. */
const strategies: Readonly<
  Record<string, (message: Gossip, bytes: Uint8Array, random: () => number) => Uint8Array | undefined>
> = {
  honest: (_, bytes) => bytes,
  "finalize-withholding": (message, bytes) =>
    message.kind === "vote" && message.vote.kind === "finalize" ? undefined : bytes,
  "nullify-only": (message, bytes) => (message.kind === "vote" && message.vote.kind === "nullify" ? bytes : undefined),
  "selective-sender": (_, bytes, random) => (random() < 0.5 ? undefined : bytes),
  garbling: (_, bytes, random) => bytes.map((byte) => (random() < 0.02 ? byte ^ 0xff : byte)),
};

const faultRounds = 14;
const healingMs = 120_000;

export async function runSeed(seed: number): Promise<Verdict> {
  const swarm = createSwarm({ seed });
  const { random } = swarm.world;
  const names = Object.keys(strategies);
  const strategy = names[Math.floor(random() * names.length)] ?? "honest";
  const faulty = Math.floor(random() * swarm.nodes.length);
  try {
    await swarm.startAll();
    swarm.network.tap((from, _to, bytes) => {
      if (from !== swarm.nodes[faulty]?.name) return bytes;
      const decoded = decodeGossip(bytes);
      return decoded.kind === "ok" ? strategies[strategy]?.(decoded.value, bytes, random) : bytes;
    });
    const acknowledged = await hostile(swarm, faulty);
    swarm.network.tap((_from, _to, bytes) => bytes);
    await healed(swarm, acknowledged);
    return {
      kind: "passed",
      blocks: Math.max(...swarm.nodes.map((_, i) => swarm.driver(i).services.status().settledHeight)),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "failed", reason: `member ${faulty} is ${strategy}: ${reason}` };
  }
}

/** Rounds of load and faults; at most one member is down or cut off beside the faulty one's mischief. Returns the ids that were acknowledged. */
async function hostile(swarm: Swarm, faulty: number): Promise<readonly string[]> {
  const { random } = swarm.world;
  const count = swarm.nodes.length;
  const submitted: { readonly id: string; readonly outcome: { result: { readonly kind: string } | undefined } }[] = [];
  let down: number | undefined;
  for (let round = 0; round < faultRounds; round++) {
    const up = swarm.nodes.map((_, i) => i).filter((i) => i !== down);
    const ingress = up[Math.floor(random() * up.length)] ?? 0;
    const id = `m${round}`;
    submitted.push({ id, outcome: swarm.submit(ingress, swarm.message({ id, payments: 3 })) });
    const roll = random();
    if (roll < 0.25 && down === undefined) {
      down = random() < 0.5 ? faulty : Math.floor(random() * count);
      swarm.crash(down);
    } else if (roll < 0.5 && down !== undefined) {
      await swarm.start(down);
      down = undefined;
    } else if (roll < 0.7) {
      const [a, b] = [swarm.nodes[Math.floor(random() * count)]?.name, swarm.nodes[Math.floor(random() * count)]?.name];
      if (a && b && a !== b)
        swarm.network.link(a, b, {
          up: random() < 0.5,
          loss: 0.3 * random(),
          duplicate: 0.3 * random(),
          delay: [1, 80 * random() + 1],
        });
    } else if (roll < 0.8) swarm.network.heal();
    await swarm.world.runFor(400 * random());
    checkAgreement(swarm);
  }
  if (down !== undefined) await swarm.start(down);
  return submitted.filter(({ outcome }) => outcome.result?.kind === "accepted").map(({ id }) => id);
}

/** Everything good again: what was acknowledged and something new settle on every member, with one root. */
async function healed(swarm: Swarm, acknowledged: readonly string[]): Promise<void> {
  swarm.network.heal();
  const last = swarm.submit(0, swarm.message({ id: "after", payments: 1 }));
  await swarm.until(() => last.result !== undefined, healingMs);
  const ids = last.result?.kind === "accepted" ? [...acknowledged, "after"] : acknowledged;
  for (const i of swarm.nodes.keys()) for (const id of ids) await settledOn(swarm, i, id);
  checkAgreement(swarm);
}

/** The first payment of the message is settled on the member before the healed world's time is over. */
async function settledOn(swarm: Swarm, member: number, id: string): Promise<void> {
  const late = swarm.world.now() + healingMs;
  for (;;) {
    let state: string | undefined;
    void swarm
      .driver(member)
      .services.payment(0, swarm.uetr(id, 0))
      .then((payment) => {
        state = payment.kind;
      });
    await swarm.until(() => state !== undefined, healingMs);
    if (state === "settled") return;
    if (swarm.world.now() > late) throw new Error(`message ${id} was acknowledged and is ${state} on member ${member}`);
    await swarm.world.runFor(200);
  }
}

/** No two members executed a height to different roots, and none was quarantined or died. */
function checkAgreement(swarm: Swarm): void {
  const roots = new Map<number, string>();
  for (const { driver, events, failures } of swarm.nodes) {
    if (failures.length > 0) throw failures[0];
    if (events.some((event) => event.kind === "quarantined")) throw new Error("a member was quarantined");
    if (!driver) continue;
    const { executedHeight, stateRoot } = driver.services.status();
    const known = roots.get(executedHeight);
    if (known !== undefined && known !== stateRoot) throw new Error(`roots differ after block ${executedHeight}`);
    roots.set(executedHeight, stateRoot);
  }
}
