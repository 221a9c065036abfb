/** A payment's proof in words: checked here as anyone would offline, from this chain's genesis. */
import type { ConsoleProof } from "../console/source.ts";
import type { Fleet } from "./embedded/fleet.ts";
import { fetchProof } from "./proofs.ts";

const ask = ({ links, endpoints }: Fleet, uetr: string) =>
  fetchProof(
    links.map(({ settlement }) => settlement),
    endpoints.institutions.length,
    uetr,
  );

/** The canonical bytes; `undefined` when there is none. */
export async function proofBytes(fleet: Fleet, uetr: string): Promise<Uint8Array | undefined> {
  const proof = await ask(fleet, uetr);
  return proof.kind === "proof" ? proof.bytes : undefined;
}

/** What the page shows. */
export async function explainProof(fleet: Fleet, uetr: string): Promise<ConsoleProof> {
  const proof = await ask(fleet, uetr);
  switch (proof.kind) {
    case "unreachable":
      return { kind: "none", reason: "No validator answers. Try again." };
    case "none":
      return { kind: "none", reason: `There is no proof: ${proof.reason}` };
    case "proof":
      return { kind: "proof", uetr, verified: false, verdict: "", bytes: proof.bytes.length, steps: [] };
  }
}
