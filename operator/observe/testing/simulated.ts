/** A chain of simulated validators, and their services on real sockets: for tests of what is learned from them. */
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  AdminService,
  type GetChainReportResponse,
  GetChainReportResponseSchema,
} from "../../../proto/validator/v1/validator_pb.js";
import { signChallenge } from "../../../validator/crypto/challenge.ts";
import { createSwarm, type Swarm } from "../../../validator/driver/testing/swarm.ts";
import { chainReportMessage, statusMessage } from "../../../validator/rpc/convert.ts";

export interface Simulated {
  readonly swarm: Swarm;
  /** The genesis document. */
  readonly genesis: string;
  /** Resolves when so many epochs have passed. */
  readonly pass: (epochs: number) => Promise<void>;
  readonly answer: (
    node: number,
    trustedEpoch: number,
    hashes?: readonly Uint8Array[],
  ) => Promise<GetChainReportResponse>;
}

/** Four validators that have passed `epochs` epochs. */
export async function simulate(seed: number, epochs: number): Promise<Simulated> {
  const swarm = createSwarm({ seed, parameters: { epochBlocks: 6, idleInterval: 50 } });
  await swarm.startAll();
  const pass = (count: number) => {
    const newest = () => swarm.driver(0).services.status();
    return swarm.until(() => newest().epoch === count && newest().finalizedHeight > count * 6 + 2, 60_000);
  };
  await pass(epochs);
  return {
    pass,
    swarm,
    genesis: JSON.stringify(swarm.chain.genesis),
    answer: async (node, trustedEpoch, hashes = []) =>
      create(
        GetChainReportResponseSchema,
        chainReportMessage(await swarm.driver(node).services.chainReport(trustedEpoch, hashes)),
      ),
  };
}

export type Behaviour = Partial<ServiceImpl<typeof AdminService>>;

/** What an honest validator answers. */
export function honest({ swarm, answer }: Simulated, node: number): Behaviour {
  const signers = swarm.signersOf(node);
  const blsKey = signers.bls.publicKey;
  const peerKey = signers.peer.publicKey;
  return {
    getIdentity: ({ challenge }) => ({
      blsKey,
      peerKey,
      proofOfPossession: signers.bls.provePossession(peerKey),
      signature: signChallenge(signers.peer, blsKey, challenge),
    }),
    async *watchStatus(_, { signal }) {
      yield statusMessage(swarm.driver(node).services.status(), { p50: 0, p99: 0 });
      await ended(signal);
    },
    getChainReport: ({ trustedEpoch, transactions }) => answer(node, Number(trustedEpoch), transactions),
  };
}

export const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve())));

export interface Served {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Serves a behaviour on a free port of the loopback address. */
export function serveBehaviour(behaviour: Behaviour): Promise<Served> {
  return listen(createServer(connectNodeAdapter({ routes: (router) => router.service(AdminService, behaviour) })));
}

export async function listen(server: Http2Server): Promise<Served> {
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}
