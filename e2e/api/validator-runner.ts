/**
 * Puts a real validator behind the address of each faked pod: the process and its keys are real, the node is not. What
 * a kubelet does with mounts and names is done to the configuration's text: the pods' names become their addresses.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createProcessRuntime } from "../../operator/embedded/process-runtime.ts";
import type { ApiClient } from "../../operator/kube/api-client.ts";
import { configMaps, secrets } from "../../operator/kube/kinds.ts";
import { arrayAt, isRecord, type Kind, pathOf, type StoredObject, textAt } from "../../operator/kube/objects.ts";
import { relativePath } from "../../operator/objects/mounts.ts";
import type { PodRunner, RunEnd } from "./fake-kubelet.ts";
import { bodyOf } from "./suite.ts";

const root = join(import.meta.dirname, "../..");
const metricsPort = 7102;
const graceMs = 5_000;

export interface ValidatorRunner extends PodRunner {
  /** How often each pod's process was started, by name. */
  readonly starts: () => ReadonlyMap<string, number>;
  /** Everything it wrote. */
  readonly log: (pod: string) => string;
  /** Removes the files of a pod's disk from under its process. */
  readonly loseDisk: (pod: string) => void;
  /** Kills the process of a pod; it is started again. */
  readonly kill: (pod: string) => void;
  readonly close: () => Promise<void>;
}

export interface ValidatorRunnerOptions {
  readonly api: ApiClient;
  readonly directory: string;
  readonly addressOf: (pod: string) => string;
}

export function createValidatorRunner({ api, directory, addressOf }: ValidatorRunnerOptions): ValidatorRunner {
  const runtime = createProcessRuntime(join(directory, "run"));
  const running = new Set<string>();
  const started = new Map<string, number>();
  /** Runs of the checkpoint program, by the pod's uid. */
  const runs = new Map<string, RunEnd | undefined>();

  /** The checkpoint program as its pod would run it: names are resolved as the cluster's DNS would. */
  function startRun(pod: StoredObject, home: string, disk: string): void {
    const [container] = arrayAt(pod["spec"], "containers");
    const [command] = arrayAt(container, "args");
    const { uid, name } = pod.metadata;
    if (disk !== "") {
      const kept = join(directory, `disk-${disk}`);
      mkdirSync(kept, { recursive: true });
      rmSync(join(home, relativePath("checkpoints")), { force: true });
      symlinkSync(kept, join(home, relativePath("checkpoints")));
    }
    const config = join(home, relativePath("config"), "config.json");
    const hosts = join(home, "hosts.mjs");
    writeFileSync(hosts, resolver(readFileSync(config, "utf8"), addressOf));
    const args = ["--import", hosts, join(root, "checkpoint/main.ts"), String(command)];
    runs.set(uid, undefined);
    const child = spawn(process.execPath, [...args, "--config", config], {
      cwd: home,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (text: Buffer) => appendFileSync(join(directory, `${name}.log`), text));
    child.once("exit", (code) => {
      const result = join(home, relativePath("data"), "result");
      runs.set(uid, { exitCode: code ?? 137, message: existsSync(result) ? readFileSync(result, "utf8") : "" });
    });
    children.add(child);
    child.once("exit", () => children.delete(child));
  }
  const children = new Set<ChildProcess>();

  return {
    ended: (pod) => runs.get(pod.metadata.uid),
    async start(pod, address, disk) {
      const { name, namespace = "default" } = pod.metadata;
      const program = textAt(arrayAt(pod["spec"], "containers")[0], "name");
      if (program !== "validator" && program !== "checkpoint") return;
      // The container's root, with its mounts.
      const home = join(directory, program === "validator" ? name : `${name}-${pod.metadata.uid}`);
      mkdirSync(join(home, relativePath("data"), ".."), { recursive: true });
      for (const { kind, from, mount } of sourcesOf(pod)) {
        const source = bodyOf(await read(api, pathOf(kind, namespace, from)));
        const at = join(home, mount);
        mkdirSync(at, { recursive: true, mode: 0o700 });
        for (const [file, value] of Object.entries(isRecord(source["data"]) ? source["data"] : {})) {
          const text = kind === secrets ? Buffer.from(String(value), "base64") : translate(String(value), address);
          writeFileSync(join(at, file), text, { mode: 0o600 });
        }
      }
      if (program === "checkpoint") {
        mkdirSync(join(home, relativePath("data")), { recursive: true });
        return startRun(pod, home, disk);
      }
      const data = join(directory, `disk-${disk}`);
      mkdirSync(data, { recursive: true, mode: 0o700 });
      rmSync(join(home, relativePath("data")), { force: true });
      symlinkSync(data, join(home, relativePath("data")));
      runtime.create({
        name,
        program: join(root, "validator/main.ts"),
        args: ["--config", join(home, relativePath("config"), "config.json")],
        directory: home,
        logFile: join(directory, `${name}.log`),
      });
      started.set(name, (started.get(name) ?? 0) + 1);
      running.add(name);
    },
    async stop({ metadata: { name } }) {
      if (running.delete(name)) await runtime.remove(name, graceMs);
    },
    ready: ({ metadata: { name } }, address) => (running.has(name) ? probe(address) : Promise.resolve(true)),
    starts: () => {
      const restarts = (name: string) => runtime.observe(name)?.restarts ?? 0;
      return new Map([...started].map(([name, count]) => [name, count + restarts(name)]));
    },
    log: (pod) => readFileSync(join(directory, `${pod}.log`), "utf8"),
    loseDisk: (pod) => rmSync(realpathSync(join(directory, pod, relativePath("data"))), { recursive: true }),
    kill: (pod) => runtime.signal(pod, "SIGKILL"),
    async close() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all([...running].map((name) => runtime.remove(name, 0)));
      rmSync(directory, { recursive: true, force: true });
    },
  };

  function translate(text: string, address: string): string {
    return text
      .replaceAll("0.0.0.0", address)
      .replaceAll(/\/dns[46]?\/([a-z0-9-]+)\.[a-z0-9.-]+\/tcp/g, (_, pod: string) => `/ip4/${addressOf(pod)}/tcp`);
  }
}

