/** The quickstart as a person brings it into a cluster: with institutions' keys and with certificates. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { arrayAt, isRecord, type JsonRecord } from "../../operator/kube/objects.ts";
import { operatorSubject, peersService, tlsSecret } from "../../operator/objects/names.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import { createAuthority } from "../control-plane/certificates.ts";
import type { Suite } from "./suite.ts";

const root = join(import.meta.dirname, "../..");

/** The manifest, with what a person adds for a cluster: institutions keep their keys, the spec has the public halves. */
export function quickstart(): JsonRecord {
  const manifest: unknown = parse(readFileSync(join(root, "manifests/quickstart.yaml"), "utf8"));
  const spec = isRecord(manifest) && isRecord(manifest["spec"]) ? manifest["spec"] : {};
  const genesis = isRecord(spec["genesis"]) ? spec["genesis"] : {};
  const institutions = arrayAt(genesis, "institutions").map((each) => {
    const key = Buffer.from(ed25519Signer(randomBytes(32)).publicKey).toString("hex");
    return isRecord(each) ? { ...each, key } : each;
  });
  return { ...(isRecord(manifest) ? manifest : {}), spec: { ...spec, genesis: { ...genesis, institutions } } };
}

/** One authority for the swarm's pods, into a Secret, and for the operator, into files. Returns the operator's options. */
export async function certify(suite: Suite, namespace: string, swarm: string): Promise<readonly string[]> {
  const authority = await createAuthority("swarms");
  const pod = await authority.issue("quickstart", { names: [`*.${peersService(swarm)}.${namespace}.svc`] });
  const own = await authority.issue(operatorSubject.replace("CN=", ""));
  const file = (name: string, text: string) => {
    const path = join(suite.plane.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const ca = file("swarm-ca.crt", authority.certificate);
  const [cert, key] = [file("swarm.crt", pod.certificate), file("swarm.key", pod.key)];
  const from = [`--from-file=ca.crt=${ca}`, `--from-file=tls.crt=${cert}`, `--from-file=tls.key=${key}`];
  await suite.kubectl([
    "-n",
    namespace,
    "create",
    "secret",
    "generic",
    tlsSecret(swarm),
    "--type=kubernetes.io/tls",
    ...from,
  ]);
  const files = { ca, cert: file("operator.crt", own.certificate), key: file("operator.key", own.key) };
  return Object.entries(files).flatMap(([name, path]) => [`--validator-${name}`, path]);
}
