/** The world of a Kubernetes cluster: every pod has an address of its own, and names come from the headless service. */
import { peersService, tlsSecret } from "../objects/names.ts";
import type { PeerTarget, World } from "../objects/world.ts";

const ports = { rpc: 7101, metrics: 7102 };
const gatewayPort = 8443;

const hostOf = ({ identity, swarm, namespace }: PeerTarget) => `${identity}.${peersService(swarm)}.${namespace}.svc`;

/** `image`: of validators and gateways where a spec names none, the operator's own. */
export function clusterWorld(image: string): World {
  return {
    image,
    bindAddress: "0.0.0.0",
    tlsSecret,
    trustsCallers: false,
    portsOf: (_, p2p) => ({ p2p, ...ports }),
    gatewayPorts: (_, asked = gatewayPort) => ({ clients: asked, metrics: ports.metrics }),
    peerAddress: (_, to, p2p) => `/dns4/${hostOf(to)}/tcp/${p2p}`,
    rpcUrl: (target) => `https://${hostOf(target)}:${ports.rpc}`,
  };
}