/** Resolves the names of pods for a program, as the cluster's DNS would: the names are those in its configuration. */
function resolver(config: string, addressOf: (pod: string) => string): string {
  const hosts = [...config.matchAll(/https:\/\/([a-z0-9.-]+):/g)].map(([, host = ""]) => host);
  const known = Object.fromEntries(hosts.map((host) => [host, addressOf(host.split(".")[0] ?? "")]));
  return `import dns from "node:dns";
const known = ${JSON.stringify(known)};
const { lookup } = dns;
dns.lookup = (host, options, done) => {
  const address = known[host];
  if (address === undefined) return lookup(host, options, done);
  process.nextTick(() => (options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
};
`;
}

interface Source {
  readonly kind: Kind;
  readonly from: string;
  /** Relative to the root. */
  readonly mount: string;
}

/** Config maps and Secrets that a pod mounts. */
function sourcesOf(pod: StoredObject): readonly Source[] {
  const [container] = arrayAt(pod["spec"], "containers");
  const mounts = new Map(
    arrayAt(container, "volumeMounts").map((each) => [textAt(each, "name"), textAt(each, "mountPath")]),
  );
  return arrayAt(pod["spec"], "volumes").flatMap((volume): Source[] => {
    if (!isRecord(volume)) return [];
    const mount = (mounts.get(textAt(volume, "name")) ?? relativePath("config")).replace(/^\//, "");
    const map = textAt(volume["configMap"], "name");
    const secret = textAt(volume["secret"], "secretName");
    return [
      ...(map === "" ? [] : [{ kind: configMaps, from: map, mount }]),
      ...(secret === "" ? [] : [{ kind: secrets, from: secret, mount }]),
    ];
  });
}

function read(api: ApiClient, path: string) {
  return api.request({ method: "GET", path, signal: new AbortController().signal, deadlineMs: 10_000 });
}

/** The readiness probe of the pod. */
function probe(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ host: address, port: metricsPort, path: "/readyz", agent: false, timeout: 2_000 });
    call.on("error", () => resolve(false));
    call.on("timeout", () => call.destroy());
    call.on("response", (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.end();
  });
}
