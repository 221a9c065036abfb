/** The quickstart as a person brings it into a cluster: with institutions' keys. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { arrayAt, isRecord, type JsonRecord } from "../../operator/kube/objects.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";

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
