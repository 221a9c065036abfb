/** Four CometBFT validators on loopback, as fast as its settings make it with its log synced before every vote. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Chain, StartOptions, System } from "../../system.ts";
import { buildCometBft, version } from "./build.ts";

const nodes = 4;
const startMs = 60_000;

/**
 * Settings by their place in config.toml, TOML literals. Timers that only slow it are zero or as short as is sensible,
 * buffers are large, nothing is indexed, transactions are not checked twice. Its write-ahead log is synced as shipped.
 * The proposal timeout stays as shipped too (3 s): how a dead leader is met is what figure (f) asks.
 */
const settings: Readonly<Record<string, string>> = {
  proxy_app: '"kvstore"',
  log_level: '"error"',
  "rpc.max_body_bytes": "20000000",
  "rpc.experimental_subscription_buffer_size": "20000",
  "rpc.experimental_websocket_write_buffer_size": "20000",
  "p2p.addr_book_strict": "false",
  "p2p.allow_duplicate_ip": "true",
  "p2p.pex": "false",
  "p2p.flush_throttle_timeout": '"1ms"',
  "p2p.send_rate": "500000000",
  "p2p.recv_rate": "500000000",
  "mempool.recheck": "false",
  "mempool.size": "200000",
  "mempool.max_txs_bytes": "4000000000",
  "mempool.cache_size": "400000",
  "mempool.max_tx_bytes": "4194304",
  "consensus.timeout_commit": '"0s"',
  "consensus.skip_timeout_commit": "true",
  "consensus.peer_gossip_sleep_duration": '"5ms"',
  "consensus.create_empty_blocks": "false",
  "tx_index.indexer": '"null"',
  "storage.discard_abci_responses": "true",
};
const maxBlockBytes = "104857600";

