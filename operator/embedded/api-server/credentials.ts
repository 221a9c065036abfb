/** What a client of the HTTPS face needs: a certificate to trust, a token, and the kubeconfig that holds both. */
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

export interface Credentials {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly token: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const validMs = 3_650 * 24 * 3_600_000;

/** New ones at every start: nothing of them is kept but in the kubeconfig. */
export async function createCredentials(nowMs: number): Promise<Credentials> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=validator-swarm",
    // Clocks of containers may be a little behind.
    notBefore: new Date(nowMs - 3_600_000),
    notAfter: new Date(nowMs + validMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
  });
  return {
    certificate: certificate.toString("pem"),
    key: PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"),
    token: randomBytes(32).toString("base64url"),
  };
}

/** A kubeconfig with one context; JSON, which is YAML too. */
export function kubeconfigText(port: number, namespace: string, { certificate, token }: Credentials): string {
  const name = "validator-swarm";
  return `${JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      "current-context": name,
      clusters: [
        {
          name,
          cluster: {
            server: `https://127.0.0.1:${port}`,
            "certificate-authority-data": Buffer.from(certificate).toString("base64"),
          },
        },
      ],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace } }],
    },
    null,
    2,
  )}\n`;
}

/** Readable by the owner alone, and whole at every moment. */
export async function writeKubeconfig(file: string, text: string): Promise<void> {
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, file);
}
