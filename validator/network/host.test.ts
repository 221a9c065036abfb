import { afterEach, describe, expect, test } from "vitest";
import { sha256 } from "../crypto/hash.ts";
import type { PeerAddress, PeerName } from "../driver/ports.ts";
import { createNetwork, type RunningNetwork } from "./host.ts";

const hosts: RunningNetwork[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

let seeds = 0;
async function host(
  listen = "/ip4/127.0.0.1/tcp/0",
  seed = sha256(new Uint8Array([seeds++])),
): Promise<RunningNetwork> {
  const made = await createNetwork({
    peerKeySeed: seed,
    listen: [listen],
    chainId: "11".repeat(32),
    limits: { unreachableAfterMs: 1_000 },
  });
  hosts.push(made);
  return made;
}

const addressOf = (of: RunningNetwork): PeerAddress => ({ peer: of.self, addresses: of.addresses });

/** Resolves when the host reports the event for the peer. */
function event(of: RunningNetwork, peer: PeerName, wanted: "connected" | "disconnected"): Promise<void> {
  return new Promise((resolve) => {
    of.onPeer((name, what) => {
      if (name === peer && what === wanted) resolve();
    });
  });
}

async function connectAll(all: readonly RunningNetwork[]): Promise<void> {
  const ready = all.map((one) => {
    const missing = new Set(all.filter((other) => other !== one).map((other) => other.self));
    return new Promise<void>((resolve) => {
      one.onPeer((name, what) => {
        if (what === "connected") missing.delete(name);
        if (missing.size === 0) resolve();
      });
    });
  });
  for (const one of all) one.setPeers(all.filter((other) => other !== one).map(addressOf));
  await Promise.all(ready);
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (words: string) => new TextEncoder().encode(words);

/** The next gossip message with these words, and who said it. Said again until heard: gossip's mesh takes a moment to form. */
async function heard(by: RunningNetwork, from: RunningNetwork, words: string): Promise<PeerName> {
  let stop = () => {};
  const said = new Promise<PeerName>((resolve) => {
    by.onBroadcast((name, bytes) => {
      if (text(bytes).startsWith(words)) resolve(name);
    });
    let count = 0;
    const again = setInterval(() => from.broadcast(bytesOf(`${words} ${count++}`)), 50);
    stop = () => clearInterval(again);
  });
  try {
    return await said;
  } finally {
    stop();
  }
}

describe("listed peers", () => {
  test("connect, gossip under the sender's name, and answer requests", async () => {
    const [a, b, c] = [await host(), await host(), await host()];
    await connectAll([a, b, c]);
    expect(await heard(b, a, "hello")).toBe(a.self);
    expect(await heard(c, a, "hello again")).toBe(a.self);
    b.onRequest(async (from, protocol, bytes) => bytesOf(`${from === a.self} ${protocol} ${text(bytes)}`));
    const reply = await a.request(b.self, "fetch-blocks", bytesOf("from 7"), 2_000);
    expect(reply.kind === "ok" && text(reply.bytes)).toBe("true fetch-blocks from 7");
  });

  test("a large payload arrives whole among small ones", async () => {
    const [a, b] = [await host(), await host()];
    await connectAll([a, b]);
    b.onRequest(async (_from, _protocol, bytes) => sha256(bytes));
    const large = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const sizes = [large, bytesOf("x"), large.subarray(1), new Uint8Array(0)];
    const replies = await Promise.all(sizes.map((bytes) => a.request(b.self, "batch", bytes, 10_000)));
    expect(replies.map((reply) => reply.kind === "ok" && Buffer.from(reply.bytes).toString("hex"))).toEqual(
      sizes.map((bytes) => Buffer.from(sha256(bytes)).toString("hex")),
    );
  });

  test("a refusal carries its reason, a slow answer times out, too many under way are turned away", async () => {
    const [a, b] = [await host(), await host()];
    await connectAll([a, b]);
    b.onRequest(() => Promise.reject(new Error("no such block")));
    expect(await a.request(b.self, "fetch-blocks", new Uint8Array(1), 2_000)).toEqual({
      kind: "failed",
      failure: { kind: "refused", message: "no such block" },
    });
    b.onRequest(() => new Promise(() => {}));
    expect(await a.request(b.self, "fetch-blocks", new Uint8Array(1), 50)).toMatchObject({
      failure: { kind: "timeout" },
    });
    const many = Array.from({ length: 300 }, () => a.request(b.self, "batch", new Uint8Array(1), 200));
    const kinds = (await Promise.all(many)).map((reply) => reply.kind === "failed" && reply.failure.kind);
    expect(kinds.filter((kind) => kind === "overloaded").length).toBeGreaterThanOrEqual(40);
  });
});

describe("others", () => {
  test("a stranger is refused in both directions", async () => {
    const [a, b, stranger] = [await host(), await host(), await host()];
    await connectAll([a, b]);
    stranger.setPeers([addressOf(a)]);
    expect(await stranger.request(a.self, "batch", new Uint8Array(1), 1_000)).toMatchObject({
      failure: { kind: "unreachable" },
    });
    expect(await heard(b, a, "members only")).toBe(a.self);
    expect(await a.request(stranger.self, "batch", new Uint8Array(1), 1_000)).toMatchObject({
      failure: { kind: "unreachable" },
    });
    expect(stranger.stats().gossip.messagesIn).toBe(0);
  });

  test("a removed peer is disconnected, and frames under the new key say nothing to it", async () => {
    const [a, b, c] = [await host(), await host(), await host()];
    await connectAll([a, b, c]);
    const gone = event(c, a.self, "disconnected");
    a.setPeers([addressOf(b)]);
    a.rotateSenderKey();
    await gone;
    expect(await heard(b, a, "after")).toBe(a.self);
  });
});

test("a peer that restarts on its address is reconnected", async () => {
  const seed = sha256(new Uint8Array([200]));
  const [a, b] = [await host(), await host(undefined, seed)];
  await connectAll([a, b]);
  const where = b.addresses[0]?.replace(/\/p2p\/.*/, "") ?? "";
  const lost = event(a, b.self, "disconnected");
  hosts.splice(hosts.indexOf(b), 1);
  await b.stop();
  await lost;
  const back = event(a, b.self, "connected");
  const again = await host(where, seed);
  again.setPeers([addressOf(a)]);
  await back;
  expect(await heard(a, again, "back")).toBe(again.self);
});
