/** Certificates of an authority of our own: for tests of mutual TLS. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}
export interface Authority extends Issued {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}

async function pem(keys: CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
}

export async function makeAuthority(name: string): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const extensions = [new x509.BasicConstraintsExtension(true, 1, true)];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return { certificate, keys, cert: certificate.toString("pem"), key: await pem(keys) };
}

/** A certificate for the loopback address, or for a DNS name. */
export async function issue(authority: Authority, subject: string, dns?: string): Promise<Issued> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "02",
    subject,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        dns === undefined ? { type: "ip", value: "127.0.0.1" } : { type: "dns", value: dns },
      ]),
    ],
  });
  return { cert: certificate.toString("pem"), key: await pem(keys) };
}
