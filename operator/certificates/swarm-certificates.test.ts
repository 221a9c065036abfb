/** A real API server of one process, real certificates, real TLS. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseValidatorSwarm } from "../api/validator-swarm.ts";
import { type ApiServer, createApiServer } from "../embedded/api-server/api-server.ts";
import type { Answer } from "../kube/api-client.ts";
import { createWriter } from "../kube/apply.ts";
import { type Clock, systemClock } from "../kube/clock.ts";
import { secrets, validatorSwarms } from "../kube/kinds.ts";
import { type JsonRecord, type Kind, pathOf, readObject, type StoredObject, textAt } from "../kube/objects.ts";
import { checkpointSubject, checkpointTlsSecret, operatorSubject } from "../objects/names.ts";
import { createCertificates } from "./swarm-certificates.ts";

const day = 86_400_000;
const namespace = "default";
const authoritySecret = { namespace, name: "authority" };
const { signal } = new AbortController();

let folder: string;
let server: ApiServer;
let now: number;
let swarm: StoredObject;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "certificates-"));
  const opened = await createApiServer({ directory: folder, clock: systemClock });
  if (opened.kind === "failed") throw new Error(opened.message);
  server = opened.server;
  now = Date.now();
  // Without it the garbage collector takes what it owns.
  const made = await create(validatorSwarms, manifest);
  const stored = made.kind === "ok" ? readObject(validatorSwarms, made.body) : undefined;
  if (!stored) throw new Error("the swarm was not made");
  swarm = stored;
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const checked = parseValidatorSwarm(readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"));
if (checked.kind === "invalid") throw new Error("no swarm");
const { spec, ...rest } = checked.swarm;
const manifest: JsonRecord = { ...rest, spec };

const clock: Clock = { ...systemClock, wall: () => now };
const operator = () => createCertificates({ api: server.client("operator"), clock, signal, secret: authoritySecret });
const writer = () => createWriter({ api: server.client("operator"), fieldManager: "operator", signal });
const deadlineMs = 5_000;

function create(kind: Kind, value: JsonRecord): Promise<Answer> {
  const body = { type: "application/json", value } as const;
  return server.client("person").request({ method: "POST", path: pathOf(kind, namespace), body, signal, deadlineMs });
}

async function secret(name: string, where = namespace): Promise<Readonly<Record<string, string>>> {
  const answer = await server
    .client("test")
    .request({ method: "GET", path: pathOf(secrets, where, name), signal, deadlineMs });
  if (answer.kind === "failed") throw new Error(answer.failure.message);
  const data = answer.body["data"] as JsonRecord;
  return Object.fromEntries(Object.keys(data).map((key) => [key, Buffer.from(textAt(data, key), "base64").toString()]));
}

/** What a client of these credentials hears from a pod that shows this Secret: `ok`, or why there is no connection. */
async function shakeHands(pod: Readonly<Record<string, string>>, client: object, servername: string): Promise<string> {
  const options = { ca: pod["ca.crt"], cert: pod["tls.crt"], key: pod["tls.key"], requestCert: true };
  const listening = createServer({ ...options, rejectUnauthorized: true }, (socket) => {
    const subject = socket.getPeerX509Certificate()?.subject;
    socket.end(`hello ${subject}`);
  });
  listening.on("tlsClientError", () => {});
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as AddressInfo;
  try {
    return await new Promise<string>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", servername, ...client });
      socket.on("data", (data) => resolve(String(data)));
      socket.on("error", ({ message }) => resolve(message));
    });
  } finally {
    listening.close();
  }
}

