/** A small swarm of settlement services for tests: real Connect servers that agree on one scripted chain. */
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type GetDirectoryResponse,
  GetDirectoryResponseSchema,
  SubmitResponse_Outcome as Outcome,
  type SettledBlock,
  SettledBlockSchema,
  SettlementService,
  GetMessageResponse_State as State,
  type SubmitResponseSchema,
} from "../../proto/validator/v1/validator_pb.js";
import { messageHash, parseMessage, readRecord } from "../../validator/codec/payment-message.ts";

export const BANKS = ["QSWADEFFXXX", "QSWBUS33XXX", "QSWCSGSGXXX", "QSWDSESSXXX"] as const;

/** What one validator does differently from an honest one. */
interface Script {
  submit?: (message: Uint8Array) => MessageInitShape<typeof SubmitResponseSchema> | undefined;
  report?: (block: SettledBlock) => SettledBlock | undefined;
}

export interface TestSwarm {
  readonly validators: readonly { seat: string; url: string }[];
  readonly scripts: Map<string, Script>;
  /** Every submission in order, with who got it. */
  readonly submissions: readonly { seat: string; message: Uint8Array; private: Uint8Array; traceparent: string }[];
  readonly blocks: readonly SettledBlock[];
  /** Answers with the private payload of a settled message may be forged. */
  forgePrivate: ((content: Uint8Array) => Uint8Array) | undefined;
  /** Settles everything submitted and not settled yet in one block; a reason per payment, 0 when absent. */
  settle(reason?: (payment: number, message: number) => number, time?: number): SettledBlock;
  /** Cuts every connection: streams are opened again by who needs them. */
  disconnect(): void;
  close(): Promise<void>;
}

interface Held {
  readonly message: Uint8Array;
  readonly content: Uint8Array;
  settled: boolean;
}

