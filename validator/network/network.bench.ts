/**
 * `node validator/network/network.bench.ts [seconds] [batches|gossip|idle]`: four members in four processes on this machine. Every one sends
 * 256 KiB `batch` requests to the three others, then gossips 100 messages a second of 200 bytes, then idles.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { performance } from "node:perf_hooks";
import { sha256 } from "../crypto/hash.ts";
import type { PeerAddress } from "../driver/ports.ts";
import { createNetwork } from "./host.ts";

const members = 4;
const batchBytes = 256 * 1024;
/** Batches of one member on their way to everyone. */
const batchesInFlight = 4;
const gossipBytes = 200;
const gossipPerSecond = 100;

type Order =
  | { readonly kind: "peers"; readonly peers: readonly PeerAddress[] }
  | { readonly kind: "batches" | "gossip" | "idle"; readonly seconds: number };
type Report =
  | { readonly kind: "listening"; readonly address: PeerAddress }
  | { readonly kind: "connected" }
  | { readonly kind: "done"; readonly cpuMs: number; readonly bytes: number; readonly latencies: readonly number[] };

async function member(index: number): Promise<void> {
  const network = await createNetwork({
    peerKeySeed: sha256(Buffer.from(`bench ${index}`)),
    chainId: "bench",
    listen: ["/ip4/127.0.0.1/tcp/0"],
  });
  const report = (message: Report) => process.send?.(message);
  let connected = 0;
  let latencies: number[] = [];
  network.onPeer((_, event) => {
    connected += event === "connected" ? 1 : -1;
    if (connected === members - 1) report({ kind: "connected" });
  });
  const none = new Uint8Array(0);
  network.onRequest(async () => none);
  network.onBroadcast((_, bytes) => {
    const sent = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
    latencies.push(performance.timeOrigin + performance.now() - sent);
  });
  let others: readonly PeerAddress[] = [];

  async function work(order: Exclude<Order, { kind: "peers" }>): Promise<void> {
    latencies = [];
    const cpu = process.cpuUsage();
    const end = performance.now() + order.seconds * 1_000;
    const bytes = order.kind === "batches" ? await sendBatches(end) : 0;
    if (order.kind === "gossip") await sendGossip(end);
    if (order.kind === "idle") await waitUntil(end);
    const used = process.cpuUsage(cpu);
    report({ kind: "done", cpuMs: (used.user + used.system) / 1_000, bytes, latencies });
  }

  /** Bytes that all others acknowledged. */
  async function sendBatches(end: number): Promise<number> {
    let sent = 0;
    const batch = Buffer.alloc(batchBytes, index);
    const lane = async () => {
      while (performance.now() < end) {
        const start = performance.now();
        const replies = await Promise.all(others.map(({ peer }) => network.request(peer, "batch", batch, 10_000)));
        for (const reply of replies) if (reply.kind === "failed") throw new Error(reply.failure.message);
        latencies.push(performance.now() - start);
        sent += batchBytes;
      }
    };
    await Promise.all(Array.from({ length: batchesInFlight }, lane));
    return sent;
  }

  async function sendGossip(end: number): Promise<void> {
    const message = Buffer.alloc(gossipBytes);
    const start = performance.now();
    // The members take turns: 100 messages a second come from all of them together.
    for (let count = 0; ; count += 1) {
      const at = start + ((count * members + index) * 1_000) / gossipPerSecond;
      if (at >= end) break;
      await waitUntil(at);
      message.writeDoubleBE(performance.timeOrigin + performance.now());
      network.broadcast(message);
    }
    await waitUntil(end);
  }

  process.on("message", (order: Order) => {
    if (order.kind !== "peers") return void work(order);
    others = order.peers.filter(({ peer }) => peer !== network.self);
    network.setPeers(order.peers);
  });
  process.on("disconnect", () => process.exit());
  report({ kind: "listening", address: { peer: network.self, addresses: network.addresses } });
}

function waitUntil(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}

async function main(seconds: number, only?: string): Promise<void> {
  const children = Array.from({ length: members }, (_, i) => fork(import.meta.filename, ["member", String(i)]));
  const reports = () => Promise.all(children.map(async (child) => ((await once(child, "message")) as [Report])[0]));
  const order = async (message: Order) => {
    const answers = reports();
    for (const child of children) child.send(message);
    return (await answers).flatMap((answer) => (answer.kind === "done" ? [answer] : []));
  };
  const peers = (await reports()).flatMap((report) => (report.kind === "listening" ? [report.address] : []));
  await order({ kind: "peers", peers });
  console.log(`load before: ${loadavg()[0]?.toFixed(2)}`);

  for (const kind of ["batches", "gossip", "idle"] as const) {
    if (only !== undefined && only !== kind) continue;
    if (kind !== "idle") await order({ kind, seconds: 2 });
    print(kind, await order({ kind, seconds }), seconds);
  }
  for (const child of children) child.disconnect();
}

type Done = Extract<Report, { kind: "done" }>;

function print(kind: "batches" | "gossip" | "idle", done: readonly Done[], seconds: number): void {
  const latencies = done.flatMap((report) => report.latencies);
  switch (kind) {
    case "batches": {
      const megabytes = done.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
      const cpu = done.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
      console.log(
        `batches: ${(megabytes / seconds).toFixed(1)} MB/s of unique payload, ${(cpu / megabytes).toFixed(2)} CPU ms/MB ` +
          `(all four), acknowledged by all ${percentiles(latencies)}`,
      );
      return;
    }
    case "gossip":
      console.log(
        `gossip: ${percentiles(latencies)}, ${latencies.length} of ${seconds * gossipPerSecond * (members - 1)} ` +
          `deliveries, CPU ${percentOf(done, seconds)} of a core a member`,
      );
      return;
    case "idle":
      console.log(`idle: CPU ${percentOf(done, seconds)} of a core a member`);
  }
}

function percentOf(reports: readonly { readonly cpuMs: number }[], seconds: number): string {
  return `${(reports.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / reports.length / seconds / 10).toFixed(2)} %`;
}

function percentiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(2) ?? "-";
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

const [role, second] = process.argv.slice(2);
if (role === "member") await member(Number(second));
else await main(Number(role ?? 10), second);
