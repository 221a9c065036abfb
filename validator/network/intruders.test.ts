/** What members see when a listed peer, or anyone at the port, sends bytes that no honest peer sends. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { PrivateKey, Stream } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { afterEach, describe, expect, test } from "vitest";
import { encodeFrameHeader, type Frame, frameHeaderLength } from "./frames.ts";
import { consensusTopic } from "./gossip.ts";
import type { RunningNetwork } from "./host.ts";
import { bulkProtocol, urgentProtocol } from "./streams.ts";
import {
  addressOf,
  chainId,
  connectAll,
  ended,
  inbox,
  type RawPeer,
  startHost,
  startRawPeer,
  stopAll,
} from "./testing.ts";

afterEach(stopAll);

const { FUZZ_FRAMES } = process.env;
const fuzzFrames = Number(FUZZ_FRAMES ?? 2_000);
/** A listed peer that is never out for long, so that every frame of it is read. */
const patient = { penaltiesToDisconnect: Number.POSITIVE_INFINITY };

function encode(frame: Frame): Uint8Array {
  const head = new Uint8Array(frameHeaderLength);
  encodeFrameHeader(head, frame, frame.payload.length);
  return Buffer.concat([head, frame.payload]);
}

async function lanes(raw: RawPeer, to: RunningNetwork): Promise<readonly [Stream, Stream]> {
  return [await raw.open(to, urgentProtocol), await raw.open(to, bulkProtocol)];
}

describe("a listed peer's streams", () => {
  test("random bytes close the connection and never crash the process", async () => {
    const [host, raw] = [await startHost({ limits: patient }), await startRawPeer()];
    host.setPeers([{ peer: raw.self, addresses: [] }]);
    let sent = 0;
    for (let round = 0; sent < fuzzFrames; round += 1) {
      const streams = await lanes(raw, host);
      const over = Promise.all(streams.map(ended));
      // Some rounds open with a valid frame of a random kind, so that the handlers are reached too.
      const kinds = ["request", "response", "error", "key", "key-request", "ping", "pong"] as const;
      for (let i = 0; i < 50; i += 1, sent += 1) {
        const kind = kinds[(round + i) % kinds.length] ?? "ping";
        const payload = randomBytes(i % 40);
        const frame = encode({ kind, correlation: sent, protocol: kind === "request" ? "batch" : "none", payload });
        if (streams.some(({ status }) => status !== "open")) break;
        streams[i % 2]?.send(i % 5 === 4 ? randomBytes(60) : frame);
      }
      await over;
    }
    expect(host.stats().penalties).toBeGreaterThan(0);
    // It still serves honest peers.
    const honest = await startHost();
    await connectAll([host, honest]);
  });

  test.each([
    ["a frame above the limit", bulkProtocol, 9_000_000],
    ["a large frame on the urgent stream", urgentProtocol, 20_000],
  ])("%s is refused by its header", async (_, protocol, size) => {
    const [host, raw] = [await startHost(), await startRawPeer()];
    host.setPeers([{ peer: raw.self, addresses: [] }]);
    const streams = await lanes(raw, host);
    const head = new Uint8Array(frameHeaderLength);
    encodeFrameHeader(head, { kind: "request", correlation: 1, protocol: "batch" }, size);
    streams[protocol === urgentProtocol ? 0 : 1].send(head);
    await Promise.all(streams.map(ended));
    expect(host.stats().penalties).toBe(1);
  });

  test("a peer that goes on with it is kept out for a while", async () => {
    const [host, raw] = [
      await startHost({ limits: { penaltiesToDisconnect: 2, banMs: 60_000 } }),
      await startRawPeer(),
    ];
    host.setPeers([{ peer: raw.self, addresses: [] }]);
    for (let i = 0; i < 2; i += 1) {
      const streams = await lanes(raw, host);
      streams[0].send(randomBytes(60).fill(255, 0, 4));
      await Promise.all(streams.map(ended));
    }
    await expect(lanes(raw, host)).rejects.toThrow();
  });

  test("a peer that falls silent is disconnected, once", async () => {
    const limits = { pingIntervalMs: 40, unreachableAfterMs: 200 };
    const [host, raw] = [await startHost({ limits }), await startRawPeer()];
    const events: string[] = [];
    const gone = new Promise<void>((resolve) => {
      host.onPeer((_, event) => {
        events.push(event);
        if (event === "disconnected") resolve();
      });
    });
    await raw.host.handle("/meshsub/1.1.0", () => {});
    host.setPeers([{ peer: raw.self, addresses: [] }]);
    const streams = await lanes(raw, host);
    (await raw.open(host, "/meshsub/1.1.0")).send(subscription());
    streams[0].send(encode({ kind: "key", correlation: 0, protocol: "none", payload: randomBytes(32) }));
    // From here on it reads, and answers no ping.
    await gone;
    expect(events).toEqual(["connected", "disconnected", "gone"]);
  });
});

