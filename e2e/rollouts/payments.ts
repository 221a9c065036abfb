/** Payments that are remembered as what they are, not as bytes: they can be signed again, for another chain. */
import { setTimeout as delay } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import type { Fleet } from "../../operator/embedded/fleet.ts";
import { SubmitResponse_Outcome as Outcome } from "../../proto/validator/v1/validator_pb.js";
import {
  buildMessage,
  creditTransfer,
  messageKey,
  recordLength,
  writeRecord,
} from "../../validator/codec/payment-message.ts";
import { digest } from "../../validator/consensus/types.ts";
import { type Ed25519Signer, ed25519Signer } from "../../validator/crypto/ed25519.ts";
import { sha256 } from "../../validator/crypto/hash.ts";

/** Payments in one message. */
export const paymentsPerMessage = 40;
const eur = 978;
const callMs = 5_000;

/** One institution's payments of 0.01 EUR each to the others, by number: the same number is the same payments. */
export interface Payer {
  readonly key: (n: number) => Uint8Array;
  readonly uetr: (n: number, payment: number) => Uint8Array;
  /** Signed for the chain that the fleet runs. */
  readonly message: (n: number) => Uint8Array;
  readonly institution: number;
  /** Account that is debited. */
  readonly debtor: number;
}

export async function openPayer(fleet: Fleet, seed: string): Promise<Payer> {
  const { institutions, accounts, chainId, expiryWindow } = await directoryOf(fleet);
  const signer: Ed25519Signer = ed25519Signer(Buffer.from(seed, "hex"));
  const own = institutions.find(({ key }) => Buffer.from(key).equals(signer.publicKey));
  const inEur = accounts.filter(({ currency }) => currency === "EUR");
  const debtor = inEur.find(({ institution }) => institution === own?.index);
  const creditors = inEur.filter(({ institution }) => institution !== own?.index);
  if (!own || !debtor || creditors.length === 0) throw new Error("the chain has no account of this institution in EUR");
  const named = (name: string) => sha256(new TextEncoder().encode(name));
  const key = (n: number) => messageKey(`restore-${n}`);
  const uetr = (n: number, payment: number) => named(`uetr ${n} ${payment}`).subarray(0, 16);
  const message = (n: number) => {
    const records = new Uint8Array(paymentsPerMessage * recordLength);
    for (let i = 0; i < paymentsPerMessage; i++)
      writeRecord(records, i, {
        uetr: uetr(n, i),
        debtor: debtor.index,
        creditor: creditors[(n + i) % creditors.length]?.index ?? 0,
        amount: 1,
        currency: eur,
        purpose: 0,
        valueDate: 20_260_101,
        commitment: new Uint8Array(24),
      });
    const fields = {
      kind: creditTransfer,
      institution: own.index,
      zone: 0,
      atomic: false,
      messageKey: key(n),
      chainId: digest(Buffer.from(chainId).toString("hex")),
      expiry: Date.now() + Number(expiryWindow) / 2,
      privateRoot: new Uint8Array(32),
    };
    return buildMessage(fields, records, signer.sign);
  };
  return { key, uetr, message, institution: own.index, debtor: debtor.index };
}

export async function directoryOf(fleet: Fleet) {
  const [first] = fleet.view.links;
  if (!first) throw new Error("a fleet without validators");
  return first.settlement.getDirectory({});
}

/** Submits until some validator has answered; the reason code of a refusal, or "". */
export async function submit(fleet: Fleet, message: Uint8Array, from: number): Promise<string> {
  for (let attempt = from; attempt < from + 200; attempt++) {
    const { links } = fleet.view;
    try {
      const answer = await links[attempt % links.length]?.settlement.submit({ message }, { timeoutMs: callMs });
      if (answer) return answer.outcome === Outcome.REFUSED ? answer.reasonCode : "";
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      await delay(20);
    }
  }
  throw new Error("no validator takes the message");
}

/** A steady load of one payer's messages, from 0 on; `stop` resolves once each was acknowledged, with how many there are. */
export function startPaying(fleet: Fleet, payer: Payer, everyMs: number) {
  const under = new Set<Promise<void>>();
  let sent = 0;
  let acknowledged = 0;
  let stopped = false;
  const submitting = (async () => {
    const began = performance.now();
    while (!stopped) {
      const n = sent++;
      const one: Promise<void> = submit(fleet, payer.message(n), n)
        .then((code) => {
          if (code !== "") throw new Error(`message ${n} was refused: ${code}`);
          acknowledged += 1;
        })
        .finally(() => under.delete(one));
      under.add(one);
      await delay(Math.max(0, began + sent * everyMs - performance.now()));
    }
  })();
  return {
    acknowledged: () => acknowledged,
    async stop(): Promise<number> {
      stopped = true;
      await submitting;
      await Promise.all(under);
      return sent;
    },
  };
}
