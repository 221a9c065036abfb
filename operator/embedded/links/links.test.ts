import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLinks, type Links } from "./links.ts";

/** The machine may be busy. */
const patiently = { timeout: 30_000, interval: 20 };

/** A member: what it hears, and its open connections. */
interface Member {
  readonly server: Server;
  readonly port: number;
  readonly heard: () => number;
  readonly sockets: Set<Socket>;
}

let links: Links;
let members: Member[];
let diallers: Socket[];
let ports: { readonly ab: number; readonly ba: number };
let a: Member;
let b: Member;

beforeEach(async () => {
  links = createLinks();
  members = [];
  diallers = [];
  a = await member();
  b = await member();
  const [ab, ba] = await Promise.all([freePort(), freePort()]);
  ports = { ab, ba };
  expect(
    await links.have("swarm", [
      { from: "a", to: "b", port: ab, target: b.port },
      { from: "b", to: "a", port: ba, target: a.port },
    ]),
  ).toEqual([]);
});
afterEach(async () => {
  await links.close();
  for (const socket of diallers) socket.destroy();
  for (const { server, sockets } of members) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

async function member(answer: (socket: Socket) => void = (socket) => void socket.resume()): Promise<Member> {
  const sockets = new Set<Socket>();
  let heard = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      heard += bytes.length;
    });
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const made = { server, port: (server.address() as AddressInfo).port, heard: () => heard, sockets };
  members.push(made);
  return made;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Connected to the proxy; the far side may be still to come. */
async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  diallers.push(socket);
  await once(socket, "connect");
  return socket;
}

/** Dials and hands over the far side's socket too. */
async function joined(port: number, to: Member): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const arrival = once(to.server, "connection");
  const near = await dial(port);
  const [far] = (await arrival) as [Socket];
  return { near, far };
}

const receive = (socket: Socket, bytes: number) => {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  let got = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    got = Buffer.concat([got, chunk]);
    if (got.length >= bytes) resolve(got);
  });
  return promise;
};
function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socket.closed) resolve();
  else socket.once("close", () => resolve());
  return promise;
}

describe("a fair link", () => {
  test("carries bytes both ways, and the end of each side by itself", async () => {
    const { near, far } = await joined(ports.ab, b);
    near.write("ping");
    expect((await receive(far, 4)).toString()).toBe("ping");
    near.end();
    await once(far, "end");
    const answer = receive(near, 4);
    far.end("pong");
    expect((await answer).toString()).toBe("pong");
    await closed(near);
    expect([links.sent("a", "b"), links.sent("b", "a")]).toEqual([4, 4]);
    await expect.poll(() => links.connections("a", "b"), patiently).toBe(0);
  });

  test("keeps every byte in its order, whatever the weather does meanwhile", async () => {
    const { near, far } = await joined(ports.ab, b);
    const sent = Buffer.from(Array.from({ length: 600_000 }, (_, at) => (at * 31 + (at >> 8)) & 255));
    const arrival = receive(far, sent.length);
    const changes = [
      () => links.delay("a", "b", 5),
      () => links.throttle("a", "b", 20_000_000),
      () => links.delay("a", "b", 1),
      () => links.throttle("a", "b", 0),
      () => links.heal("a", "b"),
    ];
    for (let at = 0; at < sent.length; at += 20_000) {
      near.write(sent.subarray(at, at + 20_000));
      changes[(at / 20_000) % changes.length]!();
      await new Promise(setImmediate);
    }
    expect((await arrival).equals(sent)).toBe(true);
  });

  test("does not read faster than the other side does", async () => {
    const stalled = await member((socket) => void socket.pause());
    const port = await freePort();
    await links.have("other", [{ from: "c", to: "d", port, target: stalled.port }]);
    const near = await dial(port);
    const chunk = Buffer.alloc(1 << 20);
    let written = 0;
    while (near.write(chunk) || (await drained(near))) {
      written += chunk.length;
      if (written > 256 << 20) break;
    }
    // What sockets of the kernel take, and little more.
    expect(written).toBeLessThan(64 << 20);
    expect(links.sent("c", "d")).toBeLessThan(64 << 20);
  });

  test("says in a sentence that its port is taken", async () => {
    const [problem] = await links.have("third", [{ from: "x", to: "y", port: a.port, target: b.port }]);
    expect(problem?.message).toBe(`Port ${a.port} for the link from x to y: another program listens there.`);
  });

  test("follows its target, and goes with its group", async () => {
    const moved = await member();
    await links.have("swarm", [{ from: "a", to: "b", port: ports.ab, target: moved.port }]);
    await joined(ports.ab, moved);
    const gone = connect({ host: "127.0.0.1", port: ports.ba });
    const [error] = await once(gone, "error");
    expect(error.code).toBe("ECONNREFUSED");
  });
});

