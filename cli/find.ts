/**
 * Where a swarm's gateway and validators listen, and its genesis: as the command line says, or as the API server knows.
 * What listens on this machine is asked there; in a cluster nothing is reached from outside but what is forwarded.
 */
import { readFileSync } from "node:fs";
import { type GatewayAddress, gatewayWithTls } from "../operator/gateway-http.ts";
import { configMaps, pods, validatorSwarms } from "../operator/kube/kinds.ts";
import { arrayAt, isRecord, type StoredObject, textAt } from "../operator/kube/objects.ts";
import { gatewayName, genesisName } from "../operator/objects/names.ts";
import { portAddress } from "../operator/objects/pod.ts";
import { trustGenesis } from "../operator/verification.ts";
import { getObject, listObjects } from "./ask.ts";
import { exitCodes } from "./exit.ts";
import { type Failed, failed } from "./failures.ts";
import { instanceLabel, isReady, podsOf } from "./report.ts";
import type { FoundWorld, World } from "./world.ts";

/** Looks for the API server: only when the command line leaves something to ask it. */
export type OpenWorld = () => FoundWorld;

export interface GatewayOptions {
  readonly swarm?: string;
  readonly gateway?: string;
  /** Files in PEM. */
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

type FoundGateway = { readonly kind: "found"; readonly gateway: GatewayAddress };

/** The gateway to send to. */
export async function findGateway(open: OpenWorld, options: GatewayOptions): Promise<FoundGateway | Failed> {
  const { gateway: url, swarm, cert, key, ca } = options;
  if (url === undefined)
    return inWorld(open, "Any gateway can be named with --gateway URL.", (w) => gatewayOf(w, swarm));
  if (cert === undefined && key === undefined && ca === undefined) return { kind: "found", gateway: url };
  try {
    const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
    const files = Object.entries({ cert: read(cert), key: read(key), ca: read(ca) });
    const given = Object.fromEntries(files.flatMap(([name, bytes]) => (bytes ? [[name, bytes]] : [])));
    return { kind: "found", gateway: gatewayWithTls(url, given) };
  } catch (error) {
    return failed(
      exitCodes.usage,
      `The certificate cannot be used: ${error instanceof Error ? error.message : error}.`,
    );
  }
}

async function gatewayOf(world: World, named: string | undefined): Promise<FoundGateway | Failed> {
  const swarm = await findSwarm(world, named);
  if (swarm.kind === "failed") return swarm;
  const { name } = swarm.object.metadata;
  if (!world.embedded)
    return failed(
      exitCodes.notFound,
      `The gateway of swarm ${name} is inside a cluster. Forward it with kubectl port-forward -n ${world.namespace} service/${gatewayName(name)} 8443:clients, or ask from where it is reached.`,
    );
  const owned = await listObjects(world, pods, `${instanceLabel}=${name}`);
  if (owned.kind === "failed") return owned;
  // One that is not ready yet says so itself.
  const [gateway] = podsOf(name, owned.objects, "gateway")
    .toSorted((a, b) => Number(isReady(b)) - Number(isReady(a)))
    .flatMap((pod) => addressHere(world, pod, "clients") ?? []);
  return gateway === undefined
    ? failed(exitCodes.notFound, `No gateway of swarm ${name} runs. Does its spec ask for one (spec.gateway.replicas)?`)
    : { kind: "found", gateway };
}

export interface ValidatorOptions {
  readonly swarm?: string;
  readonly validator?: readonly string[];
  /** File of the genesis document. */
  readonly genesis?: string;
}

export interface FoundValidators {
  readonly kind: "found";
  readonly urls: readonly string[];
  /** How many the chain has. */
  readonly institutions: number;
}

/** The validators to ask: of those named, the genesis document says how many institutions there are. */
export async function findValidators(
  open: OpenWorld,
  { swarm, validator, genesis }: ValidatorOptions,
): Promise<FoundValidators | Failed> {
  if (validator === undefined)
    return inWorld(open, "Any validators can be named with --validator URL and --genesis FILE.", (w) =>
      validatorsOf(w, swarm),
    );
  if (genesis === undefined)
    return failed(exitCodes.usage, "--validator needs --genesis FILE: it says whose payments there are.");
  let document: string;
  try {
    document = readFileSync(genesis, "utf8");
  } catch {
    return failed(exitCodes.usage, `${genesis} cannot be read.`);
  }
  const trusted = trustGenesis(document);
  if (trusted.kind === "invalid") return failed(exitCodes.usage, `${genesis}: ${trusted.reason}.`);
  return { kind: "found", urls: validator, institutions: trusted.genesis.institutions.length };
}

async function validatorsOf(world: World, named: string | undefined): Promise<FoundValidators | Failed> {
  const swarm = await findSwarm(world, named);
  if (swarm.kind === "failed") return swarm;
  const { metadata, spec } = swarm.object;
  const { name } = metadata;
  if (!world.embedded)
    return failed(
      exitCodes.notFound,
      `The validators of swarm ${name} are inside a cluster. Ask from where they are reached.`,
    );
  const owned = await listObjects(world, pods, `${instanceLabel}=${name}`);
  if (owned.kind === "failed") return owned;
  const urls = podsOf(name, owned.objects, "validator").flatMap((pod) => addressHere(world, pod, "rpc") ?? []);
  const institutions = arrayAt(isRecord(spec) ? spec["genesis"] : undefined, "institutions").length;
  return urls.length === 0
    ? failed(exitCodes.notFound, `No validator of swarm ${name} runs.`)
    : { kind: "found", urls, institutions };
}

/** The genesis document that the operator keeps, and what to call it. */
export async function findGenesis(
  open: OpenWorld,
  named: string | undefined,
): Promise<{ readonly kind: "found"; readonly document: string; readonly name: string } | Failed> {
  return inWorld(open, "A document that you trust can be named with --genesis FILE.", async (world) => {
    // It outlives its swarm, whose proofs do too: the swarm itself is asked for only to know its name.
    const swarm = named === undefined ? await findSwarm(world, named) : undefined;
    if (swarm?.kind === "failed") return swarm;
    const name = genesisName(named ?? swarm?.object.metadata.name ?? "");
    const what = `ConfigMap ${name}`;
    const found = await getObject(world, configMaps, name, what);
    if (found.kind === "failed") return found;
    return { kind: "found", document: textAt(found.object["data"], "genesis.json"), name: what };
  });
}

/** The swarm of that name; without a name the only one of the namespace. */
async function findSwarm(
  world: World,
  named: string | undefined,
): Promise<{ readonly kind: "got"; readonly object: StoredObject } | Failed> {
  if (named !== undefined) return getObject(world, validatorSwarms, named, `swarm ${named}`);
  const listed = await listObjects(world, validatorSwarms);
  if (listed.kind === "failed") return listed;
  const [object, ...others] = listed.objects;
  const where = `namespace ${world.namespace} of ${world.name}`;
  if (object === undefined) return failed(exitCodes.notFound, `There is no swarm in ${where}.`);
  if (others.length === 0) return { kind: "got", object };
  const names = listed.objects.map(({ metadata }) => metadata.name).join(", ");
  return failed(exitCodes.notFound, `There are several swarms in ${where}: ${names}. Choose one with --swarm NAME.`);
}

/**
 * URL of a port of a pod that runs on this machine; undefined elsewhere, and while it has no address. Nothing that an
 * object says leads away from this machine.
 */
export function addressHere(
  world: World,
  pod: StoredObject,
  port: Parameters<typeof portAddress>[1],
): string | undefined {
  const address = pod.metadata.deletionTimestamp === undefined ? portAddress(pod, port) : undefined;
  return world.embedded && address?.startsWith("127.0.0.1:") ? `http://${address}` : undefined;
}

/** `otherwise`: what the command line could say instead, told with every failure. */
async function inWorld<T extends { readonly kind: string }>(
  open: OpenWorld,
  otherwise: string,
  use: (world: World) => Promise<T | Failed>,
): Promise<T | Failed> {
  const found = open();
  if (found.kind === "none") return failed(found.code, `${found.reason} ${otherwise}`);
  try {
    const result = await use(found.world);
    return isFailed(result) ? failed(result.code, `${result.reason} ${otherwise}`) : result;
  } finally {
    found.world.api.close();
  }
}

const isFailed = (result: { readonly kind: string }): result is Failed => result.kind === "failed";
