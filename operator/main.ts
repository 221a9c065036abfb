/** The operator's process in a cluster: `node operator/main.ts --image IMAGE`; `--help` lists its options. */
import { randomUUID } from "node:crypto";
import packageJson from "../package.json" with { type: "json" };
import { clusterKeys } from "./apply/keys.ts";
import { createCertificates } from "./certificates/swarm-certificates.ts";
import { openCredentials } from "./cluster/credentials.ts";
import { createOperatorLog, type OperatorLog } from "./cluster/log.ts";
import { exitCodes, type OperatorSettings, parseOptions } from "./cluster/options.ts";
import { clusterWorld } from "./cluster/world.ts";
import { startOperator } from "./controller.ts";
import { createApiClient } from "./kube/api-client.ts";
import { systemClock } from "./kube/clock.ts";
import { createMetrics } from "./kube/metrics.ts";
import { type Probes, startProbes } from "./kube/probes.ts";
import { createValidators } from "./observe/follow.ts";

/** Runs until a signal; resolves with the exit code when nothing of it goes on. */
async function run(settings: OperatorSettings, identity: string, log: OperatorLog): Promise<number> {
  const { credentials: files } = settings;
  const credentials = files && openCredentials(files, (reason) => log.say("warn", "credentials-unusable", { reason }));
  if (credentials?.kind === "failed") {
    log.say("fatal", "credentials-unusable", { reason: credentials.reason });
    return exitCodes.usage.code;
  }
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      log.say("info", "stopping", { signal });
      stop.abort();
    });

  const clock = systemClock;
  const random = Math.random;
  const metrics = createMetrics();
  const api = createApiClient({
    config: settings.config,
    clock,
    userAgent: `validatorswarm-operator/${packageJson.version}`,
  });
  const { lease, scope } = settings;
  const certificates = credentials
    ? undefined
    : createCertificates({
        api,
        clock,
        signal: stop.signal,
        secret: { namespace: lease.namespace, name: `${lease.name}-authority` },
      });
  const validators = createValidators({
    clock,
    random,
    credentials: credentials?.current ?? certificates?.credentials,
    onChange: (swarm) => operator.wake(swarm),
  });
  const operator = startOperator({
    api,
    clock,
    random,
    scope,
    metrics,
    signal: stop.signal,
    identity,
    lease,
    uniqueId: randomUUID,
    world: clusterWorld(settings.image),
    validators,
    keys: clusterKeys(api, stop.signal),
    certificates,
    onAction: log.action,
    onProblem: log.problem,
    onObservation: log.observation,
  });
  // Awaited below; a bug before that must not go by unheard.
  operator.done.catch(() => {});
  const servers: Probes[] = [];
  try {
    for (const address of settings.addresses)
      servers.push(await startProbes({ ...address, metrics, alive: operator.alive, ready: operator.ready }));
  } catch (error) {
    log.say("fatal", "address-taken", { error: messageOf(error) });
    stop.abort();
    await operator.done;
    return exitCodes.usage.code;
  }
  log.say("info", "started", {
    version: packageJson.version,
    namespaces: scope.kind === "cluster" ? "all" : scope.namespaces.join(","),
    lease: `${lease.namespace}/${lease.name}`,
    ports: servers.map(({ port }) => port).join(","),
  });

  const end = await operator.done;
  if (end.kind === "stuck") {
    // What still runs may write at any moment, and the lease may be another's by now: no closing in order.
    log.say("fatal", "stuck", { reason: "Work went on after the right to do it had ended." });
    return exitCodes.crashed.code;
  }
  await Promise.all([validators.close(), ...servers.map((server) => server.close())]);
  api.close();
  log.say("info", "stopped");
  return exitCodes.stopped.code;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const parsed = parseOptions(process.argv.slice(2), process.env);
if (parsed.kind === "exit") {
  process.exitCode = parsed.code;
} else {
  const { settings } = parsed;
  // Never used before: a restarted container must not take itself for its predecessor.
  const identity = `${settings.podName}-${randomUUID()}`;
  const log = createOperatorLog({ level: settings.logLevel, identity });
  try {
    process.exitCode = await run(settings, identity, log);
  } catch (error) {
    log.say("fatal", "fatal", { error: messageOf(error), stack: error instanceof Error ? (error.stack ?? "") : "" });
    process.exitCode = exitCodes.crashed.code;
  }
  process.exit();
}