/** False when nothing drains for a while. */
async function drained(socket: Socket): Promise<boolean> {
  const patience = AbortSignal.timeout(300);
  try {
    await once(socket, "drain", { signal: patience });
    return true;
  } catch {
    return false;
  }
}

describe("a cut", () => {
  test("ends connections of both callers that send this way, and not one byte passes", async () => {
    const mine = await joined(ports.ab, b);
    const theirs = await joined(ports.ba, a);
    mine.near.write("before");
    await receive(mine.far, 6);
    const before = links.sent("a", "b");
    links.cut("a", "b");
    await Promise.all([mine.near, mine.far, theirs.near, theirs.far].map(closed));
    expect(b.heard()).toBe(6);

    // Its own calls do not get through at all …
    await dial(ports.ab).then(closed, () => {});
    // … those of the other side do, and get no answer.
    const oneWay = await joined(ports.ba, a);
    oneWay.near.write("hello?");
    await receive(oneWay.far, 6);
    oneWay.far.write("nobody hears this");
    oneWay.near.write("again");
    await receive(oneWay.far, 5);
    expect(oneWay.near.bytesRead).toBe(0);
    expect(links.sent("a", "b")).toBe(before);
    expect(b.heard()).toBe(6);

    links.heal();
    expect((await receive(oneWay.near, 17)).toString()).toBe("nobody hears this");
    const again = await joined(ports.ab, b);
    again.near.write("after");
    await receive(again.far, 5);
  });

  test("in both directions leaves nothing", async () => {
    links.cut("a", "b");
    links.cut("b", "a");
    for (const port of [ports.ab, ports.ba]) {
      const socket = await dial(port).catch(() => undefined);
      socket?.write("x");
      if (socket) await closed(socket);
    }
    expect([a.heard(), b.heard(), links.sent("a", "b"), links.sent("b", "a")]).toEqual([0, 0, 0, 0]);
    expect(a.sockets.size + b.sockets.size).toBe(0);
  });
});

describe("weather", () => {
  test("delays one direction and not the other", async () => {
    const { near, far } = await joined(ports.ab, b);
    links.delay("a", "b", 80);
    const start = performance.now();
    near.write("slow");
    await receive(far, 4);
    const there = performance.now() - start;
    const turn = performance.now();
    far.write("fast");
    await receive(near, 4);
    const back = performance.now() - turn;
    expect(there).toBeGreaterThanOrEqual(79);
    expect(back).toBeLessThan(there);
  });

  test("a new connection pays for its handshake", async () => {
    links.delay("a", "b", 30);
    links.delay("b", "a", 20);
    const start = performance.now();
    const { near, far } = await joined(ports.ab, b);
    near.write("x");
    await receive(far, 1);
    expect(performance.now() - start).toBeGreaterThanOrEqual(79);
  });

  test("a throttle holds over all connections together", async () => {
    links.throttle("a", "b", 1_000_000);
    const pairs = [await joined(ports.ab, b), await joined(ports.ab, b)];
    const start = performance.now();
    const arrivals = pairs.map(({ far }) => receive(far, 200_000));
    for (const { near } of pairs) near.write(Buffer.alloc(200_000));
    await Promise.all(arrivals);
    const seconds = (performance.now() - start) / 1_000;
    // Half a tenth of a second may have been saved up, and the last piece goes on credit.
    expect(seconds).toBeGreaterThan(0.3);
    expect(links.sent("a", "b")).toBe(400_000);
  });

  test("a shorter delay also hastens what is on its way", async () => {
    const { near, far } = await joined(ports.ab, b);
    links.delay("a", "b", 3_600_000);
    near.write("stuck");
    await expect.poll(() => near.writableLength, patiently).toBe(0);
    const arrival = receive(far, 5);
    links.heal("a", "b");
    expect((await arrival).toString()).toBe("stuck");
  });
});
