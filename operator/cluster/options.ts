/** The command line of the operator's process; each option may be an environment variable instead. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { KubeConfig } from "@kubernetes/client-node";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseScope, type Scope } from "../kube/scope.ts";
import { operatorName } from "../objects/names.ts";
import type { CredentialFiles } from "./credentials.ts";

/** Where something listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface OperatorSettings {
  readonly scope: Scope;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly image: string;
  /** Each serves probes and metrics; the same twice is one. */
  readonly addresses: readonly Address[];
  readonly logLevel: string;
  readonly config: KubeConfig;
  readonly credentials: CredentialFiles | undefined;
  /** Of this pod, for people who read the lease. */
  readonly podName: string;
}

export type ParsedOptions =
  | { readonly kind: "run"; readonly settings: OperatorSettings }
  /** All is said already. */
  | { readonly kind: "exit"; readonly code: number };

/** What the process says by exiting. */
export const exitCodes = {
  stopped: { code: 0, meaning: "Stopped on request (SIGTERM or SIGINT); the lease was given back." },
  crashed: { code: 1, meaning: "A bug, or work that went on after the right to do it had ended. Start it again." },
  usage: { code: 2, meaning: "Wrong arguments, files or addresses, each named. Starting again does not help." },
} as const;

/** Where a pod finds the namespace it is in. */
const ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const levels = ["trace", "debug", "info", "warn", "error"];

interface Flags {
  readonly namespace: readonly string[];
  readonly leaseNamespace?: string;
  readonly leaseName: string;
  readonly image: string;
  readonly healthAddress: Address;
  readonly metricsAddress?: Address;
  readonly logLevel: string;
  readonly kubeconfig?: string;
  readonly validatorCa?: string;
  readonly validatorCert?: string;
  readonly validatorKey?: string;
}

/** The options as commander knows them: also what the documentation is made from. */
export function operatorCommand(): Command {
  const codes = Object.values(exitCodes).map(({ code, meaning }) => `  ${code}  ${meaning}`);
  const option = (flags: string, description: string, variable: string) => new Option(flags, description).env(variable);
  return new Command("operator")
    .description("Runs swarms of validators: reconciles ValidatorSwarm objects of a cluster until SIGTERM.")
    .addOption(
      option("--namespace <name>", "look only here; may be repeated, or a list with commas", "SWARM_NAMESPACES")
        .argParser(namesOf)
        .default([], "the whole cluster"),
    )
    .addOption(option("--lease-namespace <name>", "namespace of the Lease; default: the pod's own", "POD_NAMESPACE"))
    .addOption(option("--lease-name <name>", "the Lease by which one leads", "SWARM_LEASE_NAME").default(operatorName))
    .addOption(
      option(
        "--image <image>",
        "of validators and gateways whose spec names none",
        "SWARM_IMAGE",
      ).makeOptionMandatory(),
    )
    .addOption(
      option("--health-address <host:port>", "/healthz, /readyz and /metrics", "SWARM_HEALTH_ADDRESS")
        .argParser(addressOf)
        .default({ host: "0.0.0.0", port: 8081 }, "0.0.0.0:8081"),
    )
    .addOption(
      option("--metrics-address <host:port>", "the same, for Prometheus alone", "SWARM_METRICS_ADDRESS").argParser(
        addressOf,
      ),
    )
    .addOption(
      option("--log-level <level>", "least severity written to standard output", "SWARM_LOG_LEVEL")
        .choices(levels)
        .default("info"),
    )
    .addOption(
      option("--kubeconfig <file>", "API server and credentials; default: the pod's service account", "KUBECONFIG"),
    )
    .addOption(
      option(
        "--validator-ca <file>",
        "PEM: who issues validators' certificates, reread; default: the operator itself",
        "SWARM_VALIDATOR_CA",
      ),
    )
    .addOption(
      option("--validator-cert <file>", "PEM: certificate shown to validators, reread", "SWARM_VALIDATOR_CERT"),
    )
    .addOption(option("--validator-key <file>", "PEM: its private key, reread", "SWARM_VALIDATOR_KEY"))
    .addHelpText("after", `\nExit codes:\n${codes.join("\n")}`);
}

/** `args` without the program's name. Writes help to standard output and what is wrong to standard error. */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): ParsedOptions {
  const command = operatorCommand().exitOverride();
  try {
    const flags = command.parse([...args], { from: "user" }).opts<Flags>();
    return { kind: "run", settings: settingsOf(flags, env) };
  } catch (error) {
    if (error instanceof CommanderError)
      return { kind: "exit", code: error.exitCode === 0 ? exitCodes.stopped.code : exitCodes.usage.code };
    if (!(error instanceof Unusable)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    return { kind: "exit", code: exitCodes.usage.code };
  }
}

/** Options that are each well formed and cannot be used. */
class Unusable extends Error {}

function settingsOf(flags: Flags, env: NodeJS.ProcessEnv): OperatorSettings {
  const scope = parseScope(flags.namespace.join(","));
  if (scope.kind === "invalid") throw new Unusable(`--namespace: ${scope.message}`);
  const config = configOf(flags.kubeconfig, env);
  const { healthAddress, metricsAddress = healthAddress } = flags;
  const same = healthAddress.host === metricsAddress.host && healthAddress.port === metricsAddress.port;
  return {
    scope,
    lease: { namespace: flags.leaseNamespace ?? ownNamespace(config), name: flags.leaseName },
    image: flags.image,
    addresses: same ? [healthAddress] : [healthAddress, metricsAddress],
    logLevel: flags.logLevel,
    config,
    credentials: credentialsOf(flags),
    podName: env["POD_NAME"] ?? hostname(),
  };
}

function configOf(file: string | undefined, env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  if (file !== undefined && file !== "") {
    try {
      config.loadFromFile(file);
    } catch (error) {
      throw new Unusable(`--kubeconfig ${file} cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    if (!config.getCurrentCluster()) throw new Unusable(`--kubeconfig ${file} names no current cluster.`);
    return config;
  }
  // A person's own configuration is for that person, not for a program that changes clusters.
  if ((env["KUBERNETES_SERVICE_HOST"] ?? "") === "")
    throw new Unusable("This is no pod of a cluster: name the cluster with --kubeconfig FILE.");
  config.loadFromCluster();
  return config;
}

function ownNamespace(config: KubeConfig): string {
  const named = config.getContextObject(config.getCurrentContext())?.namespace;
  if (named !== undefined && named !== "") return named;
  try {
    return readFileSync(ownNamespaceFile, "utf8").trim() || "default";
  } catch {
    return "default";
  }
}

function credentialsOf({ validatorCa, validatorCert, validatorKey }: Flags): CredentialFiles | undefined {
  if (validatorCa === undefined && validatorCert === undefined && validatorKey === undefined) return undefined;
  if (validatorCa === undefined || validatorCert === undefined || validatorKey === undefined)
    throw new Unusable("--validator-ca, --validator-cert and --validator-key go together: give all three or none.");
  return { ca: validatorCa, cert: validatorCert, key: validatorKey };
}

function namesOf(value: string, previous: readonly string[]): readonly string[] {
  const names = value.split(",");
  const wrong = parseScope(value);
  if (wrong.kind === "invalid") throw new InvalidArgumentError(`${wrong.message}.`);
  return [...previous, ...names];
}

/** `host:port`; an IPv6 address in brackets; without a host every address. */
function addressOf(value: string): Address {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError("Write host:port, such as 0.0.0.0:8081 or [::]:8081.");
  return { host: bracketed ?? (plain || "0.0.0.0"), port: Number(port) };
}
