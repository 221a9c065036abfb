/** What differs between a cluster and one machine: where processes listen, dial and keep their files. */

/** TCP ports of one validator. */
export interface ValidatorPorts {
  readonly p2p: number;
  readonly rpc: number;
  readonly metrics: number;
}

/** A member that others may have to dial. */
export interface PeerTarget {
  /** The identity's name. */
  readonly identity: string;
  readonly swarm: string;
  readonly namespace: string;
}

/** The world in which the swarm's pods run. */
export interface World {
  /** Image of validators and gateways when the spec names none. */
  readonly image: string;
  /** Where processes listen: every address in a pod's network, the loopback on one machine. */
  readonly bindAddress: string;
  /** `p2p`: the port between members that the spec asks for; one machine has ports of its own. */
  readonly portsOf: (identity: string, p2p: number) => ValidatorPorts;
  /** TCP multiaddress at which one identity dials another; `p2p` as above. */
  readonly peerAddress: (from: string, to: PeerTarget, p2p: number) => string;
  /** URL of a validator's services for gateways; what the operator itself dials comes from the pod's status. */
  readonly rpcUrl: (target: PeerTarget) => string;
  /** Ports of a gateway: the spec's where it names one. */
  readonly gatewayPorts: (
    swarm: string,
    asked: number | undefined,
  ) => { readonly clients: number; readonly metrics: number };
  /**
   * Secret of type kubernetes.io/tls, with `ca.crt`, that a swarm's pods show and check each other's callers against;
   * undefined: plain, on the loopback address alone.
   */
  readonly tlsSecret: (swarm: string) => string | undefined;
  /** Callers without a certificate name their institution in a header: on one machine alone. */
  readonly trustsCallers: boolean;
}
