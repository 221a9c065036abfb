/** (d) Payments a second that one core of the gateway takes from XML: over HTTP, with the swarm behind it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { benchmarkFile, benchmarkRun } from "../../gateway/xml.bench.ts";
import { parseValidatorSwarm } from "../../operator/api/validator-swarm.ts";
import { awaitSettlement, submitFile } from "../../operator/gateway-client.ts";
import { gatewayName } from "../../operator/objects/names.ts";
import { startBenchFleet } from "../fleet.ts";
import { cpuSeconds } from "../processes.ts";
import type { Figure } from "./figure.ts";

const payments = 1_000;
/** Files under way: the gateway reads one while validators hold another. */
const uploads = 2;
const sender = "QSWADEFFXXX";

export const gatewayXml: Figure = {
  letter: "d",
  title: "payments from XML per gateway core",
  async run(context) {
    const manifest = readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8");
    const parsed = parseValidatorSwarm(manifest);
    if (parsed.kind === "invalid") throw new Error(parsed.problems.map(({ message }) => message).join(" "));
    const bench = await startBenchFleet({ ...context, swarm: parsed.swarm });
    try {
      const { endpoints, swarm } = bench.fleet.view;
      const { gateway } = endpoints;
      const pid = bench.fleet.pidOf(`${gatewayName(swarm.metadata.name)}-0`);
      if (pid === undefined) throw new Error("the gateway does not run");
      let files = 0;
      let last = "";
      const upload = async (until: number): Promise<number> => {
        let accepted = 0;
        while (performance.now() < until && !context.signal.aborted) {
          const submitted = await submitFile(gateway, sender, benchmarkFile(payments, `BENCH-${files++}`));
          if (submitted.kind === "busy") continue;
          if (submitted.kind !== "accepted") throw new Error(`a file was not accepted: ${JSON.stringify(submitted)}`);
          last = submitted.messageId;
          accepted += payments;
        }
        return accepted;
      };
      const all = async (ms: number) => {
        const until = performance.now() + ms;
        return (await Promise.all(Array.from({ length: uploads }, () => upload(until)))).reduce((sum, n) => sum + n);
      };
      await all(context.warmupMs);
      const [cpu, began] = [cpuSeconds(pid), performance.now()];
      const accepted = await all(context.measureMs);
      const spent = cpuSeconds(pid) - cpu;
      const seconds = (performance.now() - began) / 1000;
      const settled = await awaitSettlement(gateway, sender, last, 60_000);
      if (settled.kind === "late") throw new Error("the last file did not settle");
      if (settled.status.payments.some(({ status }) => status !== "ACSC"))
        throw new Error("a payment of the last file was rejected");
      const file = benchmarkFile(10_000);
      benchmarkRun(file);
      const core = benchmarkRun(file);
      return {
        measurements: [
          {
            name: "XML payments per second of a gateway core, whole gateway",
            value: accepted / spent,
            unit: "payments/s",
            goal: { bound: "at-least", value: 20_000 },
          },
          {
            name: "XML payments per second of a core, parsed to signed",
            value: 1e6 / (core.parse + core.validate + core.build),
            unit: "payments/s",
          },
          { name: "XML payments accepted beside the swarm", value: accepted / seconds, unit: "payments/s" },
        ],
        details: { files, accepted, gatewayCpuSeconds: spent, seconds, core },
      };
    } finally {
      await bench.close();
    }
  },
};
