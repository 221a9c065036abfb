import { createServer } from "node:http2";
import { createServer as createTcpServer, type Server } from "node:net";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { Report } from "../../plan/snapshot.ts";
import {
  type Behaviour,
  ended,
  honest,
  listen,
  type Served,
  type Simulated,
  serveBehaviour,
  simulate,
} from "../testing/simulated.ts";
import { createReporters, type Reporters } from "./reporters.ts";

let chain: Simulated;
const open: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  chain = await simulate(52, 2);
});
afterEach(async () => {
  // Newest first: who asks goes before who answers.
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Watched extends Reporters {
  readonly changes: string[];
  readonly until: <T>(find: () => T | undefined) => Promise<T>;
}

/** Asks these pods, with genesis known. */
function watch(urls: Readonly<Record<string, string>>, timing: { roundEveryMs?: number } = {}): Watched {
  const changes: string[] = [];
  const waiting = new Set<() => void>();
  const onChange = (identity: string) => {
    changes.push(identity);
    for (const look of [...waiting]) look();
  };
  const reporters = createReporters({ operatorKey: "00", onChange, statusEveryMs: 50, roundEveryMs: 100, ...timing });
  reporters.setTargets(Object.entries(urls).map(([identity, url]) => ({ identity, podUid: `uid ${identity}`, url })));
  expect(reporters.setGenesis(chain.genesis)).toBe("");
  const until = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  const watched = { ...reporters, changes, until };
  open.push(watched);
  return watched;
}

async function serve(behaviour: Behaviour): Promise<string> {
  const served = await serveBehaviour(behaviour);
  open.push(served);
  return served.url;
}

const isProven = (report: Report | undefined) => (report?.sets.kind === "verified" ? report : undefined);

/** A TCP server that does this to every connection. */
async function tcp(greet: (write: (bytes: Uint8Array) => void, close: () => void) => void): Promise<Served> {
  const server: Server = createTcpServer((socket) => {
    socket.on("error", () => {});
    greet(
      (bytes) => socket.write(bytes),
      () => socket.destroy(),
    );
  });
  const sockets = new Set<{ destroy: () => void }>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const served = {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  open.push(served);
  return served;
}

test("an honest validator is reported at once, whatever nine others do", { timeout: 30_000 }, async () => {
  const good = honest(chain, 0);
  const silence = await tcp(() => {});
  const garbage = await tcp((write) => write(Buffer.from("HTTP/1.1 200 OK\r\n\r\n")));
  const refusal = await tcp((_, close) => close());
  const never = () => new Promise<never>(() => {});
  const broken = await listen(
    createServer((_, response) => {
      response.writeHead(200, { "content-type": "application/proto" });
      response.end(Buffer.alloc(1_000, 0xff));
    }),
  );
  open.push(broken);
  const enormous = Buffer.alloc(12 << 20, 1);
  const reporters = watch({
    honest: await serve(good),
    silence: silence.url,
    garbage: garbage.url,
    refusal: refusal.url,
    broken: broken.url,
    nothing: await serve({}),
    hanging: await serve({ ...good, getChainReport: never }),
    enormous: await serve({ ...good, getChainReport: () => ({ header: enormous }) }),
    wide: await serve({
      ...good,
      async *watchStatus() {
        yield { role: "validator", heard: Array.from({ length: 1 << 20 }, (_, i) => `seat-${i}`) };
      },
    }),
    tale: await serve({
      ...good,
      getChainReport: async (request, context) => ({
        ...(await good.getChainReport!(request, context)),
        handovers: Array.from({ length: 1_000 }, () => new Uint8Array(500)),
      }),
    }),
  });
  const report = await reporters.until(() => isProven(reporters.report("honest")));
  expect(report).toMatchObject({
    identity: "honest",
    podUid: "uid honest",
    role: "validator",
    voting: true,
    epoch: 2,
    keys: { kind: "verified" },
    height: { kind: "verified" },
    sets: { value: { current: { epoch: 2 } } },
  });
  for (const identity of ["silence", "garbage", "refusal", "broken", "nothing", "wide"])
    expect(isProven(reporters.report(identity))).toBeUndefined();
  // Its words are there, nothing it said is proven.
  await reporters.until(() => reporters.report("tale")?.sets.kind === "unverified" || undefined);
  expect(reporters.report("tale")).toMatchObject({ keys: { kind: "verified" }, height: { kind: "unverified" } });
  expect(reporters.trouble("tale")).toBe("too many handovers");
  expect(reporters.report("hanging")).toMatchObject({ sets: { kind: "absent" } });
});

test("who cannot sign the challenge has no keys: a proof of possession can be copied", async () => {
  const stranger = honest(chain, 0);
  const signature = (length: number) => ({ ...stranger, getIdentity: identityWith(stranger, length) });
  const reporters = watch({ copied: await serve(signature(64)), unsigned: await serve(signature(0)) });
  for (const identity of ["copied", "unsigned"]) {
    const keys = await reporters.until(() => reporters.report(identity)?.keys);
    expect(keys).toMatchObject({ kind: "unverified", value: { blsKey: expect.stringMatching(/^[0-9a-f]{96}$/) } });
  }
});

function identityWith(behaviour: Behaviour, length: number): NonNullable<Behaviour["getIdentity"]> {
  return async (request, context) => ({
    ...(await behaviour.getIdentity!(request, context)),
    signature: new Uint8Array(length).fill(7),
  });
}

test("words without bounds are cut to what they can mean", async () => {
  const status = {
    role: "emperor",
    voting: true,
    epoch: 2n ** 63n,
    finalizedHeight: 2n ** 64n - 1n,
    stateRoot: new Uint8Array(4_096),
    heard: ["seat-1", "seat-1", "../../etc", "x".repeat(64), ""],
  };
  const reporters = watch({
    odd: await serve({
      ...honest(chain, 0),
      async *watchStatus(_, { signal }) {
        yield status;
        await ended(signal);
      },
    }),
  });
  const report = await reporters.until(() => reporters.report("odd"));
  expect(report).toMatchObject({ role: "unknown", epoch: -1, heard: ["seat-1"] });
  expect(JSON.stringify(report).length).toBeLessThan(2_000);
});

test("a flood of statuses is read at our pace, and a liar's reports are asked for ever less often", async () => {
  let sent = 0;
  let asked = 0;
  const flood: Behaviour = {
    ...honest(chain, 0),
    async *watchStatus(_, { signal }) {
      for (let epoch = 3n; !signal.aborted; epoch += 1n) {
        sent += 1;
        yield { role: "validator", epoch, finalizedHeight: 1_000_000n, heard: Array(500).fill("seat-0") };
      }
    },
    async getChainReport(request, context) {
      asked += 1;
      const answer = await honest(chain, 0).getChainReport!(request, context);
      return { ...answer, finalization: new Uint8Array(200) };
    },
  };
  const reporters = watch({ flood: await serve(flood), honest: await serve(honest(chain, 1)) }, { roundEveryMs: 20 });
  await reporters.until(() => isProven(reporters.report("honest")));
  await reporters.until(() => (reporters.changes.filter((each) => each === "flood").length > 20 ? true : undefined));
  // What fits the buffers of one connection was sent, and then what was read: a status is about 4 KiB.
  expect(sent).toBeLessThan(2_000);
  expect(asked).toBe(1);
  expect(reporters.report("flood")).toMatchObject({ sets: { kind: "unverified" } });
});

test("a validator that goes away has no report after a while, and one that comes back is asked who it is", {
  timeout: 30_000,
}, async () => {
  const good = honest(chain, 0);
  const first = await serveBehaviour(good);
  const reporters = watch({ one: first.url });
  await reporters.until(() => isProven(reporters.report("one")));
  await first.close();
  await reporters.until(() => (reporters.report("one") === undefined ? true : undefined));
  expect(reporters.trouble("one")).not.toBe("");
  // On another port, as a restarted pod may be: under another uid.
  const again = await serve(honest(chain, 1));
  reporters.setTargets([{ identity: "one", podUid: "another", url: again }]);
  const report = await reporters.until(() => isProven(reporters.report("one")));
  expect(report.podUid).toBe("another");
  reporters.setTargets([]);
  expect(reporters.reports()).toEqual([]);
});

test("a validator whose first word comes long after its proof is known by that proof", {
  timeout: 30_000,
}, async () => {
  const good = honest(chain, 0);
  const forgotten = Promise.withResolvers<void>();
  let streams = 0;
  const slow: Behaviour = {
    ...good,
    async *watchStatus(request, context) {
      streams += 1;
      if (streams === 2) await forgotten.promise;
      for await (const status of good.watchStatus!(request, context)) {
        yield status;
        if (streams === 1) return;
      }
    },
  };
  const reporters = watch({ one: await serve(slow) });
  await reporters.until(() => reporters.report("one"));
  // What it said before is forgotten after a while; meanwhile it has proven its keys anew.
  await reporters.until(() => (reporters.report("one") === undefined ? true : undefined));
  forgotten.resolve();
  const report = await reporters.until(() => reporters.report("one"));
  expect(report.keys.kind).toBe("verified");
  expect(streams).toBe(2);
});