/** What one set-up sets besides. */
interface Variant {
  readonly name: string;
  readonly words: string;
  readonly figures: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

const variants: readonly Variant[] = [
  { name: "cometbft", words: "timeouts as shipped", figures: ["a", "b", "c", "f"], settings: {} },
  {
    name: "cometbft, no mempool gossip",
    words: "a transaction stays at the node that took it until that node leads: fastest, and lost with the node",
    figures: ["a"],
    settings: { "mempool.broadcast": "false" },
  },
  {
    name: "cometbft, 300 ms timeouts",
    words: "timeouts for a network as near as this one: a dead proposer costs less, a slow one its turn",
    figures: ["f"],
    settings: {
      "consensus.timeout_propose": '"300ms"',
      "consensus.timeout_propose_delta": '"100ms"',
      "consensus.timeout_prevote": '"200ms"',
      "consensus.timeout_precommit": '"200ms"',
    },
  },
];

/** Builds it, when that was not done before. Set-ups, each as good as can be at something. */
export function cometBft(directory: string, progress: (line: string) => void): readonly System[] {
  const binary = buildCometBft(directory, progress);
  return variants.map(({ name, words, figures, settings: own }) => ({
    name,
    description: `CometBFT ${version}, four validator processes, key-value application, write-ahead log synced; ${words}`,
    figures,
    start: (options) => start(binary, { ...settings, ...own }, options),
  }));
}

const genesisSchema = z.looseObject({
  consensus_params: z.looseObject({ block: z.looseObject({ max_bytes: z.string() }) }),
});
const keySchema = z.object({ address: z.string() });
const peersSchema = z.object({ result: z.object({ n_peers: z.string() }) });
const statusSchema = z.object({ result: z.object({ sync_info: z.object({ latest_block_height: z.string() }) }) });
const roundSchema = z.object({
  result: z.object({ round_state: z.object({ proposer: z.object({ address: z.string() }) }) }),
});

async function start(
  binary: string,
  chosen: Readonly<Record<string, string>>,
  { directory, portBase, signal }: StartOptions,
): Promise<Chain> {
  const own = mkdtempSync(join(resolve(directory), "cometbft-"));
  const run = (...args: string[]) =>
    execFileSync(binary, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  run("testnet", "--v", String(nodes), "--o", own);
  const homes = Array.from({ length: nodes }, (_, node) => join(own, `node${node}`));
  const ids = homes.map((home) => run("show-node-id", "--home", home).trim());
  const ports = homes.map((_, node) => ({ p2p: portBase + 2 * node, rpc: portBase + 2 * node + 1 }));
  for (const [node, home] of homes.entries()) {
    const peers = ids.flatMap((id, other) => (other === node ? [] : [`${id}@127.0.0.1:${ports[other]?.p2p}`]));
    configure(home, {
      ...chosen,
      "rpc.laddr": `"tcp://127.0.0.1:${ports[node]?.rpc}"`,
      "p2p.laddr": `"tcp://127.0.0.1:${ports[node]?.p2p}"`,
      "p2p.persistent_peers": `"${peers.join(",")}"`,
    });
    const file = join(home, "config", "genesis.json");
    const genesis = genesisSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    genesis.consensus_params.block.max_bytes = maxBlockBytes;
    writeFileSync(file, JSON.stringify(genesis));
  }
  const addresses = homes.map((home) => {
    const key = readFileSync(join(home, "config", "priv_validator_key.json"), "utf8");
    return keySchema.parse(JSON.parse(key)).address;
  });
  const processes = homes.map((home) => {
    const log = openSync(`${home}.log`, "w");
    return spawn(binary, ["start", "--home", home], { stdio: ["ignore", log, log] });
  });
  const endAtOnce = () => {
    for (const each of processes) each.kill("SIGKILL");
  };
  process.once("exit", endAtOnce);
  const close = async () => {
    await Promise.all(processes.map(end));
    process.removeListener("exit", endAtOnce);
    rmSync(own, { recursive: true, force: true });
  };
  try {
    await Promise.all(ports.map(({ rpc }) => ready(rpc, AbortSignal.any([signal, AbortSignal.timeout(startMs)]))));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    target: { system: "cometbft", urls: ports.map(({ rpc }) => `ws://127.0.0.1:${rpc}/websocket`) },
    async killLeader() {
      // The first node is the one that is asked.
      for (;;) {
        const state = roundSchema.parse(await ask(ports[0]?.rpc ?? 0, "consensus_state", signal));
        const leader = addresses.indexOf(state.result.round_state.proposer.address);
        if (leader <= 0) continue;
        processes[leader]?.kill("SIGKILL");
        return `node${leader}`;
      }
    },
    close,
  };
}

/** Replaces values in the file that the program made: a setting that it does not have is an error. */
function configure(home: string, values: Readonly<Record<string, string>>): void {
  const file = join(home, "config", "config.toml");
  const left = new Set(Object.keys(values));
  let section = "";
  const lines = readFileSync(file, "utf8").split("\n");
  const written = lines.map((line) => {
    section = /^\s*\[([\w.]+)\]/.exec(line)?.[1] ?? section;
    const key = /^([\w-]+)\s*=/.exec(line)?.[1];
    const name = section === "" ? key : `${section}.${key}`;
    const value = name === undefined ? undefined : values[name];
    if (key === undefined || name === undefined || value === undefined) return line;
    left.delete(name);
    return `${key} = ${value}`;
  });
  if (left.size > 0) throw new Error(`CometBFT ${version} has no setting ${[...left].join(", ")}`);
  writeFileSync(file, written.join("\n"));
}

async function ready(port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const { n_peers: peers } = peersSchema.parse(await ask(port, "net_info", signal)).result;
      const { latest_block_height: height } = statusSchema.parse(await ask(port, "status", signal)).result.sync_info;
      if (Number(peers) === nodes - 1 && Number(height) >= 1) return;
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await delay(100, undefined, { signal });
  }
}

async function ask(port: number, method: string, signal: AbortSignal): Promise<unknown> {
  return (await fetch(`http://127.0.0.1:${port}/${method}`, { signal })).json();
}

async function end(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const gone = new Promise((resolve) => node.once("exit", resolve));
  node.kill("SIGTERM");
  const late = setTimeout(() => node.kill("SIGKILL"), 8_000);
  await gone;
  clearTimeout(late);
}
