/** A validator that answers by script, and the servers around it: for tests of the services. */
import { createHash } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AdminService, SettlementService } from "../../../proto/validator/v1/validator_pb.js";
import { buildMessage, creditTransfer, recordLength, writeRecord } from "../../codec/payment-message.ts";
import { parseConfig, type ValidatorConfig } from "../../config.ts";
import { digest, height, zeroDigest } from "../../consensus/types.ts";
import type {
  Directory,
  SettledBlock,
  SubmitResult,
  ValidatorServices,
  ValidatorStatus,
} from "../../driver/services.ts";
import type { Host } from "../host.ts";
import { createLog } from "../logging.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import { startRpc } from "../rpc.ts";
import type { RpcServer } from "../server.ts";
import { noTelemetry, type Telemetry } from "../telemetry.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/** Institution 0 is `CN=gateway,O=Bank A,C=DE`, institution 1 `CN=gateway,O=Bank B,C=FR`, 2 has no certificate. */
const directory: Directory = {
  chainId: digest("ab".repeat(32)),
  institutions: ["CN=gateway,O=Bank A,C=DE", "CN=gateway,O=Bank B,C=FR", ""].map((certificateSubject, index) => ({
    index,
    bic: `BANK${index}`,
    key: new Uint8Array(32).fill(index),
    certificateSubject,
    suspended: false,
  })),
  accounts: [{ index: 0, institution: 0, currency: "EUR", balance: -5n, debitCap: 10n }],
  zones: ["EU"],
  expiryWindow: 86_400_000,
  members: [{ seat: "one", power: 1, region: "eu-west" }],
  faultPower: 0,
};

export const status: ValidatorStatus = {
  seat: "one",
  region: "eu-west",
  epoch: 1,
  view: 7,
  finalizedHeight: 5,
  settledHeight: 4,
  executedHeight: 5,
  stateRoot: zeroDigest,
  role: "validator",
  voting: true,
  notReady: "",
  queuedPayments: 3,
  settledPayments: 1_000,
  degradedRegions: ["us-east"],
  peers: [{ seat: "two", region: "us-east", connected: false, rttMs: 1.5 }],
  leader: "one",
  timeouts: 2,
  blockTime: 1_700_000_000_000,
  block: digest("cd".repeat(32)),
  blockPayments: 9,
  blockView: 4,
  heard: ["one"],
};

/** A payment message's bytes from an institution; its signature is no signature. */
export function paymentMessage(institution: number, payments = 1): Uint8Array {
  const records = new Uint8Array(payments * recordLength);
  for (let i = 0; i < payments; i++)
    writeRecord(records, i, {
      uetr: sha256(Uint8Array.of(i)).subarray(0, 16),
      debtor: 0,
      creditor: 1,
      amount: 100,
      currency: 978,
      purpose: 0,
      valueDate: 20_260_101,
      commitment: new Uint8Array(24),
    });
  return buildMessage(
    {
      kind: creditTransfer,
      institution,
      zone: 0,
      atomic: false,
      messageKey: new Uint8Array(32).fill(1),
      chainId: zeroDigest,
      expiry: 1_800_000_000_000,
      privateRoot: new Uint8Array(32),
    },
    records,
    () => new Uint8Array(64),
  );
}

/** A settled block with one message from institution 0 that credits institution 1. */
export function settledBlock(at: number): SettledBlock {
  const outcome = {
    institution: 0,
    messageKey: new Uint8Array(32).fill(1),
    messageHash: new Uint8Array(32).fill(2),
    payments: 2,
    settled: 1,
    codes: Uint8Array.of(0, 4),
    creditors: [1],
  };
  return {
    height: height(at),
    view: at,
    epoch: 0,
    time: at * 1_000,
    block: digest("ef".repeat(32)),
    receiptsRoot: new Uint8Array(32).fill(3),
    messages: [outcome],
  };
}

/** What a scripted validator was asked, and what it answers next. */
export interface Script {
  readonly services: ValidatorServices;
  readonly submitted: {
    readonly message: Uint8Array;
    readonly privatePayload: Uint8Array | undefined;
    readonly traceparent: string;
  }[];
  answerSubmit: (message: Uint8Array) => Promise<SubmitResult>;
  status: ValidatorStatus;
  /** Tells the watchers of status. */
  readonly changed: () => void;
  readonly watching: () => number;
  readonly blocks: SettledBlock[];
  /** Settlement streams that ended. */
  readonly ended: () => number;
}