test("bytes that are no handshake, and connections that end in the middle of one, harm nobody", async () => {
  const [a, b] = [await startHost(), await startHost()];
  await connectAll([a, b]);
  const port = Number(a.addresses[0]?.split("/").at(-1));
  for (let i = 0; i < 30; i += 1) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    // The last ones speak the negotiation right, then no TLS.
    if (i >= 10) socket.write(Buffer.from("\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n"));
    if (i >= 20) await once(socket, "data");
    socket.write(randomBytes(1 + i * 40));
    if (i % 3 === 0) socket.resetAndDestroy();
    else socket.end();
  }
  b.onRequest(async (_from, _protocol, bytes) => bytes);
  expect((await a.request(b.self, "batch", randomBytes(1_000), 5_000)).kind).toBe("ok");
});

/** Fields of gossipsub's protobuf: number, then bytes with their length. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >>> 7];
  return Buffer.concat([Buffer.of((number << 3) | 2, ...length), bytes]);
}

/** "I want this chain's messages." */
function subscription(): Uint8Array {
  const topic = field(2, Buffer.from(consensusTopic(chainId)));
  return lengthPrefixed(field(1, Buffer.concat([Buffer.of(8, 1), topic])));
}

function lengthPrefixed(bytes: Uint8Array): Uint8Array {
  return field(0, bytes).subarray(1);
}

/** A gossip message in the name of `from`, signed by `key`, as it goes over the wire. */
async function gossipRpc(from: Uint8Array, key: PrivateKey, data: Uint8Array): Promise<Uint8Array> {
  const unsigned = Buffer.concat([
    field(1, from),
    field(2, data),
    field(3, randomBytes(8)),
    field(4, Buffer.from(consensusTopic(chainId))),
  ]);
  const signature = await key.sign(Buffer.concat([Buffer.from("libp2p-pubsub:"), unsigned]));
  return lengthPrefixed(field(2, Buffer.concat([unsigned, field(5, signature)])));
}

describe("a listed peer's gossip", () => {
  test("in another's name is dropped, whatever it seals; the same frame is delivered once", async () => {
    const [a, b, raw] = [await startHost(), await startHost(), await startRawPeer()];
    await connectAll([a, b]);
    b.setPeers([addressOf(a), { peer: raw.self, addresses: [] }]);
    const atB = inbox(b);
    const gossip = await raw.open(b, "/meshsub/1.1.0");
    const author = raw.host.peerId.toMultihash().bytes;
    const victim = peerIdFromString(a.self).toMultihash().bytes;
    gossip.send(await gossipRpc(victim, raw.privateKey, randomBytes(100)));
    // Its own frames are let through to the sealing, which knows no key of it: one frame, however often it comes.
    const own = await gossipRpc(author, raw.privateKey, randomBytes(100));
    for (let i = 0; i < 5; i += 1) gossip.send(own);
    gossip.send(await gossipRpc(author, raw.privateKey, randomBytes(101)));
    await expect.poll(() => b.stats().gossip.parked, { interval: 5 }).toBe(2);
    expect(b.stats().gossip.messagesIn).toBe(2);
    a.broadcast(Buffer.from("genuine"));
    expect(await atB.next("genuine")).toBe(a.self);
    expect(atB.all).toHaveLength(1);
  });

  test("above the size limit is refused and held against its author", async () => {
    const [a, b] = [await startHost({ limits: { gossipBytes: 600_000 } }), await startHost()];
    await connectAll([a, b]);
    expect(() => b.broadcast(new Uint8Array(256 * 1024 + 1))).toThrow("at most");
    const atB = inbox(b);
    a.broadcast(new Uint8Array(300_000));
    await expect.poll(() => b.stats().penalties, { interval: 5 }).toBe(1);
    a.broadcast(Buffer.from("small"));
    await atB.next("small");
    expect(atB.all).toHaveLength(1);
  });
});
