/** `swarm submit FILE` */
import { readFileSync } from "node:fs";
import {
  awaitSettlement,
  type FileStatus,
  type ReadFile,
  readCreditTransfer,
  submitFile,
} from "../operator/gateway-client.ts";
import { bold, paymentTable, red } from "../operator/terminal.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { findGateway, type GatewayOptions, type OpenWorld } from "./find.ts";
import { type Output, writeJson } from "./output.ts";
import type { SubmitResult } from "./shapes.ts";

export interface SubmitOptions {
  readonly as?: string;
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout: number;
}

/** Sends the file; by default waits until each of its payments is settled or rejected. */
export async function submit(
  open: OpenWorld,
  file: string,
  options: SubmitOptions & GatewayOptions,
  output: Output,
): Promise<ExitCode> {
  const found = await findGateway(open, options);
  if (found.kind === "failed") {
    output.error(found.reason);
    return found.code;
  }
  const { gateway } = found;
  let content: Uint8Array;
  try {
    content = readFileSync(file === "-" ? 0 : file);
  } catch {
    output.error(`${file} cannot be read.`);
    return exitCodes.usage;
  }
  const read = readCreditTransfer(content);
  const institution = options.as ?? read.institution;
  if (institution === undefined) {
    output.error(`${file} names no instructing agent. Say who sends it with --as BIC.`);
    return exitCodes.usage;
  }
  const started = performance.now();
  const submission = await submitFile(gateway, institution, content);
  const show = (status: FileStatus, settledMs: number | undefined) => report(read, status, settledMs, output);
  switch (submission.kind) {
    case "busy":
      output.error(`The swarm is busy: ${submission.reason}. Try again in ${submission.retryAfterSeconds} s.`);
      return exitCodes.unreachable;
    case "unreachable":
      output.error(submission.reason);
      return exitCodes.unreachable;
    case "failed":
      output.error(submission.reason);
      return exitCodes.refused;
    case "rejected":
      show(submission.status, undefined);
      return exitCodes.failed;
    case "accepted": {
      if (!options.wait) {
        show(submission.status, undefined);
        return exitCodes.ok;
      }
      const settled = await awaitSettlement(gateway, institution, submission.messageId, options.timeout * 1_000);
      const status = settled.status ?? submission.status;
      show(status, settled.kind === "final" ? performance.now() - started : undefined);
      if (settled.kind === "late") {
        output.error(`Not settled within ${options.timeout} s; it is accepted and will settle.`);
        return exitCodes.timeout;
      }
      return status.status === "ACSC" ? exitCodes.ok : exitCodes.failed;
    }
  }
}

function report(read: ReadFile, status: FileStatus, milliseconds: number | undefined, output: Output): void {
  const payments = read.kind === "file" ? read.payments : [];
  if (output.json) {
    writeJson(output, {
      messageId: status.messageId ?? "",
      status: status.status,
      reasons: status.reasons,
      payments: payments.map((payment, i) => ({
        ...payment,
        status: status.payments[i]?.status ?? status.status,
        reason: status.payments[i]?.reason ?? null,
      })),
      heights: status.heights,
      milliseconds: milliseconds ?? null,
    } satisfies SubmitResult);
    return;
  }
  output.line(`pacs.002 ${bold(status.status)} for ${status.messageId ?? "the file"}`);
  for (const { code, message } of status.reasons) output.line(red(`${code} ${message}`));
  if (payments.length > 0) for (const line of paymentTable(payments, status, milliseconds)) output.line(line);
}
