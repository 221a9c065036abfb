/** `operator/main.ts` as a cluster runs it: a process of its own with its service account's token and rights. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isRecord, type JsonRecord, textAt } from "../../operator/kube/objects.ts";
import type { Suite } from "./suite.ts";

const root = join(import.meta.dirname, "../..");

export interface OperatorProcess {
  readonly name: string;
  /** Of its last line about the election. */
  readonly leads: () => boolean;
  readonly lines: () => readonly JsonRecord[];
  /** Of its probes and metrics; 0 until it listens. */
  readonly port: () => number;
  /** Sends the signal; resolves with the exit code, or the signal's name. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | string>;
}

/** A kubeconfig with the account's token, as a pod of the account would have it. */
export async function accountConfig(suite: Suite, namespace: string, account: string): Promise<string> {
  const token = (await suite.kubectl(["create", "token", account, "-n", namespace, "--duration=1h"])).trim();
  const admin: unknown = JSON.parse(readFileSync(suite.plane.kubeconfig, "utf8"));
  const file = join(suite.plane.directory, `${account}.kubeconfig`);
  const users = [{ name: "local", user: { token } }];
  writeFileSync(file, JSON.stringify({ ...(isRecord(admin) ? admin : {}), users }), { mode: 0o600 });
  return file;
}

export function startOperatorProcess(
  suite: Suite,
  name: string,
  kubeconfig: string,
  args: readonly string[],
): OperatorProcess {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(root, "operator/main.ts"), "--kubeconfig", kubeconfig, "--health-address", "127.0.0.1:0", ...args],
    { env: { PATH: process.env["PATH"], POD_NAME: name }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const log = createWriteStream(join(suite.plane.directory, `${name}.log`));
  const lines: JsonRecord[] = [];
  let leads = false;
  let port = 0;
  if (child.stdout)
    createInterface({ input: child.stdout }).on("line", (text) => {
      log.write(`${text}\n`);
      const line: unknown = JSON.parse(text);
      if (!isRecord(line)) return;
      lines.push(line);
      const event = textAt(line, "event");
      if (event === "leading") leads = true;
      if (event === "stopped-leading") leads = false;
      if (event === "started") port = Number(textAt(line, "ports"));
    });
  const closed = once(child, "close");
  // A parent that dies with an error takes it along.
  const onExit = () => void child.kill("SIGKILL");
  process.once("exit", onExit);
  return {
    name,
    leads: () => leads && child.exitCode === null && child.signalCode === null,
    lines: () => lines,
    port: () => port,
    async end(signal) {
      child.kill(signal);
      const [code, killedBy] = await closed;
      process.off("exit", onExit);
      log.end();
      return typeof code === "number" ? code : String(killedBy);
    },
  };
}
