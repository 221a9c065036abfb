/** Whole validators in one process and virtual time: shipped driver, storage, ledger and signatures over simulated clock, network and disk. */
import { bytesToHex } from "@noble/hashes/utils.js";
import { buildMessage, creditTransfer, messageKey, recordLength, writeRecord } from "../../codec/payment-message.ts";
import { commitment, encodePrivatePayload, privateRoot } from "../../codec/private-payload.ts";
import type { EpochConfig, GovernanceTransaction } from "../../consensus/types.ts";
import { blsSigner } from "../../crypto/bls.ts";
import { type Ed25519Signer, ed25519Signer } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/hash.ts";
import { type GenesisDocument, parseGenesis } from "../../ledger/genesis.ts";
import { type ActionDocument, buildTransaction } from "../../ledger/governance.ts";
import { createMemoryKeys } from "../../ledger/memory-keys.ts";
import { processDisk } from "../../simulator/ports/process-disk.ts";
import {
  createSimClock,
  createSimWorld,
  type SimClock,
  type SimClockOptions,
  type SimWorld,
} from "../../simulator/ports/sim-clock.ts";
import { createSimDisk, type SimDisk } from "../../simulator/ports/sim-disk.ts";
import { createSimNetwork, type SimNetwork, type SimNetworkPort } from "../../simulator/ports/sim-network.ts";
import { openStore } from "../../storage/store.ts";
import type { Store } from "../../storage/types.ts";
import { type Driver, startDriver } from "../driver.ts";
import { type Chain, ledgerFromGenesis } from "../ledger-port.ts";
import type { Limits } from "../limits.ts";
import type { Signers } from "../outbox.ts";
import type { Network } from "../ports.ts";
import type { DriverEvent, SettledBlock, SubmitResult } from "../services.ts";

const regions = ["eu-west", "us-east", "ap-south", "eu-north"] as const;
/** Where a node is on the network: members by their names, the process of a twin beside them. */
const addressOf = (index: number) => `node ${index}`;
const openingBalance = 1_000_000_000;
const seeded = (name: string) => sha256(new TextEncoder().encode(name));

export interface SwarmOptions {
  readonly seed: number;
  readonly members?: number;
  readonly parameters?: Record<string, number | string>;
  readonly limits?: Partial<Limits>;
  /** Residency zones of each member. */
  readonly zones?: readonly (readonly string[])[];
  /** Of the logs: small ones are dropped sooner. */
  readonly segmentBytes?: number;
  /** Voting power of each member; 1 each without it. */
  readonly powers?: readonly number[];
  /** Members of whom a second process runs, with the same keys and a volume of its own: nodes behind the members', in this order. */
  readonly twins?: readonly number[];
  /** Processes that follow without a vote, named in genesis: nodes behind the twins. */
  readonly learners?: number;
  /** Errors of a node's clocks. */
  readonly clock?: (node: number) => SimClockOptions;
  /** Stands between a node's driver and its network. */
  readonly port?: (node: number, port: SimNetworkPort) => Network;
  /** Stands between a node's driver and its signing keys. */
  readonly signers?: (node: number, signers: Signers) => Signers;
  /** Stands between a node's ledger and what it has executed. */
  readonly keys?: (node: number, keys: Store["keys"]) => Store["keys"];
  /** Hears what `Node.events` keeps, as it happens. */
  readonly observe?: (node: number, event: DriverEvent) => void;
}

interface Node {
  readonly name: string;
  readonly disk: SimDisk;
  clock: SimClock;
  port: SimNetworkPort;
  driver: Driver | undefined;
  /** Open while the driver runs. */
  store: Store | undefined;
  /** Milliseconds before each sync of its disk. */
  syncDelay: number;
  /** Changes when a process starts and when it dies: what an earlier one still does has no effect. */
  life: number;
  readonly events: DriverEvent[];
  readonly failures: unknown[];
}

export interface MessageOptions {
  readonly id: string;
  readonly payments?: number;
  readonly institution?: number;
  /** Each; minor units. */
  readonly amount?: number;
  /** Milliseconds from now. */
  readonly life?: number;
  /** Index of its residency zone; 0: none. */
  readonly zone?: number;
  /** Content of each payment's private part; without it there is none. */
  readonly private?: string;
}

export interface Swarm {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly nodes: readonly Node[];
  start(index: number): Promise<void>;
  startAll(): Promise<void>;
  /** The process dies at once; what its disk had not synced may be lost. */
  crash(index: number): void;
  message(options: MessageOptions): Uint8Array;
  /** The private payload that a message of these options commits to. */
  privateOf(options: MessageOptions): Uint8Array | undefined;
  /** The promise goes on while the world runs. */
  submit(index: number, message: Uint8Array, privatePayload?: Uint8Array): { result: SubmitResult | undefined };
  /** Of payment `index` of the message with this id. */
  uetr(id: string, index: number, institution?: number): Uint8Array;
  readonly genesisConfig: EpochConfig;
  readonly chain: Chain;
  /** Of each account, minor units. */
  readonly openings: readonly bigint[];
  signersOf(index: number): Signers;
  governance(sequence: number, action: ActionDocument): GovernanceTransaction;
  until(condition: () => boolean, limitMs: number): Promise<void>;
  settled(index: number): number;
  driver(index: number): Driver;
  /** Settled blocks of a node from a height on, as its stream gives them. */
  stream(index: number, from: number): { readonly blocks: SettledBlock[]; stop(): void };
}

