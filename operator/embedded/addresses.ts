/**
 * Where the processes of a swarm on one machine listen and dial. All have one address, so that ports are what tells
 * them apart, and peers do not dial each other: each dials its own link to the other (`links/`), which may be cut,
 * delayed and throttled.
 */
import type { PortBook } from "./port-book.ts";

/** Ports of 127.0.0.1. */
export interface PodPorts {
  readonly p2p: number;
  readonly rpc: number;
  readonly metrics: number;
}

export interface Addresses {
  /** Where a pod listens: the `containerPort`s of its spec, and what its configuration says. */
  readonly pod: (name: string) => PodPorts;
  /** Where `from` dials to reach the p2p port of `to`. */
  readonly link: (from: string, to: string) => number;
  /** Any other port of a pod's, by the port's name. */
  readonly other: (pod: string, port: string) => number;
  /** The pod will not come back: its ports may be given to others. */
  readonly forget: (pod: string) => void;
}

/** A view of the port book: the same addresses at every start. Throws `NoPortsLeft`. */
export function createAddresses(book: PortBook): Addresses {
  const other = (pod: string, port: string) => book.port(`${pod} ${port}`);
  return {
    other,
    pod: (name) => ({ p2p: other(name, "p2p"), rpc: other(name, "rpc"), metrics: other(name, "metrics") }),
    link: (from, to) => book.port(`link ${from} ${to}`),
    forget(pod) {
      for (const use of book.uses().keys()) if (use.split(" ").includes(pod)) book.release(use);
    },
  };
}
