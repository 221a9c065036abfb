/** Both sources over real sockets, and the loop that asks them. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createMetrics } from "../../../validator/rpc/metrics.ts";
import { systemClock } from "../../kube/clock.ts";
import { readEndpoints } from "./endpoints.ts";
import { prometheusSource, queryFor } from "./prometheus.ts";
import { createSampler, type Measuring, type Sampler } from "./sampler.ts";
import type { SampleTarget } from "./source.ts";

const { signal } = new AbortController();
const servers: Server[] = [];
const samplers: Sampler[] = [];
afterEach(async () => {
  await Promise.all(samplers.splice(0).map((each) => each.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return `127.0.0.1:${port}`;
}

/** The metrics a validator has, served as it serves them. */
async function validator(seat: string) {
  const metrics = createMetrics(seat);
  metrics.set("consensus_voting", {}, 1);
  const address = await serve(async (request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end();
    const { contentType, text } = await metrics.scrape();
    response.writeHead(200, { "content-type": contentType }).end(text);
  });
  return { metrics, target: targetOf(seat, address) };
}
const targetOf = (seat: string, metrics: string | undefined): SampleTarget => ({
  seat,
  identity: `${seat}-g1`,
  podUid: `uid ${seat}`,
  metrics,
});

describe("endpoints", () => {
  test("a validator's own metrics become a reading", async () => {
    const { metrics, target } = await validator("ann");
    metrics.count("consensus_member_views_total", { peer: "bob", outcome: "gave-up" }, 3);
    metrics.count("consensus_member_views_total", { peer: "bob", outcome: "voted" }, 7);
    metrics.record("finality_latency_seconds", {}, 0.003);
    metrics.count("ingress_messages_total", { outcome: "accepted" }, 5);
    metrics.count("ingress_messages_total", { outcome: "overloaded" }, 2);
    metrics.count("ingress_messages_total", { outcome: "forbidden" }, 9);
    metrics.set("consensus_height", { state: "final" }, 12);
    metrics.set("consensus_height", { state: "executed" }, 10);
    const { readings, problem } = await readEndpoints([target], signal);
    expect(problem).toBe("");
    expect(readings).toMatchObject([
      {
        seat: "ann",
        podUid: "uid ann",
        views: new Map([["bob", { voted: 7, gaveUp: 3, missed: 0 }]]),
        messages: { accepted: 5, rejected: 2 },
        lag: 2,
      },
    ]);
    expect(readings[0]?.finality?.counts.map((count, i) => (count > 0 ? i : -1)).filter((i) => i >= 0)).toEqual([3]);
  });

  test("who does not vote, does not answer, or answers anything else is left out and named", async () => {
    const good = await validator("ann");
    const learner = await validator("bob");
    learner.metrics.set("consensus_voting", {}, 0);
    const odd = await serve((_, response) => void response.end("consensus_voting one"));
    const endless = await serve((_, response) => {
      const more = () => response.write("x".repeat(1_048_576), () => setImmediate(more));
      more();
    });
    const moved = await serve((_, response) => void response.writeHead(302, { location: `http://${odd}/` }).end());
    const absent = await serve(() => {});
    servers.pop()?.close();
    for (const [address, problem] of [
      [learner.target.metrics, "bob-g1 serves no metrics of a validator that votes."],
      [odd, "The metrics of bob-g1 cannot be read: line 1 is no sample."],
      [endless, "The metrics endpoint of bob-g1 answered more than 8388608 bytes."],
      [moved, "The metrics endpoint of bob-g1 does not answer."],
      [absent, "The metrics endpoint of bob-g1 does not answer."],
      [undefined, "bob-g1 has no address for its metrics."],
    ] as const) {
      const read = await readEndpoints([good.target, targetOf("bob", address)], signal);
      expect([read.readings.map(({ seat }) => seat), read.problem]).toEqual([["ann"], problem]);
    }
  });
});

