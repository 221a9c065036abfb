/**
 * A swarm under load is checkpointed to an object store, loses every volume and every object of its API, and goes on
 * from the last verified checkpoint: same root, no payment twice, none lost. A corrupted, truncated, forged or stale
 * checkpoint is refused with its reason.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { DeleteObjectCommand, ListObjectVersionsCommand, S3Client } from "@aws-sdk/client-s3";
import { parse, stringify } from "yaml";
import { openDirectoryStore } from "../../checkpoint/directory-store.ts";
import {
  chunkKey,
  chunksOf,
  decodeManifest,
  encodeManifest,
  largestManifest,
  type Manifest,
  sha256Hex,
} from "../../checkpoint/manifest.ts";
import { signRecovery } from "../../checkpoint/recovery.ts";
import { openS3Store } from "../../checkpoint/s3-store.ts";
import type { ObjectStore } from "../../checkpoint/store.ts";
import { checkpointStatus, type SwarmCheckpointStatus } from "../../operator/api/swarm-checkpoint.ts";
import { parseValidatorSwarm } from "../../operator/api/validator-swarm.ts";
import { type Fleet, startFleet } from "../../operator/embedded/fleet.ts";
import type { EmbeddedWorld } from "../../operator/embedded/world.ts";
import { configMaps, secrets, swarmCheckpoints } from "../../operator/kube/kinds.ts";
import { type Kind, pathOf, textAt } from "../../operator/kube/objects.ts";
import { genesisName, institutionKeys, operatorKeySecret } from "../../operator/objects/names.ts";
import { trustGenesis, verifyOffline } from "../../operator/verification.ts";
import { GetMessageResponse_State as State } from "../../proto/validator/v1/validator_pb.js";
import { type ObjectStoreServer, startObjectStore } from "../object-store/server.ts";
import { directoryOf, openPayer, paymentsPerMessage, startPaying, submit } from "./payments.ts";

const root = join(import.meta.dirname, "../..");
const swarm = "quickstart";
const bucket = "ledger";
const name = "before-the-fire";
/** 1,000 payments/s, with room. */
const everyMs = 30;
const loadMs = 20_000;
const verifiedBound = 120_000;
const settledBound = 120_000;
const joinedBound = 120_000;
const deadlineMs = 10_000;
const signal = new AbortController().signal;

export interface RestoreContext {
  readonly directory: string;
  readonly portBase: number;
}

export const restore = { name: "restore", minutes: 4, run };

async function run({ directory, portBase }: RestoreContext): Promise<string> {
  const server = await startObjectStore(join(directory, "store"), portBase + 990, console.log);
  try {
    await server.createBucket(bucket);
    const before = await live(server, join(directory, "before"), portBase);
    // Volumes, objects, Secrets: everything.
    rmSync(join(directory, "before"), { recursive: true, force: true });
    const refused = await refusals(server, join(directory, "refusals"), before);
    const after = await again(server, join(directory, "after"), portBase, before);
    return `${before.figures}\n        ${refused}\n        ${after}`;
  } finally {
    await server.close();
  }
}

/** What is known when everything else is lost. */
interface Survived {
  readonly status: SwarmCheckpointStatus;
  readonly messages: number;
  /** ed25519 seeds by BIC; the operator's, "". */
  readonly seeds: ReadonlyMap<string, string>;
  readonly payer: string;
  /** Of a payment below the checkpoint, and what verifies it. */
  readonly proof: Uint8Array;
  readonly genesis: Uint8Array;
  readonly opening: bigint;
  readonly settledHeight: number;
  readonly figures: string;
}

