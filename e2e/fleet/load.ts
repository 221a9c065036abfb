/** A steady load of payments on a fleet: every acknowledged message is remembered until it is seen settled. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import type { Fleet } from "../../operator/embedded/fleet.ts";
import {
  SubmitResponse_Outcome as Outcome,
  GetMessageResponse_State as State,
} from "../../proto/validator/v1/validator_pb.js";
import {
  buildMessage,
  creditTransfer,
  messageKey,
  recordLength,
  writeRecord,
} from "../../validator/codec/payment-message.ts";
import { digest } from "../../validator/consensus/types.ts";
import { ed25519Signer } from "../../validator/crypto/ed25519.ts";

export interface Load {
  /** Messages acknowledged so far, by key in hexadecimal. */
  readonly acknowledged: ReadonlyMap<string, Uint8Array>;
  /** Stops submitting; resolves when nothing is under way. */
  stop(): Promise<void>;
}

const eur = 978;

/** Submits a message of so many payments every `everyMs`, to one validator after the other; what is not acknowledged is sent again to the next. */
export async function startLoad(fleet: Fleet, everyMs: number, payments = 10): Promise<Load> {
  const { institutions, accounts, chainId, expiryWindow } = await directory(fleet);
  const payer = institutions[0];
  if (!payer) throw new Error("the chain has no institution");
  const seed = (await fleet.seeds()).get(payer.bic) ?? "";
  const signer = ed25519Signer(Buffer.from(seed, "hex"));
  const inEur = accounts.filter((account) => account.currency === "EUR");
  const debtor = inEur.find((account) => account.institution === payer.index);
  const creditors = inEur.filter((account) => account.institution !== payer.index);
  if (!debtor || creditors.length === 0) throw new Error("no accounts in EUR");
  const acknowledged = new Map<string, Uint8Array>();
  const under = new Set<Promise<void>>();
  let stopped = false;

  function message(n: number): { readonly key: Uint8Array; readonly bytes: Uint8Array } {
    const records = new Uint8Array(payments * recordLength);
    for (let i = 0; i < payments; i++) {
      const creditor = creditors[(n + i) % creditors.length]?.index ?? 0;
      writeRecord(records, i, {
        uetr: randomBytes(16),
        debtor: debtor?.index ?? 0,
        creditor,
        amount: 1,
        currency: eur,
        purpose: 0,
        valueDate: 20_260_101,
        commitment: new Uint8Array(24),
      });
    }
    const key = messageKey(`load-${randomBytes(8).toString("hex")}`);
    const fields = {
      kind: creditTransfer,
      institution: payer?.index ?? 0,
      zone: 0,
      atomic: false,
      messageKey: key,
      chainId: digest(Buffer.from(chainId).toString("hex")),
      expiry: Date.now() + Number(expiryWindow) / 2,
      privateRoot: new Uint8Array(32),
    };
    return { key, bytes: buildMessage(fields, records, signer.sign) };
  }

  async function submit(n: number): Promise<void> {
    const { key, bytes } = message(n);
    for (let attempt = n; ; attempt++) {
      const { links } = fleet.view;
      const link = links[attempt % links.length];
      try {
        const answer = await link?.settlement.submit({ message: bytes }, { timeoutMs: 5_000 });
        if (answer?.outcome === Outcome.REFUSED) throw new Error(`refused: ${answer.reason}`);
        acknowledged.set(Buffer.from(key).toString("hex"), key);
        return;
      } catch (error) {
        // A validator that is down or full: the same bytes to the next one. Not acknowledged is not promised.
        if (!(error instanceof ConnectError)) throw error;
        if (stopped && attempt > n + 3 * links.length) return;
        await delay(20);
      }
    }
  }

  const submitting = (async () => {
    for (let n = 0; !stopped; n++) {
      const one: Promise<void> = submit(n).finally(() => under.delete(one));
      under.add(one);
      await delay(everyMs);
    }
  })();

  return {
    acknowledged,
    async stop() {
      stopped = true;
      await submitting;
      await Promise.all(under);
    },
  };
}

async function directory(fleet: Fleet) {
  const [first] = fleet.view.links;
  if (!first) throw new Error("a fleet without validators");
  return first.settlement.getDirectory({});
}

/** The acknowledged messages among `keys` that one validator does not have settled. */
export async function unsettled(
  link: Fleet["view"]["links"][number],
  keys: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const missing: Uint8Array[] = [];
  for (const messageKey of keys) {
    const { state } = await link.settlement.getMessage({ institution: 0, messageKey });
    if (state !== State.SETTLED) missing.push(messageKey);
  }
  return missing;
}
