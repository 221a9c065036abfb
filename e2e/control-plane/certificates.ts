/** Throw-away certificates of a control plane on 127.0.0.1. */
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const validMs = 7 * 24 * 3_600_000;

/** PEM texts. */
export interface Issued {
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface Authority extends Issued {
  /** `groups` become organizations, as Kubernetes reads them. With `server`, it serves 127.0.0.1 and localhost. */
  readonly issue: (name: string, options?: IssueOptions) => Promise<Issued>;
}

export interface IssueOptions {
  readonly groups?: readonly string[];
  readonly server?: boolean;
  /** DNS names that it serves. */
  readonly names?: readonly string[];
}

export async function createAuthority(name: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: new x509.Name([{ CN: [name] }]).toString(),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
    ],
  });
  return {
    certificate: certificate.toString("pem"),
    key: await privatePem(keys),
    async issue(subject, { groups = [], server = false, names = [] } = {}) {
      const own = await newKeys();
      const served = [
        ...(server ? serverNames : []),
        ...names.map((value): x509.JsonGeneralName => ({ type: "dns", value })),
      ];
      const issued = await x509.X509CertificateGenerator.create({
        ...validity(),
        subject: new x509.Name([...groups.map((group) => ({ O: [group] })), { CN: [subject] }]).toString(),
        issuer: certificate.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]),
          ...(served.length > 0 ? [new x509.SubjectAlternativeNameExtension(served)] : []),
        ],
      });
      return { certificate: issued.toString("pem"), key: await privatePem(own) };
    },
  };
}

/** Signs and verifies service account tokens. PEM: PKCS #8 and SPKI. */
export async function tokenKeys(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const keys = await newKeys();
  const spki = await crypto.subtle.exportKey("spki", keys.publicKey);
  return { privateKey: await privatePem(keys), publicKey: x509.PemConverter.encode(spki, "PUBLIC KEY") };
}

const serverNames: x509.JsonGeneralName[] = [
  { type: "ip", value: "127.0.0.1" },
  { type: "dns", value: "localhost" },
  { type: "dns", value: "kubernetes.default.svc" },
];

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

async function privatePem(keys: CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
}

function validity() {
  const now = Date.now();
  return {
    // Positive and not zero.
    serialNumber: `01${randomBytes(8).toString("hex")}`,
    // A clock that is stepped back a little must not make them invalid.
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + validMs),
  };
}
