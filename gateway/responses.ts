/** Answers over HTTP: problems in JSON, status reports as XML or JSON. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type StatusReport, writeStatusReport } from "./iso20022/pacs002.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends an answer whole. */
export function send(response: ServerResponse, { status, type, body, headers }: Answer): void {
  const length = String(Buffer.byteLength(body));
  response.writeHead(status, {
    "content-type": type,
    "content-length": length,
    "cache-control": "no-store",
    ...headers,
  });
  response.end(body);
}

/** A problem as RFC 9457 has it. */
export function problem(status: number, detail: string): Answer {
  return { status, type: "application/problem+json", body: `${JSON.stringify({ status, detail })}\n` };
}

/** A problem that passes. */
export function retryLater(status: 429 | 503, milliseconds: number, detail: string): Answer {
  return {
    ...problem(status, detail),
    headers: { "retry-after": String(Math.max(1, Math.ceil(milliseconds / 1000))) },
  };
}

/** True when XML is asked for by name. */
export function wantsXml({ headers }: IncomingMessage): boolean {
  return /\b(?:application|text)\/xml\b/.test(headers.accept ?? "");
}

/** A report in answer to a file: XML unless JSON alone is asked for. */
export function reportAnswer(status: number, report: StatusReport, request: IncomingMessage): Answer {
  const json = /\bapplication\/json\b/.test(request.headers.accept ?? "") && !wantsXml(request);
  return json ? jsonReport(status, report) : xmlReport(status, report);
}

export function xmlReport(status: number, report: StatusReport): Answer {
  return { status, type: "application/xml; charset=utf-8", body: writeStatusReport(report) };
}

export function jsonReport(status: number, report: StatusReport, more: Readonly<Record<string, unknown>> = {}): Answer {
  const { original, reasons, transactions, time } = report;
  const body = {
    messageId: original.messageId,
    status: report.status,
    time: new Date(time).toISOString(),
    reasons,
    payments: transactions,
    ...more,
  };
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}