/** Starts four validators of one unit of power each: one may be faulty. */
export async function startSwarm(seats: readonly string[] = ["a", "b", "c", "d"]): Promise<TestSwarm> {
  const scripts = new Map<string, Script>();
  const held = new Map<string, Held>();
  const blocks: SettledBlock[] = [];
  const submissions: { seat: string; message: Uint8Array; private: Uint8Array; traceparent: string }[] = [];
  let grown = Promise.withResolvers<void>();
  const sessions = new Set<ServerHttp2Session>();
  const servers: Http2Server[] = [];

  const swarm = { scripts, submissions, blocks, forgePrivate: undefined as TestSwarm["forgePrivate"] };
  const routes = (seat: string) => (router: ConnectRouter) =>
    router.service(SettlementService, {
      submit({ message, private: content, traceparent }) {
        submissions.push({ seat, message, private: content, traceparent });
        const scripted = scripts.get(seat)?.submit?.(message);
        if (scripted !== undefined) return scripted;
        const hash = messageHash(message);
        const key = hex(hash);
        if (!held.has(key)) held.set(key, { message, content, settled: false });
        return { outcome: Outcome.ACCEPTED, message: hash };
      },
      async *watchSettlements({ fromHeight }, { signal }) {
        for (let at = Math.max(0, Number(fromHeight) - 1); !signal.aborted; ) {
          const block = blocks[at];
          if (block === undefined) {
            await Promise.race([grown.promise, once(signal, "abort")]);
            continue;
          }
          at += 1;
          const report = scripts.get(seat)?.report;
          const said = report === undefined ? block : report(block);
          // As validators do: blocks without messages are left out.
          if (said !== undefined && said.messages.length > 0) yield said;
        }
      },
      getMessage({ institution, messageKey }) {
        for (const block of blocks) {
          const outcome = block.messages.find(
            (one) => one.institution === institution && hex(one.messageKey) === hex(messageKey),
          );
          if (outcome !== undefined) return { state: State.SETTLED, height: block.height, outcome };
        }
        for (const { message } of held.values())
          if (hex(message.subarray(16, 48)) === hex(messageKey)) return { state: State.ORDERED };
        return { state: State.UNKNOWN };
      },
      getPayment({ institution, uetr }) {
        for (const block of blocks) {
          for (const outcome of block.messages) {
            const parsed = parseMessage(held.get(hex(outcome.message))!.message);
            if (parsed.kind === "refused" || outcome.institution !== institution) continue;
            for (let at = 0; at < parsed.value.header.count; at++) {
              if (hex(readRecord(parsed.value.records, at).uetr) !== hex(uetr)) continue;
              const record = parsed.value.records.slice(64 * at, 64 * at + 64);
              return {
                state: State.SETTLED,
                height: block.height,
                reason: outcome.reasons[at] ?? 0,
                messageKey: outcome.messageKey,
                record,
              };
            }
          }
        }
        return { state: State.UNKNOWN };
      },
      getPrivate({ message }) {
        const found = held.get(hex(message));
        if (found === undefined || !found.settled) throw new ConnectError("not settled", Code.NotFound);
        return { content: swarm.forgePrivate?.(found.content) ?? found.content, signed: found.message };
      },
      getDirectory: () => testDirectory(seats),
    });

  for (const seat of seats) {
    const server = createServer({}, connectNodeAdapter({ routes: routes(seat) }));
    server.on("session", (session) => {
      sessions.add(session);
      session.on("close", () => sessions.delete(session));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }

  return Object.assign(swarm, {
    validators: seats.map((seat, at) => ({
      seat,
      url: `http://127.0.0.1:${(servers[at]!.address() as AddressInfo).port}`,
    })),
    settle(reason: (payment: number, message: number) => number = () => 0, time = Date.now()) {
      const waiting = [...held.values()].filter(({ settled }) => !settled);
      const messages = waiting.map((one, at) => {
        one.settled = true;
        return outcomeOf(one.message, (payment) => reason(payment, at));
      });
      const height = BigInt(blocks.length + 1);
      const block = create(SettledBlockSchema, {
        height,
        view: height,
        time: BigInt(time),
        block: new Uint8Array(32).fill(Number(height)),
        receiptsRoot: new Uint8Array(32).fill(1),
        messages,
      });
      blocks.push(block);
      grown.resolve();
      grown = Promise.withResolvers();
      return block;
    },
    disconnect() {
      for (const session of sessions) session.destroy();
    },
    async close() {
      for (const session of sessions) session.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  });
}

function outcomeOf(message: Uint8Array, reason: (payment: number) => number) {
  const parsed = parseMessage(message);
  if (parsed.kind === "refused") throw new Error(parsed.error.reason);
  const { header, records } = parsed.value;
  const reasons = Uint8Array.from({ length: header.count }, (_, at) => reason(at));
  const settled = reasons.filter((code) => code === 0).length;
  const creditors = new Set<number>();
  for (const [at, code] of reasons.entries())
    if (code === 0) creditors.add(Math.floor(readRecord(records, at).creditor / 2));
  return {
    institution: header.institution,
    messageKey: header.messageKey,
    message: messageHash(message),
    settled,
    rejected: header.count - settled,
    reasons: settled === header.count ? new Uint8Array(0) : reasons,
    creditors: [...creditors].sort((a, b) => a - b),
  };
}

/** Four banks with a euro and a dollar account each: account 2i and 2i + 1 are bank i's. */
export function testDirectory(seats: readonly string[] = ["a", "b", "c", "d"]): GetDirectoryResponse {
  return create(GetDirectoryResponseSchema, {
    chainId: new Uint8Array(32).fill(3),
    institutions: BANKS.map((bic, index) => ({ index, bic, key: new Uint8Array(32), certificateSubject: `CN=${bic}` })),
    accounts: BANKS.flatMap((_, institution) =>
      ["EUR", "USD"].map((currency, at) => ({ index: 2 * institution + at, institution, currency })),
    ),
    expiryWindow: 86_400_000n,
    members: seats.map((seat) => ({ seat, power: 1n, region: seat })),
    faultPower: BigInt(Math.floor((seats.length - 1) / 3)),
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
