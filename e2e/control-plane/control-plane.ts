/**
 * etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1: real admission, CEL, watches, conflicts
 * and garbage collection, but no nodes, so no pod ever runs.
 */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Authority, Issued } from "../../operator/certificates/authority.ts";
import { isRecord, numberAt, textAt } from "../../operator/kube/objects.ts";
import type { Binary } from "./build.ts";
import { createPlaneAuthority, issueClient, issueServer, tokenKeys } from "./certificates.ts";
import { type Component, startComponent } from "./component.ts";
import { makeDirectory } from "./directory.ts";

export interface ControlPlane {
  /** Of a cluster administrator. A file, mode 0600. */
  readonly kubeconfig: string;
  readonly directory: string;
  readonly kubectl: (args: readonly string[], input?: string) => Promise<Completed>;
  /** `kill -9` of the API server; etcd and the controllers go on. */
  readonly killApiServer: () => Promise<void>;
  /** At the same address, with empty caches. Resolves when it is ready. */
  readonly startApiServer: () => Promise<void>;
  /** What service accounts outside kube-system have asked for so far, in the order of answers. */
  readonly audited: () => readonly AuditedRequest[];
  /** Makes etcd forget every version before the newest: what is older gets 410. */
  readonly compact: () => Promise<void>;
  /** Ends everything and removes the directory. */
  readonly stop: () => Promise<void>;
}

/** One request, from the server's audit log. */
export interface AuditedRequest {
  /** `system:serviceaccount:<namespace>:<name>`. */
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  /** With its subresource, `pods/status`. */
  readonly resource: string;
  /** Of HTTP. */
  readonly code: number;
}

export interface Completed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** From a restart's start to `/readyz`. Ten times what an idle machine takes. */
const readyMs = 90_000;

/** Resolves when the API answers and the controllers work. Throws, with the end of a log, when they do not in time. */
export async function startControlPlane(binary: Binary): Promise<ControlPlane> {
  const directory = makeDirectory();
  const running: Component[] = [];
  const stop = async () => {
    // The clients of a component end before it.
    for (const component of running.reverse()) await component.end("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return await start(binary, directory, running, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  binary: Binary,
  directory: string,
  running: Component[],
  stop: () => Promise<void>,
): Promise<ControlPlane> {
  const [port, etcdPort, etcdPeerPort] = await freePorts(3);
  const server = `https://127.0.0.1:${port}`;
  const etcd = `http://127.0.0.1:${etcdPort}`;
  const authority = await createPlaneAuthority();
  const admin = await issueClient(authority, "admin", ["system:masters"]);
  const kubeconfig = join(directory, "kubeconfig");
  await writeFiles(directory, server, authority, admin);

  const component = async (name: string, args: readonly string[]) => {
    const started = await startComponent(binary.path, name, args, join(directory, `${name}.log`));
    running.push(started);
    return started;
  };
  const startServer = async () => {
    const started = await component("kube-apiserver", apiServerFlags(directory, port, etcd));
    await ready(started, server, authority, admin, "/readyz");
    return started;
  };

  await component("etcd", etcdFlags(directory, etcd, `http://127.0.0.1:${etcdPeerPort}`));
  let apiServer = await startServer();
  const controllers = await component("kube-controller-manager", controllerFlags(directory));
  // The first thing the controllers do that can be seen.
  await ready(controllers, server, authority, admin, "/api/v1/namespaces/default/serviceaccounts/default");

  return {
    kubeconfig,
    directory,
    stop,
    audited: () => readFileSync(join(directory, "audit.log"), "utf8").split("\n").flatMap(readAudited),
    kubectl: (args, input = "") => kubectl(binary, directory, args, input),
    async killApiServer() {
      await apiServer.end("SIGKILL");
      running.splice(running.indexOf(apiServer), 1);
    },
    async startApiServer() {
      apiServer = await startServer();
    },
    async compact() {
      const now = await etcdCall(etcd, "kv/range", { key: Buffer.from("/").toString("base64"), count_only: true });
      const { header } = now as { readonly header: { readonly revision: string } };
      await etcdCall(etcd, "kv/compaction", { revision: header.revision, physical: true });
    },
  };
}

async function writeFiles(directory: string, server: string, authority: Authority, admin: Issued): Promise<void> {
  const serving = await issueServer(authority, "kube-apiserver");
  const controllers = await issueClient(authority, "system:kube-controller-manager");
  const tokens = await tokenKeys();
  const files = {
    "ca.crt": authority.certificate,
    "ca.key": authority.key,
    "server.crt": serving.certificate,
    "server.key": serving.key,
    "tokens.key": tokens.privateKey,
    "tokens.pub": tokens.publicKey,
    "audit.json": JSON.stringify(auditPolicy),
    "audit.log": "",
    kubeconfig: kubeconfigOf(server, authority, admin),
    "controllers.kubeconfig": kubeconfigOf(server, authority, controllers),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o600 });
}

function kubeconfigOf(server: string, authority: Authority, user: Issued): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "local",
    contexts: [{ name: "local", context: { cluster: "local", user: "local" } }],
    clusters: [{ name: "local", cluster: { server, "certificate-authority-data": base64(authority.certificate) } }],
    users: [
      {
        name: "local",
        user: { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) },
      },
    ],
  });
}