test("a swarm's pods and the operator know each other by it; nobody else's name is in it", async () => {
  const certificates = operator();
  expect(certificates.credentials()).toEqual({});
  expect(await certificates.keep(swarm, spec, writer())).toEqual({ kind: "kept" });
  const pod = await secret("quickstart-tls");
  const own = certificates.credentials();
  expect(await shakeHands(pod, own, "quickstart-eu-west-0-g1.quickstart-peers.default.svc")).toBe(
    `hello ${operatorSubject}`,
  );
  expect(await shakeHands(pod, own, "quickstart-gateway.default.svc")).toBe(`hello ${operatorSubject}`);
  expect(await shakeHands(pod, own, "quickstart-gateway.other.svc")).toContain("does not match");
  // A pod's certificate is no operator's, and none that issues.
  const certificate = new X509Certificate(pod["tls.crt"] ?? "");
  expect(certificate.subject).not.toBe(operatorSubject);
  expect(certificate.ca).toBe(false);
});

test("a swarm with checkpoints has a certificate for reading them, whose name validators compare with", async () => {
  const certificates = operator();
  const asking = { ...spec, checkpoints: { destination: {}, retention: 1, maxAgeSeconds: 300, verifyByRestore: true } };
  expect(await certificates.keep(swarm, asking, writer())).toEqual({ kind: "kept" });
  const { "tls.crt": text = "" } = await secret(checkpointTlsSecret(swarm.metadata.name));
  // As `validator/rpc/caller.ts` does: the most specific part first.
  const subject = new X509Certificate(text).subject.split("\n").reverse().join(",");
  expect(subject).toBe(checkpointSubject(swarm.metadata.name, namespace));
});

test("after two thirds of its life it is renewed, by the same authority, also by another operator", async () => {
  // So that TLS, which has the machine's clock, finds all of it valid.
  now -= 61 * day;
  await operator().keep(swarm, spec, writer());
  const first = await secret("quickstart-tls");
  now += 50 * day;
  await operator().keep(swarm, spec, writer());
  expect(await secret("quickstart-tls")).toEqual(first);
  now += 11 * day;
  const next = operator();
  await next.keep(swarm, spec, writer());
  const second = await secret("quickstart-tls");
  expect(second["tls.crt"]).not.toBe(first["tls.crt"]);
  // Pods that have not read theirs anew, and an operator of before: all of them still trust each other.
  const mixed = { ...first, "ca.crt": second["ca.crt"] ?? "" };
  const name = "quickstart-gateway.default.svc";
  expect(await shakeHands(mixed, next.credentials(), name)).toContain("hello");
  expect(await shakeHands(second, { ...next.credentials(), ca: first["ca.crt"] }, name)).toContain("hello");
});

test("one that a person put there stays; one that went is made again", async () => {
  const data = { "tls.crt": "eA==", "tls.key": "eA==" };
  const metadata = { name: "quickstart-tls" };
  await create(secrets, { apiVersion: "v1", kind: "Secret", metadata, data, type: "kubernetes.io/tls" });
  const certificates = operator();
  await certificates.keep(swarm, spec, writer());
  expect((await secret("quickstart-tls"))["tls.crt"]).toBe("x");
  const path = pathOf(secrets, namespace, "quickstart-tls");
  await server.client("person").request({ method: "DELETE", path, signal, deadlineMs });
  now += 11 * 60_000;
  await certificates.keep(swarm, spec, writer());
  expect((await secret("quickstart-tls"))["tls.crt"]).toContain("CERTIFICATE");
});

test("of two operators that begin at once, both end with one authority", async () => {
  const operators = [operator(), operator()];
  const kept = await Promise.all(operators.map((each) => each.keep(swarm, spec, writer())));
  expect(kept).toEqual([{ kind: "kept" }, { kind: "kept" }]);
  const pod = await secret("quickstart-tls");
  for (const each of operators) {
    expect(await shakeHands(pod, each.credentials(), "quickstart-gateway.default.svc")).toContain("hello");
  }
});

test("a key that is none is never replaced in silence", async () => {
  const metadata = { name: authoritySecret.name };
  await create(secrets, { apiVersion: "v1", kind: "Secret", metadata, data: { "ca.key": "eA==" }, type: "Opaque" });
  expect(await operator().keep(swarm, spec, writer())).toEqual({
    kind: "refused",
    message: "Secret default/authority holds no ECDSA P-256 key under `ca.key`: restore or remove it.",
  });
});
