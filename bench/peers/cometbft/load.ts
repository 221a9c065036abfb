/** Sends transactions to CometBFT over WebSockets and follows them to their blocks. */
import { randomFillSync } from "node:crypto";
import { z } from "zod";
import { buildMessage, creditTransfer, messageKey, recordLength } from "../../../validator/codec/payment-message.ts";
import { zeroDigest } from "../../../validator/consensus/types.ts";
import { type Engine, type Flight, takeOff } from "../../load/engine.ts";
import type { PreparedMessage } from "../../load/messages.ts";
import type { CometTarget } from "../../load/protocol.ts";

/** Hexadecimal characters at a transaction's head: who it is. */
const keyLength = 24;

/** Transactions of the length that our messages of as many payments have: a key, "=", random printable bytes. */
export function createCometMessageMaker(): (payments: number) => PreparedMessage {
  const run = Buffer.from(randomFillSync(new Uint8Array(6))).toString("hex");
  let made = 0;
  return (payments) => {
    const key = `${run}${(made++).toString(16).padStart(keyLength - run.length, "0")}`;
    const random = Buffer.from(randomFillSync(new Uint8Array(messageLength(payments)))).toString("base64url");
    const tx = Buffer.from(`${key}=${random}`.slice(0, messageLength(payments))).toString("base64");
    const call = { jsonrpc: "2.0", id: key, method: "broadcast_tx_async", params: { tx } };
    return { key, payments, body: Buffer.from(JSON.stringify(call)) };
  };
}

function messageLength(payments: number): number {
  const fields = {
    kind: creditTransfer,
    institution: 0,
    zone: 0,
    atomic: false,
    messageKey: messageKey(""),
    chainId: zeroDigest,
    expiry: 0,
    privateRoot: new Uint8Array(32),
  };
  return buildMessage(fields, new Uint8Array(payments * recordLength), () => new Uint8Array(64)).length;
}

const answerSchema = z.object({ id: z.string(), error: z.object({ data: z.string().optional() }).optional() });
const blockEventSchema = z.object({ height: z.string(), num_txs: z.string() });
type BlockEvent = z.infer<typeof blockEventSchema>;
const eventSchema = z.object({ result: z.object({ data: z.object({ value: blockEventSchema }) }) });
const blockSchema = z.object({
  result: z.object({ block: z.object({ data: z.object({ txs: z.array(z.string()) }) }) }),
});

interface Node {
  readonly socket: WebSocket;
  /** Of the same port. */
  readonly http: string;
  /** When each height's block was announced here, ms of `performance.now()`. */
  readonly announced: Map<number, number>;
  alive: boolean;
}

interface Entry {
  readonly flight: Flight;
  readonly message: PreparedMessage;
  readonly done: ((flight: Flight) => void) | undefined;
}

/**
 * A block's event says how many transactions it has, not which: while the load runs, those longest under way count as
 * committed. `resolve` reads the blocks and gives each flight the time of its own block, at the node it was sent to.
 */
export async function createCometEngine(target: CometTarget, refused: (reason: string) => void): Promise<Engine> {
  const underway = new Map<string, Entry>();
  /** The node that took it last, by key. */
  const takenBy = new Map<string, Node>();
  let turn = 0;
  let retries = 0;
  let readTo = 0;

  const nodes = await Promise.all(target.urls.map(openNode));
  const alive = () => nodes.filter((node) => node.alive);

  async function openNode(url: string): Promise<Node> {
    const http = url.replace(/^ws/, "http").replace(/\/websocket$/, "");
    const node: Node = { socket: new WebSocket(url), http, announced: new Map(), alive: true };
    await new Promise((resolve, reject) => {
      node.socket.addEventListener("open", resolve, { once: true });
      node.socket.addEventListener("error", () => reject(new Error(`no WebSocket at ${url}`)), { once: true });
    });
    const subscribed = new Promise((resolve) => node.socket.addEventListener("message", resolve, { once: true }));
    const params = { query: "tm.event='NewBlockEvents'" };
    node.socket.send(JSON.stringify({ jsonrpc: "2.0", id: "subscribe", method: "subscribe", params }));
    await subscribed;
    node.socket.addEventListener("message", ({ data }) => hear(node, String(data)));
    node.socket.addEventListener("close", () => lose(node));
    return node;
  }

  function hear(node: Node, text: string): void {
    const value: unknown = JSON.parse(text);
    const event = eventSchema.safeParse(value);
    if (event.success) return hearBlock(node, event.data.result.data.value);
    const { id, error } = answerSchema.parse(value);
    // Sent again after a node died, and gossiped before: it has it.
    if (error && error.data !== "tx already exists in cache") return refused(error.data ?? "a call failed");
    const flight = underway.get(id)?.flight;
    if (flight && flight.accepted < 0) flight.accepted = performance.now();
  }

  function hearBlock(node: Node, { height, num_txs: transactions }: BlockEvent): void {
    const now = performance.now();
    node.announced.set(Number(height), now);
    if (node !== alive()[0]) return;
    for (const [key, { flight, done }] of [...underway.entries().take(Number(transactions))]) {
      underway.delete(key);
      flight.settled = now;
      if (flight.accepted < 0) flight.accepted = now;
      done?.(flight);
    }
  }

  /** What it took and nobody has ordered yet goes to another. */
  function lose(node: Node): void {
    node.alive = false;
    for (const [key, { message }] of underway) {
      if (takenBy.get(key) !== node) continue;
      retries += 1;
      give(message);
    }
  }

  function give(message: PreparedMessage): void {
    const running = alive();
    const node = running[turn++ % running.length];
    if (!node) return refused("every node is gone");
    takenBy.set(message.key, node);
    node.socket.send(new Uint8Array(message.body));
  }

  /** Heights of the transactions of blocks that were not read before, by key. */
  async function ordered(): Promise<ReadonlyMap<string, number>> {
    const [node] = alive();
    const heights = new Map<string, number>();
    for (const height of node?.announced.keys() ?? []) {
      if (height <= readTo) continue;
      readTo = height;
      const response = await fetch(`${node?.http}/block?height=${height}`);
      for (const tx of blockSchema.parse(await response.json()).result.block.data.txs)
        heights.set(Buffer.from(tx, "base64").toString("latin1", 0, keyLength), height);
    }
    return heights;
  }

  return {
    send(message, intended, done) {
      const flight = takeOff(message, intended);
      underway.set(message.key, { flight, message, done });
      give(message);
      return flight;
    },
    underway: () => underway.size,
    retries: () => retries,
    rejected: () => 0,
    async resolve(flights) {
      const heights = await ordered();
      for (const flight of flights) {
        flight.height = heights.get(flight.key) ?? 0;
        const at = takenBy.get(flight.key)?.announced.get(flight.height);
        flight.settled = at ?? alive()[0]?.announced.get(flight.height) ?? -1;
        flight.final = flight.settled;
        if (flight.accepted > flight.settled) flight.accepted = flight.settled;
      }
    },
    close() {
      for (const { socket } of nodes) socket.close();
    },
  };
}