const etcdFlags = (directory: string, client: string, peer: string) => [
  `--data-dir=${join(directory, "etcd")}`,
  `--listen-client-urls=${client}`,
  `--advertise-client-urls=${client}`,
  `--listen-peer-urls=${peer}`,
  `--initial-advertise-peer-urls=${peer}`,
  `--initial-cluster=default=${peer}`,
  // Nothing here has to survive the machine.
  "--unsafe-no-fsync",
  "--log-level=warn",
];

const apiServerFlags = (directory: string, port: number, etcd: string) => [
  `--etcd-servers=${etcd}`,
  "--bind-address=127.0.0.1",
  "--advertise-address=127.0.0.1",
  // An Endpoints object may not name a loopback address.
  "--endpoint-reconciler-type=none",
  `--secure-port=${port}`,
  "--service-cluster-ip-range=10.0.0.0/24",
  `--client-ca-file=${join(directory, "ca.crt")}`,
  `--tls-cert-file=${join(directory, "server.crt")}`,
  `--tls-private-key-file=${join(directory, "server.key")}`,
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-account-key-file=${join(directory, "tokens.pub")}`,
  `--service-account-signing-key-file=${join(directory, "tokens.key")}`,
  "--authorization-mode=Node,RBAC",
  `--audit-policy-file=${join(directory, "audit.json")}`,
  `--audit-log-path=${join(directory, "audit.log")}`,
  "--profiling=false",
];

const controllerFlags = (directory: string) => [
  `--kubeconfig=${join(directory, "controllers.kubeconfig")}`,
  "--secure-port=0",
  `--service-account-private-key-file=${join(directory, "tokens.key")}`,
  `--root-ca-file=${join(directory, "ca.crt")}`,
  "--use-service-account-credentials",
  "--leader-elect=false",
  "--profiling=false",
];

const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "None", userGroups: ["system:serviceaccounts:kube-system"] },
    { level: "Metadata", userGroups: ["system:serviceaccounts"] },
    { level: "None" },
  ],
};

/** One line of the log; nothing for a request that is for no resource, and for a last line that is half written. */
function readAudited(line: string): readonly AuditedRequest[] {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return [];
  }
  if (!isRecord(entry)) return [];
  const { user, objectRef, responseStatus } = entry;
  const resource = textAt(objectRef, "resource");
  if (resource === "") return [];
  const subresource = textAt(objectRef, "subresource");
  return [
    {
      user: textAt(user, "username"),
      verb: textAt(entry, "verb"),
      group: textAt(objectRef, "apiGroup"),
      resource: subresource === "" ? resource : `${resource}/${subresource}`,
      code: numberAt(responseStatus, "code") ?? 0,
    },
  ];
}

/** Waits until a path answers 200. */
async function ready(
  component: Component,
  server: string,
  authority: Authority,
  admin: Issued,
  path: string,
): Promise<void> {
  const until = performance.now() + readyMs;
  while ((await statusOf(`${server}${path}`, authority, admin)) !== 200) {
    if (component.ended.aborted) throw new Error(`${component.name} ended:\n${component.tail()}`);
    if (performance.now() > until)
      throw new Error(`no ${path} after ${readyMs} ms of ${component.name}:\n${component.tail()}`);
    await delay(50);
  }
}

/** 0 when nothing answers. */
function statusOf(url: string, authority: Authority, { certificate, key }: Issued): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const call = request(url, { ca: authority.certificate, cert: certificate, key, agent: false, timeout: 5_000 });
  call.on("error", () => resolve(0));
  call.on("timeout", () => call.destroy());
  call.on("response", (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  call.end();
  return promise;
}

async function etcdCall(etcd: string, path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`${etcd}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`etcd ${path}: ${await answer.text()}`);
  return answer.json();
}

function kubectl(binary: Binary, directory: string, args: readonly string[], input: string): Promise<Completed> {
  const { promise, resolve } = Promise.withResolvers<Completed>();
  const env = {
    ...process.env,
    KUBECONFIG: join(directory, "kubeconfig"),
    KUBECACHEDIR: join(directory, "kubectl-cache"),
  };
  const child = execFile(
    binary.kubectl,
    [...args],
    { env, timeout: 120_000, maxBuffer: 16 << 20 },
    (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    },
  );
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  return promise;
}

/** Free when asked; all are held until all are known, so they differ. */
async function freePorts(count: 3): Promise<readonly [number, number, number]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      return typeof address === "object" && address ? address.port : 0;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [first = 0, second = 0, third = 0] = ports;
  return [first, second, third];
}
