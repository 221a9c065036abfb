/**
 * Keys of a swarm on one machine: made when they are first asked for, kept in Secrets beside the swarm. They are for
 * development: in a cluster somebody who answers for them puts them there (`operator/apply/keys.ts`).
 */
import { randomBytes } from "node:crypto";
import { type InstitutionKeys, type KeyResult, type Keys, readRecovery, readSeed } from "../apply/keys.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { secrets } from "../kube/kinds.ts";
import { isRecord, type JsonRecord, pathOf, type StoredObject } from "../kube/objects.ts";
import { institutionKeys, operatorKeySecret, swarmLabels } from "../objects/names.ts";

const deadlineMs = 10_000;

type Contents =
  | { readonly kind: "ok"; readonly data: Readonly<Record<string, string>> }
  | { readonly kind: "missing"; readonly reason: string };

/** Keys that exist stay: a chain is bound to them. */
export function developmentKeys(api: ApiClient, signal: AbortSignal): Keys {
  /** The Secret with a seed under each of these names; those that lack are made. */
  async function seeds(swarm: StoredObject, secret: string, names: readonly string[]): Promise<Contents> {
    const { name, namespace } = swarm.metadata;
    const path = pathOf(secrets, namespace, secret);
    const found = await api.request({ method: "GET", path, signal, deadlineMs });
    if (found.kind === "failed" && found.failure.status !== 404)
      return missing(`Secret ${secret} cannot be read: ${found.failure.message}.`);
    const data = found.kind === "ok" ? textsOf(found.body["data"]) : {};
    const lacking = names.filter((each) => data[each] === undefined);
    if (lacking.length === 0) return { kind: "ok", data };
    const made = Object.fromEntries(lacking.map((each) => [each, `${randomBytes(32).toString("hex")}\n`]));
    const encoded = Object.fromEntries(
      Object.entries(made).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
    );
    const body: JsonRecord =
      found.kind === "ok"
        ? { metadata: { resourceVersion: versionOf(found.body) }, data: encoded }
        : {
            apiVersion: "v1",
            kind: "Secret",
            type: "Opaque",
            // Kept when the swarm is deleted, as its volumes are: nobody else has them.
            metadata: { name: secret, labels: swarmLabels(name, "gateway") },
            data: encoded,
          };
    const written = await api.request(
      found.kind === "ok"
        ? { method: "PATCH", path, body: { type: "application/merge-patch+json", value: body }, signal, deadlineMs }
        : {
            method: "POST",
            path: pathOf(secrets, namespace),
            body: { type: "application/json", value: body },
            signal,
            deadlineMs,
          },
    );
    return written.kind === "ok"
      ? { kind: "ok", data: { ...data, ...made } }
      : missing(`Secret ${secret} cannot be written: ${written.failure.message}.`);
  }

  return {
    recovery: ({ metadata }, secret) => readRecovery(api, signal, metadata.namespace, secret),
    async operator(swarm, { authority }): Promise<KeyResult> {
      const secret = authority.keySecretName ?? operatorKeySecret(swarm.metadata.name);
      const found = await seeds(swarm, secret, ["key"]);
      if (found.kind === "missing") return found;
      const key = readSeed(found.data["key"] ?? "");
      return key ? { kind: "ok", key } : missing(notASeed(secret, "key"));
    },
    async institutions(swarm, bics): Promise<InstitutionKeys> {
      const secret = institutionKeys(swarm.metadata.name);
      const found = await seeds(swarm, secret, bics.map(fileOf));
      if (found.kind === "missing") return found;
      const keys = new Map(bics.map((bic) => [bic, readSeed(found.data[fileOf(bic)] ?? "")?.publicKey ?? ""]));
      const wrong = bics.find((bic) => keys.get(bic) === "");
      return wrong === undefined ? { kind: "ok", keys } : missing(notASeed(secret, fileOf(wrong)));
    },
  };
}

const fileOf = (bic: string) => `${bic}.hex`;
const missing = (reason: string) => ({ kind: "missing", reason }) as const;
const notASeed = (secret: string, key: string) =>
  `Secret ${secret} holds no ed25519 seed under \`${key}\`: 64 hexadecimal digits are wanted.`;

function versionOf({ metadata }: JsonRecord): string {
  return isRecord(metadata) ? String(metadata["resourceVersion"]) : "";
}

function textsOf(data: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(isRecord(data) ? data : {});
  return Object.fromEntries(
    entries.map(([key, value]) => [key, Buffer.from(String(value), "base64").toString("utf8")]),
  );
}
