/** Real validator processes and what the operator learns of them: for tests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseValidatorSwarm } from "../../api/validator-swarm.ts";
import { type Fleet, startFleet } from "../../embedded/fleet.ts";
import { createProcessRuntime } from "../../embedded/process-runtime.ts";
import type { PublicKeys, Report } from "../../plan/snapshot.ts";
import { createGovernor, type Governor } from "../governance.ts";
import type { ReportTarget } from "../reports/connection.ts";
import { createReporters, type Reporters } from "../reports/reporters.ts";

export interface ReportedFleet {
  readonly fleet: Fleet;
  readonly genesis: string;
  readonly reporters: Reporters;
  readonly governor: Governor;
  /** Identities whose change was told, in order. */
  readonly changes: readonly string[];
  /** Resolves with the first value that is not undefined; looked for at every change told. */
  readonly until: <T>(find: () => T | undefined) => Promise<T>;
  /** Starts one more process with a volume of its own, which later ones find at this seat; it is reported from now on. Without a program: the sources'. */
  readonly start: (identity: string, seat: string, program?: string) => Promise<PublicKeys>;
  /** Ends a process for good; nobody asks it any more. */
  readonly stop: (identity: string) => Promise<void>;
  readonly report: (identity: string) => Report;
  readonly close: () => Promise<void>;
}

const root = join(import.meta.dirname, "../../..");

/** The quickstart's four validators, without a gateway, on ports from `portBase`. */
export async function startReportedFleet(portBase: number): Promise<ReportedFleet> {
  const directory = mkdtempSync(join(tmpdir(), "reports-"));
  const parsed = parseValidatorSwarm(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
  if (parsed.kind === "invalid") throw new Error("the quickstart is not valid");
  const { spec, ...rest } = parsed.swarm;
  const swarm = { ...rest, spec: { ...spec, gateway: { ...spec.gateway, replicas: 0 } } };
  const never = new AbortController();
  const result = await startFleet(swarm, { portBase, directory, direct: true, signal: never.signal });
  if (result.kind === "failed") throw new Error(result.reason);
  const { fleet } = result;
  const { layout, endpoints } = fleet.view;
  // From here on the test is the operator.
  await fleet.change({ paused: true });
  const runtime = createProcessRuntime(join(directory, "test-run"));
  const seed = Buffer.from((await fleet.seeds()).get("") ?? "", "hex");
  const changes: string[] = [];
  const waiting = new Set<() => void>();
  const onChange = (identity: string) => {
    changes.push(identity);
    for (const look of [...waiting]) look();
  };
  // The governor's key is the operator's.
  const { publicKey } = createGovernor(seed, silent);
  const reporters = createReporters({ operatorKey: publicKey, onChange, statusEveryMs: 200, roundEveryMs: 400 });
  const governor = createGovernor(seed, reporters);
  const targets: ReportTarget[] = endpoints.seats.map(({ identity, rpc }) => {
    return { identity, podUid: `uid of ${identity}`, url: rpc };
  });
  const genesis = readFileSync(layout.genesis, "utf8");
  reporters.setTargets(targets);
  let next = portBase + 200;
  const p2pOf = new Map(endpoints.seats.map(({ seat, identity }) => [seat, fleet.world.addresses.pod(identity).p2p]));

  const until = <T>(find: () => T | undefined): Promise<T> => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const look = () => {
      const found = find();
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
    return promise;
  };

  return {
    fleet,
    genesis,
    reporters,
    governor,
    changes,
    until,
    async start(identity, ofSeat, program = join(root, "validator/main.ts")) {
      const [p2p, rpc, metrics] = [next, next + 1, next + 2];
      next += 3;
      const config = {
        seat: identity,
        region: "eu-west",
        dataDir: join(layout.volumes, identity),
        genesis: layout.genesis,
        p2p: { listen: [`/ip4/127.0.0.1/tcp/${p2p}`] },
        peers: [...p2pOf].map(([seat, port]) => ({ seat, addresses: [`/ip4/127.0.0.1/tcp/${port}`] })),
        rpc: { host: "127.0.0.1", port: rpc },
        metrics: { host: "127.0.0.1", port: metrics },
      };
      p2pOf.set(ofSeat, p2p);
      const file = join(directory, `${identity}.json`);
      writeFileSync(file, JSON.stringify(config));
      runtime.create({
        name: identity,
        program,
        args: ["--config", file],
        logFile: join(layout.logs, `${identity}.log`),
      });
      targets.push({ identity, podUid: `uid of ${identity}`, url: `http://127.0.0.1:${rpc}` });
      reporters.setTargets(targets);
      return until(() => {
        const keys = reporters.report(identity)?.keys;
        return keys?.kind === "verified" ? keys.value : undefined;
      });
    },
    async stop(identity) {
      targets.splice(
        targets.findIndex((target) => target.identity === identity),
        1,
      );
      reporters.setTargets(targets);
      const own = runtime.observe(identity);
      if (own) return runtime.remove(identity);
      fleet.hold([identity]);
    },
    report(identity) {
      const found = reporters.report(identity);
      if (!found) throw new Error(`no report of ${identity}: ${reporters.trouble(identity)}`);
      return found;
    },
    async close() {
      await reporters.close();
      await runtime.close();
      await fleet.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const silent: Parameters<typeof createGovernor>[1] = {
  knowledge: () => undefined,
  refresh: async () => {},
  submitGovernance: async () => ({ kind: "done" }),
  follow: () => {},
};
