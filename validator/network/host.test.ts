import { afterEach, describe, expect, test } from "vitest";
import { sha256 } from "../crypto/hash.ts";
import type { Reply } from "../driver/ports.ts";
import type { RunningNetwork as Host } from "./host.ts";
import { addressOf, freshSeed, inbox, peerEvent, startConnected, startHost, stopAll } from "./testing.ts";

afterEach(stopAll);

const bytesOf = (words: string) => Buffer.from(words);
const outcome = (reply: Reply) => (reply.kind === "ok" ? Buffer.from(reply.bytes).toString() : reply.failure.kind);
const connected = (count: number, limits = {}) => startConnected(count, limits) as Promise<[Host, Host, Host]>;

describe("members", () => {
  test("gossip reaches each other member once, under its sender's name", async () => {
    const [a, b, c] = await connected(3);
    const [atB, atC] = [inbox(b), inbox(c)];
    a.broadcast(bytesOf("one"));
    a.broadcast(bytesOf("two"));
    expect(await Promise.all([atB.next("two"), atC.next("two"), atB.next("one"), atC.next("one")])).toEqual(
      Array(4).fill(a.self),
    );
    // A round trip through the relay of each: what would come twice has come.
    b.broadcast(bytesOf("from b"));
    c.broadcast(bytesOf("from c"));
    await Promise.all([atC.next("from b"), atB.next("from c")]);
    expect(atB.all.map(({ words }) => words).sort()).toEqual(["from c", "one", "two"]);
    expect(atC.all.map(({ words }) => words).sort()).toEqual(["from b", "one", "two"]);
  });

  test("with every link up nothing is relayed", async () => {
    const [a, b, c] = await connected(3);
    const [atB, atC] = [inbox(b), inbox(c)];
    a.broadcast(bytesOf("straight"));
    await Promise.all([atB.next("straight"), atC.next("straight")]);
    expect(a.stats().gossip).toMatchObject({ messagesOut: 0, directOut: 2, directFailed: 0 });
  });

  test("a message finds its way around a link that is down, still under its sender's name", async () => {
    const [a, b, c] = await connected(3, { banMs: 60_000 });
    const cut = peerEvent(a, c.self, "disconnected");
    for (let i = 0; i < 5; i += 1) c.penalize(a.self, "a test cuts the link");
    await cut;
    expect((await a.request(c.self, "batch", bytesOf("x"), 1_000)).kind).toBe("failed");
    const [atB, atC] = [inbox(b), inbox(c)];
    a.broadcast(bytesOf("around"));
    expect(await atC.next("around")).toBe(a.self);
    expect(await atB.next("around")).toBe(a.self);
    expect(a.stats().gossip.messagesOut).toBe(1);
  });

  test("requests interleave: small ones do not wait for large ones, each gets its own answer", async () => {
    const [a, b] = await connected(2);
    const order: number[] = [];
    b.onRequest(async (from, protocol, bytes) => bytesOf(`${from === a.self} ${protocol} ${sha256(bytes)[0]}`));
    const sizes = [4_000_000, 3_000_000, 300_000, 100, 0, 16_384, 16_385];
    const replies = await Promise.all(
      sizes.map(async (size, i) => {
        const bytes = Buffer.alloc(size, i);
        const reply = outcome(await a.request(b.self, i % 2 === 0 ? "batch" : "fetch-blocks", bytes, 10_000));
        order.push(size);
        return [reply, `true ${i % 2 === 0 ? "batch" : "fetch-blocks"} ${sha256(bytes)[0]}`];
      }),
    );
    for (const [reply, expected] of replies) expect(reply).toBe(expected);
    expect(order.indexOf(100)).toBeLessThan(order.indexOf(4_000_000));
  });

  test("a refusal carries its sentence, a slow answer times out, what was late is ignored", async () => {
    const [a, b] = await connected(2);
    b.onRequest(() => Promise.reject(new Error("no such block")));
    expect(await a.request(b.self, "fetch-blocks", bytesOf("7"), 2_000)).toEqual({
      kind: "failed",
      failure: { kind: "refused", message: "no such block" },
    });
    const { promise: late, resolve: answer } = Promise.withResolvers<Uint8Array>();
    b.onRequest(() => late);
    expect(outcome(await a.request(b.self, "fetch-blocks", bytesOf("7"), 50))).toBe("timeout");
    answer(bytesOf("late"));
    b.onRequest(async () => bytesOf("in time"));
    expect(outcome(await a.request(b.self, "fetch-blocks", bytesOf("7"), 2_000))).toBe("in time");
  });

  test("too many requests, or too many bytes, are overload instead of memory", async () => {
    const limits = { requestsInFlight: 8, queuedBytes: 2_000_000, frameBytes: 1_000_000 };
    const [a, b] = await connected(2, limits);
    const { promise: held, resolve: release } = Promise.withResolvers<Uint8Array>();
    b.onRequest(() => held);
    const many = Array.from({ length: 12 }, () => a.request(b.self, "batch", bytesOf("x"), 5_000));
    expect(await Promise.all(many.slice(8).map(async (reply) => outcome(await reply)))).toEqual(
      Array(4).fill("overloaded"),
    );
    release(bytesOf("done"));
    expect(await Promise.all(many.slice(0, 8).map(async (reply) => outcome(await reply)))).toEqual(
      Array(8).fill("done"),
    );
    const large = Array.from({ length: 8 }, () => a.request(b.self, "batch", Buffer.alloc(999_000), 5_000));
    const ends = await Promise.all(large.map(async (reply) => outcome(await reply)));
    expect(ends).toContain("overloaded");
    expect(ends).toContain("done");
    expect(outcome(await a.request(b.self, "batch", Buffer.alloc(1_000_001), 5_000))).toBe("refused");
    expect(a.stats().peers[b.self]?.queuedBytes).toBe(0);
  });

  test("round trips are measured", async () => {
    const [a, b] = await connected(2, { pingIntervalMs: 50 });
    const measured = await new Promise<number>((resolve) => {
      a.onRoundTrip((peer, milliseconds) => {
        if (peer === b.self) resolve(milliseconds);
      });
    });
    expect(measured).toBeGreaterThan(0);
  });

  test("requests on their way end as unreachable when the peer goes", async () => {
    const [a, b] = await connected(2);
    b.onRequest(() => {
      void b.stop();
      return new Promise(() => {});
    });
    expect(outcome(await a.request(b.self, "batch", bytesOf("x"), 10_000))).toBe("unreachable");
  });

  test("a peer that restarts on its address is reconnected from both sides and heard again", async () => {
    const [a, seed] = [await startHost(), freshSeed()];
    const first = await startHost({ peerKeySeed: seed });
    const up = peerEvent(a, first.self, "connected");
    a.setPeers([addressOf(first)]);
    first.setPeers([addressOf(a)]);
    await up;
    const down = peerEvent(a, first.self, "disconnected");
    await first.stop();
    await down;
    const again = peerEvent(a, first.self, "connected");
    const second = await startHost({ peerKeySeed: seed, listen: first.addresses });
    const meets = peerEvent(second, a.self, "connected");
    second.setPeers([addressOf(a)]);
    await Promise.all([again, meets]);
    const heard = inbox(a);
    second.onRequest(async () => bytesOf("back"));
    expect(outcome(await a.request(second.self, "batch", bytesOf("x"), 2_000))).toBe("back");
    await sayUntilHeard(second, "back", heard.next("back"));
  });
});