async function live(server: ObjectStoreServer, directory: string, portBase: number): Promise<Survived> {
  const fleet = await start(directory, portBase, {}, async (world) =>
    makeSecret(world, "store-keys", storeKeys(server)),
  );
  try {
    const seeds = await fleet.seeds();
    const [payerBic = ""] = [...seeds.keys()].filter((bic) => bic !== "");
    const payer = await openPayer(fleet, seeds.get(payerBic) ?? "");
    const opening = await balanceOf(fleet, payer.debtor);
    const load = startPaying(fleet, payer, everyMs);
    const began = performance.now();
    await delay(loadMs);
    const asked = performance.now();
    await post(fleet.world, swarmCheckpoints, {
      apiVersion: "validatorswarm.io/v1alpha1",
      kind: "SwarmCheckpoint",
      metadata: { name },
      spec: {
        swarm,
        destination: { s3: { ...bucketOf(server), objectLock: { mode: "Compliance", days: 1 } } },
      },
    });
    const status = await verified(fleet);
    const took = Math.round(performance.now() - asked);
    const proof = await proofOf(fleet, payer.institution, payer.uetr(0, 0));
    // What comes after the checkpoint is lost with the volumes, acknowledged or not.
    await delay(5_000);
    const rate = Math.round((load.acknowledged() * paymentsPerMessage * 1_000) / (performance.now() - began));
    const messages = await load.stop();
    must(rate >= 1_000, `${rate} payments/s were acknowledged`);
    const settledHeight = Math.max(...fleet.view.state.seats().map(({ status: seat }) => seat?.settledHeight ?? 0));
    const genesis = await genesisOf(fleet.world);
    const { height, bytes = 0, chunks, verification: proven } = status;
    const figures = `${messages * paymentsPerMessage} payments at ${rate}/s; checkpoint of height ${height} (${chunks} chunks, ${Math.round(bytes / 1024)} KiB) written, read back, restored and replayed to ${proven?.replayedTo} in ${took} ms`;
    return { status, messages, seeds, payer: payerBic, proof, genesis, opening, settledHeight, figures };
  } finally {
    await fleet.close();
  }
}

/** The checkpoint copied, and spoilt in each way; and nobody can delete what the lock holds. */
async function refusals(server: ObjectStoreServer, directory: string, { status }: Survived): Promise<string> {
  const source = storeOf(server);
  const manifestKey = status.manifest ?? "";
  const manifest = await manifestOf(source, manifestKey);
  const reasons: string[] = [];
  const attempt = async (
    what: string,
    wanted: string,
    spoil: (store: ObjectStore, folder: string) => Promise<{ readonly key?: string; readonly config?: object }>,
  ) => {
    const folder = join(directory, what);
    const store = openDirectoryStore(folder);
    for (const { digest, size } of chunksOf(manifest))
      await store.put(chunkKey(digest), (await source.get(chunkKey(digest), size)) ?? new Uint8Array());
    await store.put(manifestKey, (await source.get(manifestKey, largestManifest)) ?? new Uint8Array());
    const { key = manifestKey, config = {} } = await spoil(store, folder);
    const outcome = await verifyWith(folder, { chainId: status.chainId, manifest: key, ...config });
    must(outcome === wanted, `a ${what} checkpoint: ${outcome}, not ${wanted}`);
    reasons.push(`${what}: ${outcome}`);
  };
  const state = manifest.state[0]!;
  await attempt("good", "verified", async () => ({}));
  await attempt("corrupted", "Corrupted", async (store, folder) => {
    const bytes = (await store.get(chunkKey(state.digest), state.size))!;
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(join(folder, chunkKey(state.digest)), bytes);
    return {};
  });
  await attempt("truncated", "Truncated", async (store, folder) => {
    const bytes = (await store.get(chunkKey(state.digest), state.size))!;
    writeFileSync(join(folder, chunkKey(state.digest)), bytes.subarray(0, bytes.length - 1));
    return {};
  });
  await attempt("forged", "Forged", async (store) => {
    // Every digest is right: only the certificate says that nobody agreed to this money.
    const last = manifest.state.at(-1)!;
    const bytes = (await store.get(chunkKey(last.digest), last.size))!;
    bytes[bytes.length - 48]! ^= 1;
    const chunk = { digest: sha256Hex(bytes), size: bytes.length };
    await store.put(chunkKey(chunk.digest), bytes);
    const { format: _, version: __, ...fields } = manifest;
    const forged = encodeManifest({ ...fields, state: [...manifest.state.slice(0, -1), chunk] });
    await store.put(`${manifestKey}.forged`, forged);
    return { key: `${manifestKey}.forged` };
  });
  await attempt("stale", "Stale", async () => ({ config: { notBelow: manifest.height + 1 } }));
  await attempt("another chain's", "AnotherChain", async () => ({ config: { chainId: "ab".repeat(32) } }));

  const held = await source.remove(chunkKey(state.digest));
  must(held.kind === "held", "the program would delete what the lock holds");
  const { endpoint, region, credentials } = server;
  const client = new S3Client({ endpoint, region, credentials: { ...credentials }, forcePathStyle: true });
  const listed = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: chunkKey(state.digest) }));
  const version = listed.Versions?.[0];
  const deleted = await client
    .send(
      new DeleteObjectCommand({
        Bucket: bucket,
        Key: version?.Key,
        VersionId: version?.VersionId,
        BypassGovernanceRetention: true,
      }),
    )
    .then(
      () => "deleted",
      (error: unknown) => (error instanceof Error ? error.name : String(error)),
    );
  // One is written over and one is hidden: the restoration below reads what the lock kept.
  const hidden = manifest.state.at(-1)!;
  await source.put(chunkKey(state.digest), Buffer.from("spoilt"));
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: chunkKey(hidden.digest) }));
  client.destroy();
  must(deleted !== "deleted", "the store deletes what its lock holds");
  return `refused: ${reasons.slice(1).join(", ")}; a delete under Object Lock: ${deleted}; a chunk written over and one hidden by who has the store's keys`;
}

