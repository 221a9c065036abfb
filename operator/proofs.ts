/** A payment's proof, asked of validators by UETR. */
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { uuidToBytes } from "../gateway/iso20022/uetr.ts";
import { type SettlementService, GetMessageResponse_State as State } from "../proto/validator/v1/validator_pb.js";

export type FetchedProof =
  | { readonly kind: "proof"; readonly bytes: Uint8Array }
  /** No settled payment has this UETR, or no validator keeps its block any more: a sentence. */
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "unreachable" };

const callMs = 5_000;

/** Asks one validator after the other; `institutions` is how many the chain has: a payment's key is one of them with its UETR. */
export async function fetchProof(
  validators: readonly Client<typeof SettlementService>[],
  institutions: number,
  uetr: string,
): Promise<FetchedProof> {
  const bytes = uuidToBytes(uetr);
  let answer: FetchedProof = { kind: "unreachable" };
  for (const validator of validators) {
    try {
      answer = await askOne(validator, institutions, bytes);
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      if (code === Code.NotFound) answer = { kind: "none", reason: rawMessage };
      continue;
    }
    if (answer.kind === "proof") return answer;
  }
  return answer;
}

async function askOne(
  validator: Client<typeof SettlementService>,
  institutions: number,
  uetr: Uint8Array,
): Promise<FetchedProof> {
  const payments = await Promise.all(
    Array.from({ length: institutions }, (_, institution) =>
      validator.getPayment({ institution, uetr }, { timeoutMs: callMs }).catch((error: unknown) => {
        if (ConnectError.from(error).code === Code.NotFound) return undefined;
        throw error;
      }),
    ),
  );
  const institution = payments.findIndex((payment) => payment?.state === State.SETTLED && payment.reason === 0);
  if (institution >= 0) {
    const { proof } = await validator.getProof({ institution, uetr }, { timeoutMs: callMs });
    return { kind: "proof", bytes: proof };
  }
  if (payments.some((payment) => payment?.state === State.SETTLED))
    return { kind: "none", reason: "the ledger rejected this payment, and what is rejected is not settled." };
  if (payments.some((payment) => payment?.state === State.PENDING || payment?.state === State.ORDERED))
    return { kind: "none", reason: "this payment is not settled yet." };
  return { kind: "none", reason: "no payment has this UETR." };
}