describe("a Prometheus", () => {
  const vector = (pod: string, series: Readonly<Record<string, string>>) =>
    Object.entries(series).map(([name, value]) => ({
      metric: { __name__: name, pod, namespace: "bank", instance: "10.0.0.1:7102" },
      value: [1_700_000_000, value],
    }));
  const targets = [targetOf("ann", undefined), targetOf("bob", undefined)];

  test("one query for all of them; who has no samples is named", async () => {
    const asked: string[] = [];
    const address = await serve(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      asked.push(`${request.method} ${request.url} ${new URLSearchParams(body).get("query")}`);
      const result = [
        ...vector("ann-g1", { process_start_time_seconds: "1700000000.5", consensus_voting: "1" }),
        ...vector("stranger", { consensus_voting: "1" }),
      ];
      response.end(JSON.stringify({ status: "success", data: { resultType: "vector", result } }));
    });
    const read = await prometheusSource(`http://${address}/`, "bank")(targets, signal);
    expect(read.readings).toMatchObject([{ seat: "ann", began: 1_700_000_000.5, lag: undefined, finality: undefined }]);
    expect(read.problem).toBe("Prometheus has no samples of bob-g1.");
    expect(asked).toEqual([`POST /api/v1/query ${queryFor("bank", targets)}`]);
    expect(queryFor("bank", targets)).toMatch(
      /^\{__name__=~"process_start_time_seconds\|.*",namespace="bank",pod=~"ann-g1\|bob-g1"\}$/,
    );
  });

  test.each([
    ["an error", 400, '{"status":"error"}', "Prometheus answered 400."],
    ["no JSON", 200, "<html>", "Prometheus answered no vector of samples."],
    [
      "a scalar",
      200,
      '{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}',
      "Prometheus answered no vector of samples.",
    ],
  ])("%s is no reading", async (_, status, body, problem) => {
    const address = await serve((__, response) => void response.writeHead(status).end(body));
    expect(await prometheusSource(`http://${address}`, "bank")(targets, signal)).toEqual({ readings: [], problem });
  });
});

describe("the loop", () => {
  function sampling() {
    let heard = Promise.withResolvers<void>();
    const sampler = createSampler(systemClock, () => {
      heard.resolve();
      heard = Promise.withResolvers();
    });
    samplers.push(sampler);
    return { sampler, next: () => heard.promise };
  }
  const measuring = (targets: readonly SampleTarget[]): Measuring => ({
    every: 20,
    targets,
    source: readEndpoints,
    sourceName: "",
  });

  test("windows follow each other without a gap, and are forgotten when nobody watches", async () => {
    const ann = await validator("ann");
    const { sampler, next } = sampling();
    sampler.measure(measuring([ann.target]));
    await next();
    ann.metrics.count("ingress_messages_total", { outcome: "accepted" }, 5);
    while (sampler.samples().windows.every(({ seats }) => seats[0]?.rejections?.trials !== 5)) await next();
    const { windows, problem } = sampler.samples();
    expect(problem).toBe("");
    for (const [i, window] of windows.entries()) if (i > 0) expect(window.from).toBe(windows[i - 1]?.to);
    sampler.measure(undefined);
    expect(sampler.samples()).toEqual({ windows: [], problem: "" });
  });

  test("whoever comes and goes while it runs is measured or named, and at most 32 windows are kept", async () => {
    const [ann, bob] = [await validator("ann"), await validator("bob")];
    const { sampler, next } = sampling();
    sampler.measure(measuring([ann.target]));
    await next();
    sampler.measure(measuring([ann.target, bob.target]));
    while (sampler.samples().windows.at(-1)?.seats.length !== 2) await next();
    sampler.measure(measuring([ann.target, { ...bob.target, metrics: undefined }]));
    while (sampler.samples().problem === "") await next();
    expect(sampler.samples().problem).toBe("bob-g1 has no address for its metrics.");
    const last = () => sampler.samples().windows.at(-1)?.to ?? 0;
    for (let i = 0; i < 40; i += 1) await next();
    expect(sampler.samples().windows).toHaveLength(32);
    expect(last()).toBeGreaterThan(0);
  });
});
