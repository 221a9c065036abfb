/** A certificate authority: one self-signed key pair and what it issues. ECDSA on P-256, PEM in and out. */
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** PEM texts. */
export interface Issued {
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface CertificateRequest {
  /** RFC 4514, most specific part first: `CN=quickstart,O=payments`. */
  readonly subject: string;
  /** DNS names it serves; without names and addresses it is a client's alone. */
  readonly names?: readonly string[];
  /** IP addresses it serves. */
  readonly addresses?: readonly string[];
  readonly validMs: number;
}

export interface Authority extends Issued {
  readonly issue: (request: CertificateRequest) => Promise<Issued>;
}

export interface AuthorityOptions {
  /** RFC 4514. */
  readonly subject: string;
  readonly validMs: number;
  /** Wall clock, ms since the Unix epoch. */
  readonly now: () => number;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** A clock that is a little behind, or stepped back, must not make a new certificate invalid, ms. */
const backdated = 3_600_000;
const [serverUse, clientUse] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];

/** Of a new key. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  return authorityOf(await newKeys(), options);
}

/**
 * Of a key from before, PKCS #8 in PEM; undefined when it is none on P-256. Its certificate is signed anew: whoever
 * trusts another one of the same key and subject trusts all that it issued.
 */
export async function openAuthority(key: string, options: AuthorityOptions): Promise<Authority | undefined> {
  try {
    const [der] = x509.PemConverter.decode(key);
    if (!der) return undefined;
    const privateKey = await crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
    // The public half of an ECDSA key is its point: a JWK without the secret scalar.
    const { d: _, key_ops: __, ...point } = await crypto.subtle.exportKey("jwk", privateKey);
    const publicKey = await crypto.subtle.importKey("jwk", point, algorithm, true, ["verify"]);
    return await authorityOf({ privateKey, publicKey }, options);
  } catch {
    return undefined;
  }
}

async function authorityOf(keys: CryptoKeyPair, { subject, validMs, now }: AuthorityOptions): Promise<Authority> {
  const identifier = await x509.SubjectKeyIdentifierExtension.create(keys.publicKey);
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(now(), validMs),
    name: subject,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      identifier,
    ],
  });
  return {
    certificate: own.toString("pem"),
    key: await privatePem(keys),
    async issue({ subject: wanted, names = [], addresses = [], validMs: wantedMs }) {
      const issued = await newKeys();
      const served: x509.JsonGeneralName[] = [
        ...addresses.map((value) => ({ type: "ip", value }) as const),
        ...names.map((value) => ({ type: "dns", value }) as const),
      ];
      const certificate = await x509.X509CertificateGenerator.create({
        ...validity(now(), wantedMs),
        subject: wanted,
        issuer: own.subject,
        publicKey: issued.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(served.length > 0 ? [serverUse, clientUse] : [clientUse]),
          new x509.AuthorityKeyIdentifierExtension(identifier.keyId),
          ...(served.length > 0 ? [new x509.SubjectAlternativeNameExtension(served)] : []),
        ],
      });
      return { certificate: certificate.toString("pem"), key: await privatePem(issued) };
    },
  };
}

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

async function privatePem(keys: CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
}

const validity = (now: number, validMs: number) => ({
  // Positive, and not zero.
  serialNumber: `01${randomBytes(8).toString("hex")}`,
  notBefore: new Date(now - backdated),
  notAfter: new Date(now + validMs),
});
