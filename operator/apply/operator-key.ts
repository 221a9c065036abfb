/** The operator's own ed25519 key for a swarm: read from its Secret when it is needed, kept nowhere. */
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";
import type { ApiClient } from "../kube/api-client.ts";
import { secrets } from "../kube/kinds.ts";
import { pathOf, type StoredObject, textAt } from "../kube/objects.ts";
import { operatorKeySecret } from "../objects/names.ts";
import type { KeyResult } from "./perform.ts";

const deadlineMs = 10_000;

export async function readOperatorKey(api: ApiClient, swarm: StoredObject, signal: AbortSignal): Promise<KeyResult> {
  const { name, namespace } = swarm.metadata;
  const secret = operatorKeySecret(name);
  const path = pathOf(secrets, namespace, secret);
  const answer = await api.request({ method: "GET", path, signal, deadlineMs });
  if (answer.kind === "failed") {
    const why = answer.failure.status === 404 ? "does not exist" : `cannot be read (${answer.failure.message})`;
    return missing(`Secret ${secret} ${why}: create it with the operator's ed25519 seed, hexadecimal, under \`key\`.`);
  }
  const text = Buffer.from(textAt(answer.body["data"], "key"), "base64").toString("utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text))
    return missing(`Secret ${secret} holds no ed25519 seed under \`key\`: 64 hexadecimal digits are wanted.`);
  const seed = Buffer.from(text, "hex");
  return { kind: "ok", key: { seed, publicKey: Buffer.from(ed25519Signer(seed).publicKey).toString("hex") } };
}

const missing = (reason: string): KeyResult => ({ kind: "missing", reason });
