/** What tools of this machine say to the gateway: a file in, its status until nothing about it changes any more. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { parseCreditTransfer } from "../gateway/iso20022/parse.ts";
import { deriveUetr } from "../gateway/iso20022/uetr.ts";
import { askGateway, type GatewayAddress, type GatewayAnswer } from "./gateway-http.ts";

/** One payment of a file, as its sender wrote it. */
export interface FilePayment {
  readonly uetr: string;
  readonly from: string;
  readonly to: string;
  readonly amount: string;
  readonly currency: string;
}

export type ReadFile =
  | {
      readonly kind: "file";
      /** BIC of the instructing agent: who sends it. */
      readonly institution: string;
      readonly messageId: string;
      readonly payments: readonly FilePayment[];
    }
  | { readonly kind: "unreadable"; readonly institution: string | undefined; readonly reason: string };

/** Reads what the tables show of a pacs.008; the gateway reads it again and judges it. */
export function readCreditTransfer(content: Uint8Array): ReadFile {
  const parsed = parseCreditTransfer(content);
  if (parsed.kind === "refused")
    return {
      kind: "unreadable",
      institution: parsed.group.instructingAgent,
      reason: `${parsed.finding.code} ${parsed.finding.message}`,
    };
  const { group, transactions } = parsed.transfer;
  const institution = group.instructingAgent ?? transactions[0]?.instructingAgent ?? transactions[0]?.debtorAgent;
  if (institution === undefined)
    return { kind: "unreadable", institution, reason: "The file names no instructing agent." };
  const messageId = group.messageId ?? "";
  return {
    kind: "file",
    institution,
    messageId,
    payments: transactions.map((each) => ({
      uetr: each.uetr ?? deriveUetr(institution, messageId, each.transactionId ?? ""),
      from: each.instructingAgent ?? institution,
      to: each.instructedAgent ?? group.instructedAgent ?? each.creditorAgent ?? "",
      amount: each.amount ?? "",
      currency: each.currency ?? "",
    })),
  };
}

const reasonSchema = z.object({ code: z.string(), message: z.string().default("") });
const statusSchema = z.object({
  messageId: z.string().optional(),
  status: z.string(),
  reasons: z.array(reasonSchema).default([]),
  payments: z.array(z.object({ status: z.string(), reason: reasonSchema.optional() })).default([]),
  heights: z.array(z.number()).default([]),
});

/** The status of a file as its pacs.002 says it. */
export type FileStatus = z.infer<typeof statusSchema>;

export type Submission =
  /** Members hold it durably: it will settle. */
  | { readonly kind: "accepted"; readonly messageId: string; readonly status: FileStatus }
  /** Refused before anything was signed: every payment of it is rejected. */
  | { readonly kind: "rejected"; readonly status: FileStatus }
  /** Nothing was kept; try again. */
  | { readonly kind: "busy"; readonly retryAfterSeconds: number; readonly reason: string }
  /** Nobody answers; it may have been taken nevertheless, and sending it again is safe. */
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

const submitMs = 30_000;

/** Sends a file for an institution. */
export async function submitFile(
  gateway: GatewayAddress,
  institution: string,
  content: Uint8Array,
): Promise<Submission> {
  let answer: GatewayAnswer;
  try {
    answer = await askGateway(gateway, {
      method: "POST",
      path: "/iso20022",
      headers: { "content-type": "application/xml", "x-institution": institution },
      body: content,
      timeoutMs: submitMs,
    });
  } catch (error) {
    const url = typeof gateway === "string" ? gateway : gateway.url;
    return { kind: "unreachable", reason: `The gateway at ${url} does not answer (${describe(error)}).` };
  }
  const { status: code, headers, body } = answer;
  if (code === 202 || code === 422) {
    const status = statusSchema.safeParse(body);
    if (!status.success) return { kind: "failed", reason: "The gateway's answer cannot be read." };
    if (code === 422) return { kind: "rejected", status: status.data };
    const messageId = decodeURIComponent(textOf(headers["x-message-id"]) ?? status.data.messageId ?? "");
    return { kind: "accepted", messageId, status: status.data };
  }
  const reason = problemOf(body) ?? `HTTP ${code}`;
  if (code === 429 || code === 503)
    return { kind: "busy", retryAfterSeconds: Number(headers["retry-after"] ?? "1"), reason };
  return { kind: "failed", reason: `The gateway refuses: ${reason}.` };
}

const textOf = (header: string | string[] | undefined) => (typeof header === "string" ? header : undefined);

/** Between two questions, ms: growing, so that a waiting tool costs nothing. */
const askMs = { first: 10, most: 250 };

export type Settled =
  | { readonly kind: "final"; readonly status: FileStatus }
  /** Not within the time; the newest status, if any came. */
  | { readonly kind: "late"; readonly status: FileStatus | undefined };

/** Asks until every payment of an accepted file is settled or rejected. */
export async function awaitSettlement(
  gateway: GatewayAddress,
  institution: string,
  messageId: string,
  timeoutMs: number,
): Promise<Settled> {
  const deadline = performance.now() + timeoutMs;
  let status: FileStatus | undefined;
  for (let wait = askMs.first; performance.now() < deadline; wait = Math.min(askMs.most, wait * 1.5)) {
    status = (await askStatus(gateway, institution, messageId)) ?? status;
    if (status && isFinal(status)) return { kind: "final", status };
    await delay(wait);
  }
  return { kind: "late", status };
}

async function askStatus(
  gateway: GatewayAddress,
  institution: string,
  messageId: string,
): Promise<FileStatus | undefined> {
  try {
    const { status, body } = await askGateway(gateway, {
      method: "GET",
      path: `/messages/${encodeURIComponent(messageId)}`,
      headers: { "x-institution": institution },
      timeoutMs: 5_000,
    });
    return status === 200 ? statusSchema.safeParse(body).data : undefined;
  } catch {
    return undefined;
  }
}

/** Settled or rejected, each of them. */
export function isFinal(status: FileStatus): boolean {
  return status.payments.every((payment) => payment.status === "ACSC" || payment.status === "RJCT");
}

function problemOf(body: unknown): string | undefined {
  return z.object({ detail: z.string() }).safeParse(body).data?.detail;
}

const describe = (error: unknown) => (error instanceof Error ? error.message || error.name : String(error));