export function createSwarm(options: SwarmOptions): Swarm {
  const world = createSimWorld(options.seed);
  const network = createSimNetwork(world);
  const count = options.members ?? 4;
  const keys = Array.from({ length: count + (options.learners ?? 0) }, (_, i) => ({
    bls: blsSigner(seeded(`bls ${i}`)),
    peer: ed25519Signer(seeded(`peer ${i}`)),
  }));
  const institutions = Array.from({ length: 4 }, (_, i) => ed25519Signer(seeded(`institution ${i}`)));
  const governor = ed25519Signer(seeded("governance"));
  const start = world.now() + 1_767_225_600_000 - 1_000;
  const document: GenesisDocument = {
    chainName: "test",
    time: start,
    learners: keys.slice(count).map(({ peer }, i) => ({ id: `learner-${i}`, peerKey: bytesToHex(peer.publicKey) })),
    members: keys.slice(0, count).map(({ bls, peer }, i) => ({
      id: `seat-${i}`,
      power: options.powers?.[i] ?? 1,
      region: regions[i % regions.length] ?? "eu-west",
      zones: [...(options.zones?.[i] ?? [])],
      blsKey: bytesToHex(bls.publicKey),
      peerKey: bytesToHex(peer.publicKey),
      proofOfPossession: bytesToHex(bls.provePossession(peer.publicKey)),
    })),
    zones: [...new Set(options.zones?.flat() ?? [])],
    parameters: options.parameters ?? {},
    governance: { threshold: 1, keys: [bytesToHex(governor.publicKey)] },
    institutions: institutions.map((signer, i) => ({
      bic: `QSW${"ABCD"[i]}DEFFXXX`,
      key: bytesToHex(signer.publicKey),
    })),
    accounts: institutions.map((_, i) => ({
      institution: `QSW${"ABCD"[i]}DEFFXXX`,
      currency: "EUR",
      openingBalance,
    })),
  };
  const parsed = parseGenesis(document);
  if (parsed.kind === "refused") throw new Error(parsed.reasons.join("\n"));
  const chain = { genesis: parsed.genesis, chainId: parsed.chainId };

  const twins = options.twins ?? [];
  const keysOf = (index: number): number => (index < count ? index : (twins[index - count] ?? index - twins.length));
  function signersOf(index: number): Signers {
    const signers = keys[keysOf(index)];
    if (!signers) throw new Error(`no keys ${index}`);
    return signers;
  }
  const nodes: Node[] = [...keys.keys(), ...twins.keys()].map((_, index) => {
    const signers = signersOf(index);
    const name = bytesToHex(signers.peer.publicKey);
    return {
      name,
      disk: createSimDisk(world.random),
      clock: createSimClock(world, options.clock?.(index)),
      port: network.join(name, addressOf(index)),
      driver: undefined,
      store: undefined,
      syncDelay: 0,
      life: 0,
      events: [],
      failures: [],
    };
  });
  const nodeAt = (index: number): Node => {
    const node = nodes[index];
    if (!node) throw new Error(`no node ${index}`);
    return node;
  };
  const driver = (index: number): Driver => {
    const running = nodeAt(index).driver;
    if (!running) throw new Error(`node ${index} is not running`);
    return running;
  };

  function crash(index: number): void {
    const node = nodeAt(index);
    node.life += 1;
    node.clock.stop();
    node.port.crash();
    node.disk.crash(world.random);
    node.driver = undefined;
    node.store = undefined;
  }

  async function startNode(index: number): Promise<void> {
    const node = nodeAt(index);
    const signers = signersOf(index);
    node.clock = createSimClock(world, options.clock?.(index));
    node.port = network.join(node.name, addressOf(index));
    const random = (bytes: number) => Uint8Array.from({ length: bytes }, () => Math.floor(world.random() * 256));
    const life = ++node.life;
    const alive = () => node.life === life;
    const disk = processDisk(node.disk, world, () => node.syncDelay, alive);
    const opening = await openStore(disk, "/volume", {
      random,
      segmentBytes: options.segmentBytes ?? 1 << 18,
      leastFree: 1 << 12,
    });
    if (opening.kind === "fault")
      throw new Error(`${opening.fault.kind} ${opening.fault.path}: ${opening.fault.message}`);
    const { clock } = node;
    node.store = opening.store;
    let live: Driver | undefined;
    await startDriver({
      clock,
      network: options.port?.(index, node.port) ?? node.port,
      store: options.keys
        ? Object.create(opening.store, { keys: { value: options.keys(index, opening.store.keys) } })
        : opening.store,
      chain,
      signers: options.signers?.(index, signers) ?? signers,
      peerName: (peerKey) => peerKey,
      addressesOf: (id) => [`/sim/${id}`],
      ...(options.limits ? { limits: options.limits } : {}),
      observe: (event) => {
        if (!alive()) return;
        node.events.push(event);
        options.observe?.(index, event);
      },
      onFatal: (error) => alive() && node.failures.push(error),
      onMoved: () => {
        if (!alive()) return;
        crash(index);
        startNode(index).catch((error: unknown) => node.failures.push(error));
      },
    }).then((started) => {
      live = started;
    });
    if (alive()) node.driver = live;
  }

  /** Starting needs virtual time to pass where the disk is slow or execution yields. */
  async function runUntilDone(work: Promise<void>): Promise<void> {
    let done = false;
    let failed: unknown;
    work.then(
      () => {
        done = true;
      },
      (error: unknown) => {
        failed = error;
        done = true;
      },
    );
    await world.until(() => done, 60_000);
    if (failed) throw failed;
  }

  const uetr = (id: string, index: number, institution = 0) =>
    seeded(`uetr ${institution} ${id} ${index}`).subarray(0, 16);

  const privateItems = ({ id, payments = 1, private: content }: MessageOptions) =>
    content === undefined
      ? []
      : Array.from({ length: payments }, (_, i) => ({
          salt: seeded(`salt ${id} ${i}`).subarray(0, 16),
          content: new TextEncoder().encode(`${content} ${i}`),
        }));

  const swarm: Swarm = {
    uetr,
    openings: institutions.map(() => BigInt(openingBalance)),
    signersOf,
    chain,
    genesisConfig: ledgerFromGenesis(chain, createMemoryKeys()).epochConfig,
    world,
    network,
    nodes,
    driver,
    start: (index) => runUntilDone(startNode(index)),
    async startAll() {
      for (const i of nodes.keys()) await swarm.start(i);
    },
    crash,
    privateOf: (of) => {
      const items = privateItems(of);
      return items.length > 0 ? encodePrivatePayload(items) : undefined;
    },
    message(of) {
      const { id, payments = 1, institution = 0, amount = 1, life = 3_600_000, zone = 0 } = of;
      const items = privateItems(of);
      const commitments = items.map((item) => commitment(item));
      const records = new Uint8Array(payments * recordLength);
      for (let i = 0; i < payments; i++) {
        writeRecord(records, i, {
          uetr: uetr(id, i, institution),
          debtor: institution,
          creditor: (institution + 1) % 4,
          amount,
          currency: 978,
          purpose: 0,
          valueDate: 20_260_101,
          commitment: commitments[i] ?? new Uint8Array(24),
        });
      }
      const fields = {
        kind: creditTransfer,
        institution,
        zone,
        atomic: false,
        messageKey: messageKey(id),
        chainId: chain.chainId,
        expiry: Math.floor(nodeAt(1).clock.now().wall) + life,
        privateRoot: items.length > 0 ? privateRoot(items) : new Uint8Array(32),
      };
      const signer = institutions[institution] as Ed25519Signer;
      return buildMessage(fields, records, (bytes) => signer.sign(bytes));
    },
    submit(index, message, privatePayload) {
      const outcome: { result: SubmitResult | undefined } = { result: undefined };
      void driver(index)
        .services.submit(message, privatePayload, "")
        .then((result) => {
          outcome.result = result;
        });
      return outcome;
    },
    governance: (sequence, action) =>
      buildTransaction(chain.chainId, sequence, action, [{ key: 0, sign: (bytes) => governor.sign(bytes) }]),
    async until(condition, limitMs) {
      const reached = await world.until(() => condition() || nodes.some((node) => node.failures.length > 0), limitMs);
      const failure = nodes.flatMap((node) => node.failures)[0];
      if (failure) throw failure;
      if (!reached) throw new Error(`not reached in ${limitMs} ms of virtual time:\n${describe(nodes)}`);
    },
    settled: (index) => driver(index).services.status().settledPayments,
    stream(index, from) {
      const blocks: SettledBlock[] = [];
      const controller = new AbortController();
      const read = async () => {
        for await (const block of driver(index).services.settlements(from, controller.signal)) blocks.push(block);
      };
      void read();
      return { blocks, stop: () => controller.abort() };
    },
  };
  return swarm;
}

function describe(nodes: readonly Node[]): string {
  return nodes
    .map((node, i) => {
      if (!node.driver) return `node ${i}: down`;
      const { view, finalizedHeight, executedHeight, settledHeight, notReady, leader } = node.driver.services.status();
      const last = node.events.slice(-8).map((event) => JSON.stringify(event));
      return `node ${i}: view ${view} (leader ${leader}) final ${finalizedHeight} executed ${executedHeight} settled ${settledHeight} ${notReady}\n  ${last.join("\n  ")}`;
    })
    .join("\n");
}
