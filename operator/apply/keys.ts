/** Keys that the operator reads from Secrets: its own, and public halves of institutions' where a spec leaves them out. */
import { parseRecovery } from "../../checkpoint/recovery.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import type { Recovery } from "../../validator/ledger/genesis.ts";
import type { ValidatorSwarmSpec } from "../api/validator-swarm.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { secrets } from "../kube/kinds.ts";
import { pathOf, type StoredObject, textAt } from "../kube/objects.ts";
import { operatorKeySecret } from "../objects/names.ts";
import type { OperatorKey } from "../observe/validators.ts";

export type KeyResult =
  | { readonly kind: "ok"; readonly key: OperatorKey }
  /** A sentence with the Secret's name. */
  | { readonly kind: "missing"; readonly reason: string };

/** By BIC, hexadecimal. */
export type InstitutionKeys =
  | { readonly kind: "ok"; readonly keys: ReadonlyMap<string, string> }
  /** A sentence that names the institution. */
  | { readonly kind: "missing"; readonly reason: string };

/** Where the operator finds keys: a world's. */
export interface Keys {
  /** Its own for this swarm. */
  readonly operator: (swarm: StoredObject, spec: ValidatorSwarmSpec) => Promise<KeyResult>;
  /** Of institutions whose keys the spec does not have. */
  readonly institutions: (swarm: StoredObject, bics: readonly string[]) => Promise<InstitutionKeys>;
  /** What the Secret that `spec.restoreFrom` names holds. */
  readonly recovery: (swarm: StoredObject, secret: string) => Promise<RecoveryRead>;
}

export type RecoveryRead =
  | { readonly kind: "ok"; readonly recovery: Recovery }
  /** A sentence with the Secret's name. */
  | { readonly kind: "missing"; readonly reason: string };

/** The signed statement with which a chain is restored, from the Secret that `spec.restoreFrom` names. */
export async function readRecovery(
  api: ApiClient,
  signal: AbortSignal,
  namespace: string | undefined,
  secret: string,
): Promise<RecoveryRead> {
  const path = pathOf(secrets, namespace, secret);
  const answer = await api.request({ method: "GET", path, signal, deadlineMs });
  if (answer.kind === "failed") return missing(`Secret ${secret} cannot be read: ${answer.failure.message}.`);
  const recovery = parseRecovery(Buffer.from(textAt(answer.body["data"], "recovery"), "base64").toString("utf8"));
  return recovery
    ? { kind: "ok", recovery }
    : missing(`Secret ${secret} holds no signed statement under \`recovery\`: \`checkpoint recovery\` makes one.`);
}

const deadlineMs = 10_000;

/** An ed25519 seed as Secrets hold it, 64 hexadecimal digits; undefined when the text is none. */
export function readSeed(text: string): OperatorKey | undefined {
  const trimmed = text.trim();
  if (!/^[0-9a-f]{64}$/.test(trimmed)) return undefined;
  const seed = Buffer.from(trimmed, "hex");
  return { seed, publicKey: Buffer.from(ed25519Signer(seed).publicKey).toString("hex") };
}

/** The keys of a cluster: somebody has put them there, and institutions keep theirs to themselves. */
export function clusterKeys(api: ApiClient, signal: AbortSignal): Keys {
  return {
    recovery: ({ metadata }, secret) => readRecovery(api, signal, metadata.namespace, secret),
    async operator({ metadata }, { authority }) {
      const secret = authority.keySecretName ?? operatorKeySecret(metadata.name);
      const path = pathOf(secrets, metadata.namespace, secret);
      const answer = await api.request({ method: "GET", path, signal, deadlineMs });
      if (answer.kind === "failed") {
        const why = answer.failure.status === 404 ? "does not exist" : `cannot be read (${answer.failure.message})`;
        return missing(
          `Secret ${secret} ${why}: create it with the operator's ed25519 seed, hexadecimal, under \`key\`.`,
        );
      }
      const key = readSeed(Buffer.from(textAt(answer.body["data"], "key"), "base64").toString("utf8"));
      return key
        ? { kind: "ok", key }
        : missing(`Secret ${secret} holds no ed25519 seed under \`key\`: 64 hexadecimal digits are wanted.`);
    },
    institutions: async (_, [bic]) =>
      bic === undefined
        ? { kind: "ok", keys: new Map() }
        : missing(`spec.genesis.institutions: ${bic} has no key. Add its ed25519 public key as \`key\`.`),
  };
}

const missing = (reason: string) => ({ kind: "missing", reason }) as const;
