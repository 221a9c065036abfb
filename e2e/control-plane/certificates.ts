/** Throw-away certificates of a control plane on 127.0.0.1. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { type Authority, createAuthority, type Issued } from "../../operator/certificates/authority.ts";

const validMs = 7 * 24 * 3_600_000;

export function createPlaneAuthority(): Promise<Authority> {
  return createAuthority({ subject: "CN=control-plane", validMs, now: Date.now });
}

/** `groups` become organizations, as Kubernetes reads them. */
export function issueClient(authority: Authority, name: string, groups: readonly string[] = []): Promise<Issued> {
  return authority.issue({ subject: [`CN=${name}`, ...groups.map((group) => `O=${group}`)].join(","), validMs });
}

/** Serves 127.0.0.1 and the names of an API server. */
export function issueServer(authority: Authority, name: string): Promise<Issued> {
  const names = ["localhost", "kubernetes.default.svc"];
  return authority.issue({ subject: `CN=${name}`, names, addresses: ["127.0.0.1"], validMs });
}

/** Signs and verifies service account tokens. PEM: PKCS #8 and SPKI. */
export async function tokenKeys(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  const spki = await crypto.subtle.exportKey("spki", keys.publicKey);
  return {
    privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
    publicKey: x509.PemConverter.encode(spki, "PUBLIC KEY"),
  };
}
