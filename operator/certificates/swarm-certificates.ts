/**
 * Certificates between operator, gateways and validators of a cluster, from an authority of the operator's own. The
 * authority's key is in one Secret of the operator's namespace; each swarm's certificate is in the Secret that its pods
 * mount, and is renewed after two thirds of its life. Validators read it anew, and nothing restarts.
 */
import { X509Certificate } from "node:crypto";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { Kept } from "../apply/gateways.ts";
import type { ApiClient } from "../kube/api-client.ts";
import type { Writer } from "../kube/apply.ts";
import type { Clock } from "../kube/clock.ts";
import { secrets } from "../kube/kinds.ts";
import { keyOf, type ObjectKey, pathOf, readObject, type StoredObject, textAt } from "../kube/objects.ts";
import { controllerReference } from "../kube/owner.ts";
import {
  checkpointSubject,
  checkpointTlsSecret,
  gatewayName,
  operatorSubject,
  peersService,
  swarmLabels,
  swarmOf,
  tlsSecret,
} from "../objects/names.ts";
import type { Credentials } from "../observe/reports/connection.ts";
import { type Authority, createAuthority, openAuthority } from "./authority.ts";

export interface Certificates {
  /** Sees to it that the swarm has a certificate that will do for a while. Asks the API seldom. */
  readonly keep: (swarm: StoredObject, spec: ValidatorSwarmSpec, writer: Writer) => Promise<Kept>;
  readonly forget: (swarm: ObjectKey) => void;
  /** The operator's own towards validators: nothing before the first certificate was kept. */
  readonly credentials: Credentials;
}

export interface CertificateOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Holds the authority's private key under `ca.key`, PEM; made when there is none. */
  readonly secret: { readonly namespace: string; readonly name: string };
}

const day = 86_400_000;
/** Any certificate of the authority's key will do for those who trust it: nothing rests on how long this one lasts. */
const authorityValidMs = 3_650 * day;
const ownValidMs = 30 * day;
const defaultValidityDays = 90;
/** Secrets are not watched: they are looked at again after this, ms. */
const lookAgainMs = 600_000;
const deadlineMs = 10_000;
const authoritySubject = "CN=validator-swarm-authority";

