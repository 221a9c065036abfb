/** Status by message id and by UETR. */
import { GetMessageResponse_State as State } from "../proto/validator/v1/validator_pb.js";
import { readRecord, recordLength } from "../validator/codec/payment-message.ts";
import type { Directory } from "./directory.ts";
import type { Gateway } from "./gateway.ts";
import type { FileRecord, FileState } from "./intake.ts";
import { normalizeUuid, uuidToBytes } from "./iso20022/uetr.ts";
import { reasonOf } from "./receipts.ts";
import { type Answer, jsonReport, problem, xmlReport } from "./responses.ts";
import { groupStatus, reportOn } from "./status.ts";
import { askAny } from "./validators.ts";

/** Messages of a file that validators are asked about at one query. */
const MAX_ASKED = 8;
const ASK_TIMEOUT = 2_000;

/** The status of a file that the institution sent. */
export async function messageStatus(
  gateway: Gateway,
  institution: number,
  messageId: string,
  xml: boolean,
): Promise<Answer> {
  const state = gateway.intake.find(institution, messageId);
  const record = state === undefined ? undefined : await gateway.intake.record(institution, messageId);
  if (state === undefined || record === undefined)
    return problem(404, "this gateway took no file of this message id from you");
  const report = reportOn(record, state, "now", await orderedParts(gateway, record, state));
  return xml ? xmlReport(200, report) : jsonReport(200, report, settledAt(state));
}

/** The status of one payment that the institution sent or received. */
export async function paymentStatus(
  gateway: Gateway,
  institution: number,
  text: string,
  xml: boolean,
): Promise<Answer> {
  const uetr = normalizeUuid(text);
  if (uetr === undefined) return problem(400, "this is not a UETR");
  const found = gateway.intake.findByUetr(uetr);
  if (found?.institution === institution) {
    const state = gateway.intake.find(found.institution, found.messageId);
    const record = state === undefined ? undefined : await gateway.intake.record(found.institution, found.messageId);
    if (state !== undefined && record !== undefined) {
      const report = reportOn(record, state, "now", await orderedParts(gateway, record, state));
      const transactions = report.transactions.slice(found.payment, found.payment + 1);
      const single = { ...report, status: groupStatus(transactions), transactions };
      return xml ? xmlReport(200, single) : jsonReport(200, single, { uetr, ...settledAt(state) });
    }
  }
  return await ledgerStatus(gateway, institution, uetr);
}

function settledAt(state: FileState): { heights: readonly number[] } {
  return { heights: state.parts.flatMap((part) => (part.kind === "settled" ? [part.height] : [])) };
}

/** Which pending messages are in a block already, as any validator says: a hint between accepted and settled. */
async function orderedParts(
  { validators }: Gateway,
  record: FileRecord,
  state: FileState,
): Promise<(part: number) => boolean> {
  const ordered = new Set<number>();
  const pending = state.parts.flatMap((part, at) => (part.kind === "pending" ? [at] : [])).slice(0, MAX_ASKED);
  await Promise.all(
    pending.map(async (part) => {
      const messageKey = Buffer.from(record.messages[part]!.key, "hex");
      const answer = await askAny(validators, part, ({ client }) =>
        client.getMessage({ institution: record.institution, messageKey }, { timeoutMs: ASK_TIMEOUT }),
      );
      if (answer?.state === State.ORDERED || answer?.state === State.SETTLED) ordered.add(part);
    }),
  );
  return (part) => ordered.has(part);
}

/** A payment this gateway has no record of: what validators with more than the faulty power say alike. */
async function ledgerStatus(gateway: Gateway, caller: number, uetr: string): Promise<Answer> {
  const directory = gateway.directory();
  if (directory === undefined) return problem(503, "the chain's directory is not agreed on yet");
  const bytes = uuidToBytes(uetr);
  for (const institution of [
    caller,
    ...[...directory.institutions.keys()].filter((one) => one !== caller).slice(0, 64),
  ]) {
    const answer = await agreedPayment(gateway, directory, institution, bytes);
    if (answer === undefined) continue;
    const record = readRecord(answer.record, 0);
    const parties = [
      directory.accounts.get(record.debtor)?.institution,
      directory.accounts.get(record.creditor)?.institution,
    ];
    if (!parties.includes(caller)) continue;
    const status = answer.reason === 0 ? { status: "ACSC" } : { status: "RJCT", reason: reasonOf(answer.reason) };
    const body = { uetr, ...status, heights: [answer.height], from: directory.institutions.get(institution)?.bic };
    return { status: 200, type: "application/json", body: `${JSON.stringify(body)}\n` };
  }
  return problem(404, "no payment of yours has this UETR");
}

interface AgreedPayment {
  readonly height: number;
  readonly reason: number;
  readonly record: Uint8Array;
}

async function agreedPayment(
  { validators }: Gateway,
  directory: Directory,
  institution: number,
  uetr: Uint8Array,
): Promise<AgreedPayment | undefined> {
  const power = new Map<string, number>();
  const answers = await Promise.all(
    validators.map(async ({ seat, client }) => {
      try {
        return { seat, answer: await client.getPayment({ institution, uetr }, { timeoutMs: ASK_TIMEOUT }) };
      } catch {
        return undefined;
      }
    }),
  );
  for (const one of answers) {
    if (one === undefined || one.answer.state !== State.SETTLED || one.answer.record.length !== recordLength) continue;
    const { height, reason, record } = one.answer;
    const identity = `${height}/${reason}/${Buffer.from(record).toString("hex")}`;
    const sum = (power.get(identity) ?? 0) + (directory.powers.get(one.seat) ?? 0);
    if (sum > directory.faultPower) return { height: Number(height), reason, record };
    power.set(identity, sum);
  }
  return undefined;
}
