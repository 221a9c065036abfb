/** A swarm under audit: whole validators in virtual time, some seats played by a scenario, every message heard. */
import { decodeGossip, type Gossip } from "../../codec/peer.ts";
import type { SeatIndex } from "../../consensus/types.ts";
import { seatIndex } from "../../consensus/types.ts";
import { createSwarm, type Swarm, type SwarmOptions } from "../../driver/testing/swarm.ts";
import { type Audit, createAudit } from "./audit.ts";
import { type Property, Violation } from "./violation.ts";

/** What happens to one message on one link: the bytes that go on, or undefined to lose it. */
export type Meddle = (from: SeatIndex, to: SeatIndex, message: Gossip, bytes: Uint8Array) => Uint8Array | undefined;

export interface Arena {
  readonly swarm: Swarm;
  readonly audit: Audit;
  /** Seats whose drivers run the shipped code. */
  readonly correct: readonly number[];
  /** Replaces what is done to messages on their way. */
  meddle(next: Meddle): void;
  /** Runs until the condition holds; a violation when something was broken or virtual time passed the limit. */
  until(condition: () => boolean, limitMs: number, property: Property, otherwise: string): Promise<void>;
  runFor(milliseconds: number): Promise<void>;
  /** Submits a message of `payments` at a correct member; its outcome comes while the world runs. */
  pay(id: string, at?: number): ReturnType<Swarm["submit"]>;
  /** Every correct member settled the first payment of each message, within the limit. */
  settled(ids: readonly string[], limitMs: number, property: Property): Promise<void>;
}

export interface ArenaOptions extends SwarmOptions {
  /** Seats that the scenario plays itself. */
  readonly faulty?: readonly number[];
}

export function createArena(options: ArenaOptions): Arena {
  const swarm = createSwarm(options);
  const audit = createAudit(swarm.genesisConfig);
  const seats = new Map(swarm.nodes.map(({ name }, seat) => [name, seatIndex(seat)]));
  const correct = swarm.nodes.map((_, seat) => seat).filter((seat) => !options.faulty?.includes(seat));
  let meddle: Meddle = (_from, _to, _message, bytes) => bytes;
  let newest: Uint8Array | undefined;

  swarm.network.tap((from, to, bytes) => {
    const [sender, receiver] = [seats.get(from), seats.get(to)];
    const decoded = decodeGossip(bytes);
    if (sender === undefined || receiver === undefined || decoded.kind !== "ok") return bytes;
    if (bytes !== newest) audit.heard(sender, correct.includes(sender), decoded.value);
    newest = bytes;
    return meddle(sender, receiver, decoded.value, bytes);
  });

  const seen = swarm.nodes.map(() => 0);
  function check(): void {
    for (const [member, { events, failures }] of swarm.nodes.entries()) {
      for (const event of events.slice(seen[member]))
        if (event.kind === "block-final") audit.final(member, event.height, event.block);
      seen[member] = events.length;
      const failure = failures[0];
      // The core throws when it meets what no F faulty members can make: here there are at most F.
      if (failure instanceof Error && failure.message.includes("more than F power is faulty"))
        throw new Violation("agreement", `member ${member}: ${failure.message}`);
      if (failure !== undefined) throw failure;
    }
    const first = audit.violations[0];
    if (first) throw first;
  }
  const broken = () => audit.violations.length > 0 || swarm.nodes.some(({ failures }) => failures.length > 0);

  const arena: Arena = {
    swarm,
    audit,
    correct,
    meddle(next) {
      meddle = next;
    },
    async until(condition, limitMs, property, otherwise) {
      const reached = await swarm.world.until(() => broken() || condition(), limitMs);
      check();
      if (!reached) throw new Violation(property, `not in ${limitMs} ms: ${otherwise}`);
    },
    async runFor(milliseconds) {
      await swarm.world.until(broken, milliseconds);
      check();
    },
    pay: (id, at = correct[0] ?? 0) => swarm.submit(at, swarm.message({ id, payments: 2 })),
    async settled(ids, limitMs, property) {
      const late = swarm.world.now() + limitMs;
      for (const member of correct)
        for (const id of ids) {
          let state = "";
          while (state !== "settled") {
            state = "";
            void swarm
              .driver(member)
              .services.payment(0, swarm.uetr(id, 0))
              .then(({ kind }) => {
                state = kind;
              });
            await arena.until(() => state !== "", 10_000, property, `member ${member} answers`);
            if (state === "settled") break;
            if (swarm.world.now() > late)
              throw new Violation(property, `message ${id} is ${state} on member ${member}`);
            await arena.runFor(50);
          }
        }
    },
  };
  return arena;
}