export function createCertificates({ api, clock, signal, secret }: CertificateOptions): Certificates {
  /** When each swarm's Secret is to be looked at again, by the clock; and for which certificate that holds. */
  const looked = new Map<ObjectKey, { readonly uid: string; readonly wanted: string; readonly until: number }>();
  let authority: Authority | undefined;
  let own: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;

  /** The authority, and a certificate of the operator's that is not about to end. A sentence when there is none. */
  async function ready(): Promise<Authority | string> {
    const loaded = authority ?? (await loadAuthority());
    if (typeof loaded === "string") return loaded;
    authority = loaded;
    if (!own || isDue(own.cert, clock.wall())) {
      const issued = await authority.issue({ subject: operatorSubject, validMs: ownValidMs });
      own = { ca: authority.certificate, cert: issued.certificate, key: issued.key };
    }
    return loaded;
  }

  return {
    async keep(swarm, spec, writer) {
      if (spec.tls.issuerRef) return kept;
      const key = keyOf(swarm);
      const { name, namespace = "default", uid } = swarm.metadata;
      const validMs = (spec.tls.selfManaged?.validityDays ?? defaultValidityDays) * day;
      const gateway = `${gatewayName(name)}.${namespace}`;
      const names = [`*.${peersService(name)}.${namespace}.svc`, gatewayName(name), gateway, `${gateway}.svc`];
      const wanted = [...names, validMs, spec.checkpoints !== undefined].join(" ");
      const before = looked.get(key);
      const now = clock.wall();
      if (before?.uid === uid && before.wanted === wanted && now < before.until && own && !isDue(own.cert, now))
        return kept;

      const issuer = await ready();
      if (typeof issuer === "string") return { kind: "refused", message: issuer };
      const common = { swarm, validMs, issuer, now };
      const results = [
        await keepSecret({ ...common, secret: tlsSecret(name), subject: `CN=${name},O=${namespace}`, names }, writer),
      ];
      if (spec.checkpoints) {
        // RFC 4514 writes the most specific part first, a certificate last.
        const subject = checkpointSubject(name, namespace).split(",").reverse().join(",");
        results.push(await keepSecret({ ...common, secret: checkpointTlsSecret(name), subject, names: [] }, writer));
      }
      const open = results.find(({ kind }) => kind !== "kept");
      if (!open) looked.set(key, { uid, wanted, until: now + lookAgainMs });
      return open ?? kept;
    },
    forget: (swarm) => void looked.delete(swarm),
    credentials: () => own ?? {},
  };

  /** One Secret with a certificate of the swarm's, unless what is there will do. */
  async function keepSecret(order: SecretOrder, writer: Writer): Promise<Kept> {
    const { swarm, secret: secretName, subject, names, validMs, issuer, now } = order;
    const { name, namespace = "default" } = swarm.metadata;
    const path = pathOf(secrets, namespace, secretName);
    const found = await api.request({ method: "GET", path, signal, deadlineMs });
    const { failure } = { failure: undefined, ...found };
    if (failure?.status === 403) return { kind: "refused", message: failure.message };
    if (failure && failure.status !== 404) return { kind: "failed", retryAfterMs: 1_000 };
    const secretFound = found.kind === "ok" ? readObject(secrets, found.body) : undefined;
    if (secretFound) {
      const certificate = Buffer.from(textAt(secretFound["data"], "tls.crt"), "base64").toString("utf8");
      // One that a person or another controller put there is theirs to renew.
      if (swarmOf(secretFound) !== name || serves(certificate, names, validMs, issuer, now)) return kept;
    }
    const issued = await issuer.issue({ subject, names, validMs });
    const result = await writer.apply(secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: secretName,
        namespace,
        labels: swarmLabels(name, "validator"),
        ownerReferences: [controllerReference(swarm)],
      },
      type: "kubernetes.io/tls",
      data: {
        "ca.crt": base64(issuer.certificate),
        "tls.crt": base64(issued.certificate),
        "tls.key": base64(issued.key),
      },
    });
    if (result.kind === "unavailable") return { kind: "failed", retryAfterMs: result.retryAfterMs };
    if (result.kind !== "applied" && result.kind !== "unchanged") return { kind: "refused", message: result.message };
    return kept;
  }

  /** Whoever comes first makes the key; everybody uses that one. */
  async function loadAuthority(): Promise<Authority | string> {
    const { namespace, name } = secret;
    const options = { subject: authoritySubject, validMs: authorityValidMs, now: clock.wall };
    const path = pathOf(secrets, namespace, name);
    const found = await api.request({ method: "GET", path, signal, deadlineMs });
    if (found.kind === "ok") {
      const key = Buffer.from(textAt(found.body["data"], "ca.key"), "base64").toString("utf8");
      const opened = await openAuthority(key, options);
      return opened ?? `Secret ${namespace}/${name} holds no ECDSA P-256 key under \`ca.key\`: restore or remove it.`;
    }
    if (found.failure.status !== 404) return `Secret ${namespace}/${name} cannot be read: ${found.failure.message}.`;
    const made = await createAuthority(options);
    const value = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace, labels: { "app.kubernetes.io/name": "validator-swarm-operator" } },
      type: "Opaque",
      data: { "ca.key": base64(made.key) },
    };
    const body = { type: "application/json", value } as const;
    const created = await api.request({ method: "POST", path: pathOf(secrets, namespace), body, signal, deadlineMs });
    if (created.kind === "ok") return made;
    if (created.failure.status === 409) return loadAuthority();
    return `Secret ${namespace}/${name} cannot be made: ${created.failure.message}.`;
  }
}

interface SecretOrder {
  readonly swarm: StoredObject;
  readonly secret: string;
  readonly subject: string;
  readonly names: readonly string[];
  readonly validMs: number;
  readonly issuer: Authority;
  readonly now: number;
}

const kept: Kept = { kind: "kept" };
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** Two thirds of its life are over. */
function isDue(certificate: string, now: number): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return now >= from + ((to - from) * 2) / 3;
}

/** Whether a certificate of ours may stay: by this authority, for these names, for no longer than asked, and not due. */
function serves(pem: string, names: readonly string[], validMs: number, issuer: Authority, now: number): boolean {
  try {
    const certificate = new X509Certificate(pem);
    const authority = new X509Certificate(issuer.certificate);
    const lasts = certificate.validToDate.getTime() - certificate.validFromDate.getTime();
    return (
      certificate.verify(authority.publicKey) &&
      certificate.subjectAltName === names.map((name) => `DNS:${name}`).join(", ") &&
      lasts <= validMs + day &&
      !isDue(pem, now)
    );
  } catch {
    return false;
  }
}
