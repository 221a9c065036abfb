/** The gateway's process: `node gateway/main.ts --config FILE`. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { readConfig } from "./config.ts";
import { openGateway } from "./gateway.ts";
import { createGatewayServer, createMetricsServer } from "./server.ts";
import { startTelemetry } from "./telemetry.ts";

const { values } = parseArgs({ options: { config: { type: "string" } } });
const log = pino({ name: "gateway", level: process.env["LOG_LEVEL"] ?? "info" });

/** Exit code of a configuration that cannot work: nothing is gained by starting again. */
const EX_CONFIG = 78;

async function main(): Promise<void> {
  if (values.config === undefined) return fail("--config FILE is needed");
  const read = await readConfig(values.config);
  if (read.kind === "invalid") return fail(read.message);
  const { config } = read;
  const flush = startTelemetry(process.env);
  const opened = await openGateway(config, log);
  if (opened.kind === "invalid") return fail(opened.message);
  const { gateway } = opened;

  const servers = [createGatewayServer(gateway, log)];
  await listen(servers[0]!, config.listen.port, config.listen.host);
  if (config.metrics !== undefined) {
    const metrics = createMetricsServer(gateway);
    servers.push(metrics);
    await listen(metrics, config.metrics.port, config.metrics.host);
  }
  const [address] = servers.map((server) => server.address() as AddressInfo);
  log.info({ host: config.listen.host, port: address?.port, tls: config.listen.tls !== undefined }, "listening");

  const stopped = new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  await Promise.race([stopped, gateway.failed]);
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  await gateway.close();
  await flush();
  log.info("stopped");
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function fail(message: string): void {
  log.fatal(message);
  process.exitCode = EX_CONFIG;
}

await main();