/** New validators, a new chain, the old money. */
async function again(
  server: ObjectStoreServer,
  directory: string,
  portBase: number,
  survived: Survived,
): Promise<string> {
  const { status, seeds, settledHeight } = survived;
  const { chainId, height = 0, stateRoot = "", manifest = "" } = status;
  const governor = seeds.get("") ?? "";
  const recovery = signRecovery({ chainId, height, stateRoot }, { settledHeight, chainName: swarm }, [
    { key: 0, seed: governor },
  ]);
  const began = performance.now();
  const { objectLock: _, ...place } = { objectLock: undefined, ...bucketOf(server) };
  const fleet = await start(
    directory,
    portBase,
    { restoreFrom: { s3: { ...place, manifest }, recoverySecret: "recovery" } },
    async (world) => {
      await makeSecret(world, "store-keys", storeKeys(server));
      await makeSecret(world, "recovery", { recovery: JSON.stringify(recovery) });
      await makeSecret(world, operatorKeySecret(swarm), { key: governor });
      const files = [...seeds].filter(([bic]) => bic !== "").map(([bic, seed]) => [`${bic}.hex`, seed] as const);
      await makeSecret(world, institutionKeys(swarm), Object.fromEntries(files));
    },
  );
  try {
    const up = Math.round(performance.now() - began);
    const roots = restoredRoots(directory);
    must(roots.length === 4 && roots.every((each) => each === stateRoot), `the roots restored are ${roots.join(", ")}`);
    const { chainId: newId } = await directoryOf(fleet);
    must(Buffer.from(newId).toString("hex") !== chainId, "the restored chain has the old one's id");

    const payer = await openPayer(fleet, seeds.get(survived.payer) ?? "");
    const atStart = await balanceOf(fleet, payer.debtor);
    const already = Number(survived.opening - atStart) / paymentsPerMessage;
    const codes = new Map<string, number>();
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < survived.messages; n += 100) {
        const some = Array.from({ length: Math.min(100, survived.messages - n) }, (_, i) => n + i);
        const answers = await Promise.all(some.map((each) => submit(fleet, payer.message(each), each)));
        if (round === 0) for (const code of answers) codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      await allPaid(fleet, survived, payer);
    }
    const duplicates = codes.get("DU01") ?? 0;
    must(duplicates === already, `${duplicates} messages were refused as duplicates, ${already} had settled`);
    const wanted = survived.opening - BigInt(survived.messages * paymentsPerMessage);
    const balance = await balanceOf(fleet, payer.debtor);
    must(balance === wanted, `the payer has ${balance}, not ${wanted}: a payment was lost or made twice`);
    const joined = await joins(fleet, directory);
    const trusted = trustGenesis(Buffer.from(survived.genesis).toString("utf8"));
    const verdict = trusted.kind === "trusted" ? verifyOffline(survived.proof, trusted.genesis) : trusted;
    must(verdict.kind === "settled", "the proof of a payment below the checkpoint does not verify any more");
    return `restored in ${up} ms on 4 new validators, root ${stateRoot.slice(0, 16)}… on each; ${duplicates} messages refused as duplicates, ${survived.messages - duplicates} settled again, once; ${joined}; an old proof still verifies`;
  } finally {
    await fleet.close();
  }
}

