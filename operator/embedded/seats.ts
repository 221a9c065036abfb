/** Which seats a swarm has, and what each is called. */
import { seatsOf, type ValidatorSwarm } from "../api/validator-swarm.ts";

/** A place in the validator set. */
export interface Seat {
  /** Unique in the swarm, e.g. `quickstart-eu-west-0`. */
  readonly name: string;
  /** The key pair's generation that holds the seat: its process and its volume are called so. */
  readonly identity: string;
  readonly region: string;
  readonly power: number;
  readonly zones: readonly string[];
}

/** Spreads the seats over the regions, and each region's weight over its seats, the first ones getting what is left. */
export function planSeats({ metadata, spec }: ValidatorSwarm): readonly Seat[] {
  return spec.regions.flatMap(({ name, weight, zones }, i) => {
    const count = seatsOf(i, spec.replicas, spec.regions.length);
    return Array.from({ length: count }, (_, n) => {
      const seat = `${metadata.name}-${name}-${n}`;
      const power = Math.floor(weight / count) + (n < weight % count ? 1 : 0);
      return { name: seat, identity: identityName(seat, 1), region: name, power, zones };
    });
  });
}

/** Pod and volume of an identity: the seat and the generation of its keys. */
function identityName(seat: string, generation: number): string {
  return `${seat}-g${generation}`;
}
