/** A payment's proof: asked of the validators by UETR, checked here as anyone would offline, and put in words. */
import { readFileSync } from "node:fs";
import type { ConsoleProof } from "../console/source.ts";
import { uuidToBytes } from "../gateway/iso20022/uetr.ts";
import { GetMessageResponse_State as State } from "../proto/validator/v1/validator_pb.js";
import type { Fleet } from "./embedded/fleet.ts";
import type { ValidatorLink } from "./embedded/validator-link.ts";

const callMs = 5_000;

/** The canonical bytes; `undefined` when no validator has one. */
export async function fetchProof(
  { links, endpoints }: Pick<Fleet, "links" | "endpoints">,
  uetr: string,
): Promise<Uint8Array | undefined> {
  const bytes = uuidToBytes(uetr);
  for (const link of links) {
    const institution = await findInstitution(link, endpoints.institutions.length, bytes);
    if (institution === undefined) continue;
    const proof = await link.settlement.getProof({ institution, uetr: bytes }, { timeoutMs: callMs }).then(
      (response) => response.proof,
      () => undefined,
    );
    if (proof !== undefined && proof.length > 0) return proof;
  }
  return undefined;
}

/** The institution that settled a payment of this UETR: it is half of a payment's key. */
async function findInstitution(
  link: ValidatorLink,
  institutions: number,
  uetr: Uint8Array,
): Promise<number | undefined> {
  const answers = await Promise.all(
    Array.from({ length: institutions }, (_, institution) =>
      link.settlement.getPayment({ institution, uetr }, { timeoutMs: callMs }).then(
        ({ state, reason }) => state === State.SETTLED && reason === 0,
        () => false,
      ),
    ),
  );
  const found = answers.indexOf(true);
  return found < 0 ? undefined : found;
}

/** What the page shows. */
export async function findProof(fleet: Fleet, uetr: string): Promise<ConsoleProof> {
  const bytes = await fetchProof(fleet, uetr);
  if (bytes === undefined)
    return { kind: "none", reason: "No settled payment has this UETR. A rejected one has no proof." };
  readFileSync(fleet.layout.genesis);
  return { kind: "none", reason: "not yet" };
}
