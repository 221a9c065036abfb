/** Real validator processes on real ports: from empty volumes to settled payments, through kill -9 and back. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Code, ConnectError } from "@connectrpc/connect";
import { bytesToHex } from "@noble/hashes/utils.js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SubmitResponse_Outcome as Outcome } from "../proto/validator/v1/validator_pb.js";
import { buildMessage, creditTransfer, messageKey, recordLength, writeRecord } from "./codec/payment-message.ts";
import { digest } from "./consensus/types.ts";
import { verifyChallenge } from "./crypto/challenge.ts";
import { ed25519Signer } from "./crypto/ed25519.ts";
import { sha256 } from "./crypto/hash.ts";
import { canonicalJson } from "./ledger/genesis.ts";
import { allInstitutions } from "./rpc/settlement.ts";
import { clients } from "./rpc/testing/servers.ts";

const directory = mkdtempSync(join(tmpdir(), "validator-"));
const running = new Set<Seat>();
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Seat {
  readonly name: string;
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[];
  readonly stderr: () => string;
  /** The first line of an event, past or to come. */
  readonly logged: (event: string) => Promise<Record<string, unknown>>;
  readonly ended: Promise<number | string>;
}

function launch(name: string, config: object): Seat {
  const file = join(directory, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  return launchWith(name, ["--config", file]);
}

function launchWith(name: string, args: readonly string[]): Seat {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: Record<string, unknown>[] = [];
  const waiting: { readonly event: string; readonly resolve: (line: Record<string, unknown>) => void }[] = [];
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  if (child.stdout)
    createInterface(child.stdout).on("line", (text) => {
      if (!text.startsWith("{")) return;
      const line: Record<string, unknown> = JSON.parse(text);
      lines.push(line);
      for (const { event, resolve } of waiting) if (line["event"] === event) resolve(line);
    });
  const ended = once(child, "close").then(([code, signal]) => {
    running.delete(seat);
    return code ?? signal;
  });
  const seat: Seat = {
    name,
    process: child,
    lines,
    stderr: () => errors,
    ended,
    logged: (event) => {
      const past = lines.find((line) => line["event"] === event);
      if (past) return Promise.resolve(past);
      const come = new Promise<Record<string, unknown>>((resolve) => void waiting.push({ event, resolve }));
      const gone = ended.then((how): never => {
        throw new Error(`${name} ended (${how}) before ${event}: ${errors}${JSON.stringify(lines.slice(-3))}`);
      });
      return Promise.race([come, gone]);
    },
  };
  running.add(seat);
  return seat;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function alone(dataDir: string, ports: readonly number[] = [0, 0, 0]): object {
  return {
    seat: "one",
    dataDir: join(directory, dataDir),
    p2p: { listen: [`/ip4/127.0.0.1/tcp/${ports[0]}`] },
    rpc: { host: "127.0.0.1", port: ports[1] },
    metrics: { host: "127.0.0.1", port: ports[2] },
  };
}

describe("exit codes", () => {
  afterEach(async () => {
    for (const seat of running) seat.process.kill("SIGKILL");
    await Promise.all([...running].map((seat) => seat.ended));
  });

  test("2 and a sentence for wrong arguments and configuration", async () => {
    const cases: [readonly string[], RegExp][] = [
      [[], /--config FILE is missing/],
      [["--config", join(directory, "absent.json")], /cannot read .*absent\.json: ENOENT/],
      [["--colour"], /Unknown option '--colour'/],
    ];
    for (const [args, expected] of cases) {
      const seat = launchWith("usage", args);
      expect(await seat.ended).toBe(2);
      expect(seat.stderr()).toMatch(expected);
    }
    const wrong = launch("wrong", { ...alone("wrong"), rpc: { host: "0.0.0.0", port: 1 } });
    expect(await wrong.ended).toBe(2);
    expect(wrong.stderr()).toMatch(/rpc\.host: 0\.0\.0\.0 is reachable from other machines/);
  });

  test("4 when a port is taken", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as { port: number };
    const seat = launch("taken", alone("taken", [0, port, 0]));
    expect(await seat.ended).toBe(4);
    expect(await seat.logged("address-taken")).toMatchObject({ level: "fatal" });
    holder.close();
  });

  test("5 when the genesis document is wrong", async () => {
    const file = join(directory, "genesis-wrong.json");
    writeFileSync(file, "{}");
    const seat = launch("genesis", { ...alone("genesis"), genesis: file });
    expect(await seat.ended).toBe(5);
    expect(existsSync(join(directory, "genesis", "genesis.json"))).toBe(false);
  });

  test("6 when another process runs on the volume, on whatever ports", async () => {
    const first = launch("first", alone("shared"));
    await first.logged("waiting-for-genesis");
    const second = launch("second", alone("shared"));
    expect(await second.ended).toBe(6);
    expect(await second.logged("volume-busy")).toMatchObject({ level: "fatal" });
    // The kernel lets go of a volume whose process was killed.
    first.process.kill("SIGKILL");
    await first.ended;
    await launch("third", alone("shared")).logged("waiting-for-genesis");
  });

  test("0 on SIGTERM while it waits for its genesis", async () => {
    const seat = launch("waiting", alone("waiting"));
    await seat.logged("waiting-for-genesis");
    seat.process.kill("SIGTERM");
    expect(await seat.ended).toBe(0);
    expect(seat.lines.at(-1)).toMatchObject({ event: "stopped" });
  });
});

describe("four seats", () => {
  const names = ["eu-west-0", "us-east-0", "ap-south-0", "eu-north-0"] as const;
  const institutions = ["BANKDEFFXXX", "BANKFRPPXXX"].map((bic) => ({
    bic,
    signer: ed25519Signer(sha256(Buffer.from(bic))),
  }));
  const governor = ed25519Signer(sha256(Buffer.from("governance")));
  const seats: Seat[] = [];
  let ports: number[] = [];
  let genesis: Uint8Array;
  let chainId: string;

  const config = (index: number): object => ({
    ...alone(names[index] ?? "", ports.slice(3 * index, 3 * index + 3)),
    seat: names[index],
    peers: names
      .map((seat, i) => ({ seat, addresses: [`/ip4/127.0.0.1/tcp/${ports[3 * i]}`] }))
      .filter((_, i) => i !== index),
    unreachableAfterMs: 2_000,
  });
  const start = (index: number): Seat => {
    const seat = launch(names[index] ?? "", config(index));
    seats[index] = seat;
    return seat;
  };
  const at = (index: number) => clients(`http://127.0.0.1:${ports[3 * index + 1]}`);
  const text = async (index: number, path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${ports[3 * index + 2]}${path}`)).text();
  const ready = (index: number) =>
    expect.poll(() => text(index, "/readyz").catch(String), { timeout: 20_000 }).toBe("ready\n");

  function message(id: string, payments: number): Uint8Array {
    const records = new Uint8Array(payments * recordLength);
    for (let i = 0; i < payments; i++)
      writeRecord(records, i, {
        uetr: sha256(Buffer.from(`${id} ${i}`)).subarray(0, 16),
        debtor: 0,
        creditor: 1,
        amount: 1,
        currency: 978,
        purpose: 0,
        valueDate: 20_260_101,
        commitment: new Uint8Array(24),
      });
    const fields = {
      kind: creditTransfer,
      institution: 0,
      zone: 0,
      atomic: false,
      messageKey: messageKey(id),
      chainId: digest(chainId),
      expiry: Date.now() + 3_600_000,
      privateRoot: new Uint8Array(32),
    };
    return buildMessage(fields, records, (bytes) => institutions[0]?.signer.sign(bytes) ?? new Uint8Array(64));
  }

  /** Submits at one seat and waits until another settled it. */
  async function settle(from: number, to: number, id: string, payments = 3): Promise<number> {
    const answer = await at(from).settlement.submit({ message: message(id, payments) });
    expect(answer).toMatchObject({ outcome: Outcome.ACCEPTED, reason: "" });
    const key = Buffer.from(messageKey(id));
    for await (const block of at(to).settlement.watchSettlements({ fromHeight: 1n, institution: allInstitutions }))
      for (const outcome of block.messages) if (key.equals(outcome.messageKey)) return outcome.settled;
    return -1;
  }

  beforeAll(async () => {
    ports = await freePorts(12);
    await Promise.all(names.map((_, index) => start(index).logged("waiting-for-genesis")));
    const identities = await Promise.all(names.map((_, index) => at(index).admin.getIdentity({})));
    const document = {
      chainName: "test",
      time: Date.now(),
      members: identities.map(({ blsKey, peerKey, proofOfPossession }, index) => ({
        id: names[index],
        power: 1,
        region: names[index]?.slice(0, -2),
        zones: [],
        blsKey: bytesToHex(blsKey),
        peerKey: bytesToHex(peerKey),
        proofOfPossession: bytesToHex(proofOfPossession),
      })),
      parameters: {},
      governance: { threshold: 1, keys: [bytesToHex(governor.publicKey)] },
      institutions: institutions.map(({ bic, signer }) => ({ bic, key: bytesToHex(signer.publicKey) })),
      accounts: institutions.map(({ bic }) => ({ institution: bic, currency: "EUR", openingBalance: 1_000_000 })),
    };
    genesis = Buffer.from(canonicalJson(document));
    const taken = await Promise.all(names.map((_, index) => at(index).admin.provideGenesis({ genesis })));
    chainId = bytesToHex(taken[0]?.chainId ?? new Uint8Array());
  }, 60_000);

  afterAll(async () => {
    for (const seat of running) seat.process.kill("SIGKILL");
    await Promise.all([...running].map((seat) => seat.ended));
  });

  test("become ready once they reach each other", async () => {
    await Promise.all(names.map((_, index) => ready(index)));
  }, 30_000);

  test("settle what any of them accepts", async () => {
    expect(await settle(0, 3, "first", 1_000)).toBe(1_000);
    expect(await settle(2, 1, "second")).toBe(3);
    const status = await at(0).admin.getStatus({});
    expect(status).toMatchObject({ seat: names[0], role: "validator", voting: true, notReady: "" });
    expect(
      status.peers
        .filter(({ connected }) => connected)
        .map(({ seat }) => seat)
        .sort(),
    ).toEqual([...names].filter((name) => name !== names[0]).sort());
  }, 30_000);

  test("the same genesis again is no error, another one is refused", async () => {
    expect(bytesToHex((await at(1).admin.provideGenesis({ genesis })).chainId)).toBe(chainId);
    const other = await at(1)
      .admin.provideGenesis({ genesis: Buffer.from("{}") })
      .then(() => undefined, ConnectError.from);
    expect(other?.code).toBe(Code.FailedPrecondition);
  });

  test("metrics move where the events are", async () => {
    await expect
      .poll(() => text(0, "/metrics"), { timeout: 10_000 })
      .toMatch(/peer_rtt_seconds\{.*peer="us-east-0".*\} /);
    const metrics = await text(0, "/metrics");
    const value = (name: string): number =>
      metrics
        .split("\n")
        .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    for (const name of [
      "consensus_blocks_total",
      "consensus_votes_total",
      "consensus_height",
      "consensus_view",
      "batch_bytes_total",
      "stage_seconds_total",
      "settlement_latency_seconds_count",
      "finality_latency_seconds_count",
      "consensus_round_duration_seconds_count",
      "ingress_messages_total",
      "ledger_payments_total",
    ])
      expect(value(name), name).toBeGreaterThan(0);
  }, 30_000);

  test("kill -9 of one: the others go on and call it a partition once; it comes back to the same state", async () => {
    const killed = seats[3];
    killed?.process.kill("SIGKILL");
    expect(await killed?.ended).toBe("SIGKILL");
    expect(await settle(0, 1, "while one is dead")).toBe(3);
    expect((await seats[0]?.logged("peer-unreachable"))?.["peer"]).toBe(names[3]);
    expect(await text(0, "/metrics")).toMatch(/network_partition_events_total\{.*peer="eu-north-0".*\} 1\n/);

    await start(3).logged("chain-started");
    await ready(3);
    expect(await settle(3, 3, "after its return")).toBe(3);
    await expect
      .poll(
        async () => {
          const all = await Promise.all(names.map((_, index) => at(index).admin.getStatus({})));
          return new Set(all.map(({ executedHeight, stateRoot }) => `${executedHeight} ${bytesToHex(stateRoot)}`)).size;
        },
        { timeout: 10_000 },
      )
      .toBe(1);
  }, 60_000);

  test("SIGTERM ends all in order with 0, and nothing secret or private was logged", async () => {
    for (const seat of seats) seat.process.kill("SIGTERM");
    expect(await Promise.all(seats.map((seat) => seat.ended))).toEqual([0, 0, 0, 0]);
    const troubles = seats.flatMap((seat) => seat.lines.filter(({ level }) => level === "error" || level === "fatal"));
    // The other document above was refused on purpose.
    expect(troubles.map(({ event }) => event)).toEqual(["genesis-refused"]);

    const logs = seats.map((seat) => JSON.stringify(seat.lines) + seat.stderr()).join();
    for (const name of names)
      for (const file of ["bls.key", "peer.key"]) {
        const secret = readFileSync(join(directory, name, "identity", file));
        // Wherever the key begins in its file: no 16 bytes in a row of it are in a log.
        for (let at = 0; at + 16 <= secret.length; at++) {
          const part = secret.subarray(at, at + 16);
          if (part.some((byte) => byte !== 0)) expect(logs).not.toContain(part.toString("hex"));
        }
      }
  }, 30_000);

  test("a validator whose record is gone is retired: it signs nothing and says who it was", async () => {
    rmSync(join(directory, names[0], "log"), { recursive: true });
    const seat = start(0);
    expect(await seat.logged("volume-fault")).toMatchObject({ level: "fatal" });
    await seat.logged("started");
    expect(await at(0).admin.getStatus({})).toMatchObject({ role: "retired", voting: false });
    const challenge = new Uint8Array(32).fill(5);
    const identity = await at(0).admin.getIdentity({ challenge });
    expect(verifyChallenge(identity, challenge, identity.signature)).toBe(true);
    expect(verifyChallenge(identity, challenge.with(0, 6), identity.signature)).toBe(false);
    seat.process.kill();
    expect(await seat.ended).toBe(0);
  }, 30_000);

  test("3 when the keys are gone too: there is nobody to speak for", async () => {
    mkdirSync(join(directory, names[1], "log"), { recursive: true });
    rmSync(join(directory, names[1], "identity", "peer.key"));
    const seat = start(1);
    expect(await seat.ended).toBe(3);
  }, 30_000);
});
