/** All the services of one validator on one port. */
import type { ValidatorConfig } from "../config.ts";
import { type AdminOptions, routeAdmin } from "./admin.ts";
import { routeBackup } from "./backup.ts";
import { createCalls } from "./calls.ts";
import type { Host } from "./host.ts";
import type { Log } from "./logging.ts";
import type { Metrics } from "./metrics.ts";
import { type RpcServer, startRpcServer, type TlsTexts } from "./server.ts";
import { largestMessage, routeSettlement } from "./settlement.ts";
import type { Telemetry } from "./telemetry.ts";
import { createWatchers } from "./watchers.ts";

export interface RpcOptions {
  readonly config: ValidatorConfig["rpc"];
  /** The texts of the files that `config.tls` names. */
  readonly tls: TlsTexts | undefined;
  readonly host: Host;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly settlementLatency: AdminOptions["settlementLatency"];
  readonly release: AdminOptions["release"];
}

/** Field tags, lengths and a traceparent around a submission's bytes. */
const framing = 1_024;
const largestGenesis = 8 << 20;
const largestGovernance = 64 << 10;
const largestStatePart = (1 << 20) + 1_024;
const smallRequest = 4 << 10;

/** Starts listening; rejects when the address cannot be bound or the TLS files are no certificate and key. */
export function startRpc(options: RpcOptions): Promise<RpcServer> {
  const { config, host, metrics, log, telemetry } = options;
  const calls = createCalls(metrics, log);
  const watchers = createWatchers(config.limits.watchers);
  const operators = config.tls?.operators ?? [];
  const largest: Readonly<Record<string, number>> = {
    Submit: largestMessage + config.limits.privateBytes + framing,
    ProvideGenesis: largestGenesis,
    SubmitGovernance: largestGovernance,
    ProvideState: largestStatePart,
  };
  return startRpcServer({
    host: config.host,
    port: config.port,
    tls: options.tls,
    limits: config.limits,
    largestRequest: (method) => largest[method] ?? smallRequest,
    metrics,
    log,
    routes: (router) => {
      routeSettlement(router, { host, calls, metrics, telemetry, watchers, operators });
      routeBackup(router, { host, calls, readers: [...operators, ...(config.tls?.backups ?? [])] });
      const { settlementLatency, release } = options;
      routeAdmin(router, { host, calls, log, watchers, operators, settlementLatency, release });
    },
  });
}