/** Accepts everything unless told otherwise. */
export function scriptedServices(): Script {
  const listeners = new Set<() => void>();
  let ended = 0;
  const block = settledBlock(1);
  const [outcome] = block.messages;
  if (!outcome) throw new Error("the scripted block has a message");
  const script: Script = {
    submitted: [],
    answerSubmit: async (message) => ({ kind: "accepted", messageHash: sha256(message.subarray(0, 224)) }),
    status,
    changed: () => {
      for (const listener of [...listeners]) listener();
    },
    watching: () => listeners.size,
    blocks: [block],
    ended: () => ended,
    services: {
      submit: (message, privatePayload, traceparent) => {
        script.submitted.push({ message, privatePayload, traceparent });
        return script.answerSubmit(message);
      },
      settlements: async function* (fromHeight, signal) {
        try {
          if (fromHeight === 99) throw new RangeError("height 99 is below the lowest kept");
          for (const settled of script.blocks) if (settled.height >= fromHeight) yield settled;
          if (!signal.aborted)
            await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
        } finally {
          ended += 1;
        }
      },
      message: async (institution) =>
        institution === 0 ? { kind: "settled", height: height(1), outcome } : { kind: "unknown" },
      payment: async (institution, uetr) =>
        institution === 0
          ? {
              kind: "settled",
              height: height(1),
              code: 0,
              messageKey: outcome.messageKey,
              record: new Uint8Array(64).fill(uetr[0] ?? 0),
            }
          : { kind: "unknown" },
      proof: async (institution) =>
        institution === 0
          ? { kind: "proof", bytes: Uint8Array.of(1, 2, 3) }
          : { kind: "none", reason: "no such payment" },
      privatePayload: async (hash) =>
        hash[0] === 2
          ? { kind: "found", content: Uint8Array.of(9), signed: Uint8Array.of(8), institution: 0, creditors: [1] }
          : { kind: "none", reason: "no private payload of this message for this caller" },
      directory: () => directory,
      status: () => script.status,
      watchStatus: (changed) => {
        listeners.add(changed);
        return () => listeners.delete(changed);
      },
      submitGovernance: async (transaction) =>
        transaction.length > 1
          ? { kind: "accepted", hash: sha256(transaction) }
          : { kind: "refused", reason: "not signed by the governance set" },
      chainReport: async (from) => ({
        final: undefined,
        handovers: [Uint8Array.of(from)],
        components: undefined,
        outcomes: [],
        shadow: { compared: undefined, blocks: 0, payments: 0, mismatch: undefined },
      }),
      backup: async () => ({ kind: "none", reason: "this validator has no proven checkpoint yet" }),
    },
  };
  return script;
}

/** A process around scripted services; without them it waits for genesis `{}`. */
export function scriptedHost(services: ValidatorServices | undefined): Host {
  let running = services;
  const started = Promise.withResolvers<void>();
  if (running) started.resolve();
  return {
    seat: "one",
    region: "eu-west",
    identity: {
      blsKey: new Uint8Array(48).fill(1),
      peerKey: new Uint8Array(32).fill(2),
      proofOfPossession: new Uint8Array(96).fill(3),
    },
    answerChallenge: (challenge) => new Uint8Array(64).fill(challenge[0] ?? 0),
    retired: () => "",
    services: () => running,
    started: started.promise,
    waitsFor: () => "genesis",
    provideState: async () => ({ kind: "refused", reason: "this validator does not wait for a state" }),
    provideGenesis: async (document) => {
      if (new TextDecoder().decode(document) !== "{}")
        return { kind: "refused", reason: "another genesis is in the volume" };
      running ??= scriptedServices().services;
      started.resolve();
      return { kind: "taken", chainId: new Uint8Array(32).fill(4) };
    },
  };
}

/** A configuration as a file's text would give it. */
export function configFrom(overrides: object = {}): ValidatorConfig {
  const result = parseConfig(
    JSON.stringify({
      seat: "one",
      dataDir: "data",
      p2p: { listen: ["/ip4/127.0.0.1/tcp/0"] },
      rpc: { host: "127.0.0.1", port: 0 },
      metrics: { host: "127.0.0.1", port: 0 },
      ...overrides,
    }),
  );
  if (result.kind === "invalid") throw new Error(result.problems.join("\n"));
  return result.config;
}

export interface TestServer {
  readonly rpc: RpcServer;
  readonly metrics: Metrics;
  /** Lines logged so far, parsed. */
  readonly lines: Record<string, unknown>[];
  readonly url: string;
}

/** The real server on a free port. */
export async function serve(
  host: Host,
  options: {
    readonly config?: ValidatorConfig["rpc"];
    readonly tls?: { cert: string; key: string; clientCa: string };
    readonly telemetry?: Telemetry;
  } = {},
): Promise<TestServer> {
  const metrics = createMetrics("one");
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "debug",
    seat: "one",
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const rpc = await startRpc({
    config: options.config ?? configFrom().rpc,
    tls: options.tls,
    host,
    metrics,
    log,
    telemetry: options.telemetry ?? noTelemetry,
    settlementLatency: () => ({ p50: 5, p99: 12 }),
    release: "1.2.3",
  });
  return { rpc, metrics, lines, url: `${options.tls ? "https" : "http"}://127.0.0.1:${rpc.port}` };
}

/** Clients of both services over one connection. */
export function clients(url: string, nodeOptions: object = {}, protocol: "connect" | "grpc" = "connect") {
  const transport =
    protocol === "grpc"
      ? createGrpcTransport({ baseUrl: url, nodeOptions, acceptCompression: [] })
      : createConnectTransport({
          baseUrl: url,
          httpVersion: "2",
          useBinaryFormat: true,
          nodeOptions,
          acceptCompression: [],
        });
  return { settlement: createClient(SettlementService, transport), admin: createClient(AdminService, transport) };
}