/** Every message settled, seen in the payer's balance, on every validator. */
async function allPaid(
  fleet: Fleet,
  { messages, opening }: Survived,
  payer: { readonly debtor: number },
): Promise<void> {
  const until = performance.now() + settledBound;
  const wanted = opening - BigInt(messages * paymentsPerMessage);
  while (performance.now() < until) {
    const balances = await Promise.all(
      fleet.view.links.map(async ({ settlement }) => {
        const { accounts } = await settlement.getDirectory({});
        return accounts[payer.debtor]?.balance;
      }),
    );
    if (balances.every((balance) => balance === wanted)) return;
    await delay(250);
  }
  throw new Error(`not every payment settled after ${settledBound} ms`);
}

/** A seat that begins with nothing but the genesis document fetches a peer's checkpoint; one that starts again has its own. */
async function joins(fleet: Fleet, directory: string): Promise<string> {
  const began = performance.now();
  const [one = ""] = podsOf(directory);
  fleet.hold([one])();
  await fleet.change({ replicas: 5 });
  const until = performance.now() + joinedBound;
  const holds = (type: string, wanted: string) =>
    fleet.status()?.conditions.some((each) => each.type === type && each.status === wanted) ?? false;
  while (performance.now() < until) {
    if (holds("Ready", "True") && holds("Progressing", "False") && fleet.status()?.seats.length === 5)
      return `${one} killed and a fifth seat joined in ${Math.round(performance.now() - began)} ms`;
    await delay(200);
  }
  throw new Error(`no fifth seat after ${joinedBound} ms: ${JSON.stringify(fleet.status()?.conditions)}`);
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

async function start(
  directory: string,
  portBase: number,
  spec: object,
  prepare: (world: EmbeddedWorld) => Promise<void>,
): Promise<Fleet> {
  const document = parse(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
  document.spec = { ...document.spec, ...spec, gateway: { replicas: 0 } };
  document.spec.consensus.checkpointInterval = 100;
  const manifest = parseValidatorSwarm(stringify(document));
  if (manifest.kind !== "ok") throw new Error(`the manifest is not valid: ${JSON.stringify(manifest)}`);
  mkdirSync(directory, { recursive: true });
  const started = await startFleet(manifest.swarm, { portBase, directory, direct: true, prepare, signal });
  if (started.kind === "failed") throw new Error(started.reason);
  return started.fleet;
}

const bucketOf = ({ endpoint, region }: ObjectStoreServer) => ({
  bucket,
  endpoint,
  region,
  credentialsSecret: "store-keys",
});

const storeKeys = ({ credentials: { accessKeyId, secretAccessKey } }: ObjectStoreServer) => ({
  accessKeyId,
  secretAccessKey,
});

function storeOf({ endpoint, region, credentials }: ObjectStoreServer): ObjectStore {
  return openS3Store({ bucket, prefix: "", endpoint, region, credentials, now: Date.now });
}

async function post(world: EmbeddedWorld, kind: Kind, value: Readonly<Record<string, unknown>>): Promise<void> {
  const body = { type: "application/json", value } as const;
  const path = pathOf(kind, world.namespace);
  const answer = await world.api("e2e").request({ method: "POST", path, body, signal, deadlineMs });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
}

function makeSecret(world: EmbeddedWorld, secret: string, texts: Readonly<Record<string, string>>): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return post(world, secrets, { apiVersion: "v1", kind: "Secret", metadata: { name: secret }, type: "Opaque", data });
}

/** The checkpoint's status, once it is verified. */
async function verified(fleet: Fleet): Promise<SwarmCheckpointStatus> {
  const path = pathOf(swarmCheckpoints, fleet.world.namespace, name);
  const until = performance.now() + verifiedBound;
  let last: unknown;
  while (performance.now() < until) {
    const answer = await fleet.world.api("e2e").request({ method: "GET", path, signal, deadlineMs });
    last = answer.kind === "ok" ? answer.body["status"] : answer.failure.message;
    const status = checkpointStatus.safeParse(last).data;
    if (status?.conditions.some(({ type, status: holds }) => type === "Verified" && holds === "True")) return status;
    await delay(200);
  }
  throw new Error(`not verified after ${verifiedBound} ms: ${JSON.stringify(last)}`);
}

async function genesisOf(world: EmbeddedWorld): Promise<Uint8Array> {
  const path = pathOf(configMaps, world.namespace, genesisName(swarm));
  const answer = await world.api("e2e").request({ method: "GET", path, signal, deadlineMs });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
  return Buffer.from(textAt(answer.body["data"], "genesis.json"), "utf8");
}

async function balanceOf(fleet: Fleet, account: number): Promise<bigint> {
  const { accounts } = await directoryOf(fleet);
  return accounts[account]?.balance ?? 0n;
}

async function proofOf(fleet: Fleet, institution: number, uetr: Uint8Array): Promise<Uint8Array> {
  for (const { settlement } of fleet.view.links) {
    const { state } = await settlement.getPayment({ institution, uetr });
    if (state !== State.SETTLED) continue;
    return (await settlement.getProof({ institution, uetr })).proof;
  }
  throw new Error("no validator has the proof of the first payment");
}

async function manifestOf(store: ObjectStore, key: string): Promise<Manifest> {
  const read = decodeManifest((await store.get(key, largestManifest)) ?? new Uint8Array());
  if (read.kind === "failed") throw new Error(read.message);
  return read.manifest;
}

/** `verified`, or the reason of the refusal, as the program says it. */
async function verifyWith(folder: string, config: object): Promise<string> {
  const file = `${folder}.json`;
  const result = `${folder}.result`;
  writeFileSync(
    file,
    JSON.stringify({ destination: { directory: folder }, scratch: `${folder}.scratch`, result, ...config }),
  );
  await promisify(execFile)(process.execPath, [join(root, "checkpoint/main.ts"), "verify", "--config", file]).catch(
    () => {},
  );
  const outcome: unknown = JSON.parse(readFileSync(result, "utf8"));
  const failure = typeof outcome === "object" && outcome !== null && "failure" in outcome ? outcome.failure : undefined;
  return failure === undefined ? "verified" : textAt(failure, "reason");
}

const podsOf = (directory: string) =>
  readdirSync(join(directory, swarm, "logs")).flatMap((file) => /^(.*-g1)\.log$/.exec(file)?.[1] ?? []);

/** What each validator says of the state it was given. */
function restoredRoots(directory: string): readonly string[] {
  return podsOf(directory).flatMap((pod) =>
    readFileSync(join(directory, swarm, "logs", `${pod}.log`), "utf8")
      .split("\n")
      .flatMap((line) => (line.includes('"state-restored"') ? [textAt(JSON.parse(line), "root")] : [])),
  );
}
