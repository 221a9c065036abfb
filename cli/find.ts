/** Where a swarm's gateway and validators listen: as the command line says, or as the swarm of this machine does. */
import { readFileSync } from "node:fs";
import { findEndpoints } from "../operator/embedded/endpoints.ts";
import { type GatewayAddress, gatewayWithTls } from "../operator/gateway-http.ts";
import { trustGenesis } from "../operator/verification.ts";
import { exitCodes } from "./exit.ts";
import { type Failed, failed } from "./failures.ts";

export interface GatewayOptions {
  readonly swarm?: string;
  readonly gateway?: string;
  /** Files in PEM. */
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** The gateway to send to. */
export function findGateway(
  options: GatewayOptions,
): { readonly kind: "found"; readonly gateway: GatewayAddress } | Failed {
  const { gateway: url, cert, key, ca } = options;
  if (url === undefined) {
    const found = findEndpoints(options.swarm);
    if (found.kind === "found") return { kind: "found", gateway: found.endpoints.gateway };
    return failed(exitCodes.notFound, `${found.reason} Or name its gateway with --gateway URL.`);
  }
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
export function findValidators({ swarm, validator, genesis }: ValidatorOptions): FoundValidators | Failed {
  if (validator === undefined) {
    const found = findEndpoints(swarm);
    if (found.kind === "none")
      return failed(exitCodes.notFound, `${found.reason} Or name validators with --validator URL and --genesis FILE.`);
    const { seats, institutions } = found.endpoints;
    return { kind: "found", urls: seats.map(({ rpc }) => rpc), institutions: institutions.length };
  }
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