/** Right after a connection the gossip streams may not stand yet: consensus repeats itself then, and so does this. */
async function sayUntilHeard<T>(from: Host, words: string, heard: Promise<T>): Promise<T> {
  const saying = setInterval(() => from.broadcast(bytesOf(words)), 20);
  try {
    return await heard;
  } finally {
    clearInterval(saying);
  }
}

describe("others", () => {
  test("a stranger is refused in both directions", async () => {
    const [a, b] = await connected(2);
    const stranger = await startHost();
    const events: string[] = [];
    for (const host of [a, b, stranger]) host.onPeer((_, event) => events.push(event));
    // The stranger lists a member: the member closes after the handshake.
    stranger.setPeers([addressOf(a)]);
    await until(() => a.stats().refusedConnections > 0 || stranger.stats().dialsFailed > 0);
    // A member dials where another identity lives: the handshake shows it.
    b.setPeers([addressOf(a), { peer: (await startHost()).self, addresses: stranger.addresses }]);
    await until(() => b.stats().dialsFailed > 0);
    expect(events).toEqual([]);
    expect(outcome(await stranger.request(a.self, "batch", bytesOf("x"), 1_000))).toBe("unreachable");
    expect(outcome(await a.request(stranger.self, "batch", bytesOf("x"), 1_000))).toBe("unreachable");
  });

  test("a removed peer is disconnected, reads no new frame, and may not come back", async () => {
    const [a, b, c, d] = (await startConnected(4, { banMs: 60_000 })) as [Host, Host, Host, Host];
    const [atB, atC] = [inbox(b), inbox(c)];
    a.broadcast(bytesOf("before"));
    await Promise.all([atB.next("before"), atC.next("before")]);
    const cut = peerEvent(a, d.self, "disconnected");
    for (let i = 0; i < 5; i += 1) d.penalize(a.self, "a test cuts the link");
    await cut;
    const gone = Promise.all([peerEvent(c, a.self, "disconnected"), peerEvent(a, c.self, "disconnected")]);
    a.setPeers([addressOf(b), addressOf(d)]);
    await gone;
    // B relays to D what A cannot send there, and to C, which has only the key from before its removal.
    a.broadcast(bytesOf("after"));
    expect(await atB.next("after")).toBe(a.self);
    b.broadcast(bytesOf("marker"));
    expect(await atC.next("marker")).toBe(b.self);
    await until(() => c.stats().gossip.parked + c.stats().gossip.unsealedDropped > 0);
    expect(atC.all.map(({ words }) => words)).toEqual(["before", "marker"]);
    const refused = a.stats().refusedConnections;
    await until(() => a.stats().refusedConnections > refused);
    expect(outcome(await c.request(a.self, "batch", bytesOf("x"), 500))).toBe("unreachable");
  });

  test("rotating the sender key loses no message", async () => {
    const [a, b] = await connected(2);
    const atB = inbox(b);
    for (let i = 0; i < 21; i += 1) {
      if (i === 10) a.rotateSenderKey();
      a.broadcast(bytesOf(`${i}`));
    }
    await Promise.all(Array.from({ length: 21 }, (_, i) => atB.next(`${i}`)));
  });
});

/** Looks every few milliseconds: counters have no event. */
async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 5, timeout: 10_000 }).toBe(true);
}
