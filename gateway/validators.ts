/** The validators this gateway talks to: submission with failover, and what is asked of any of them. */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { RetryInfoSchema } from "../proto/google/rpc/error_details_pb.js";
import { SettlementService, SubmitResponse_Outcome } from "../proto/validator/v1/validator_pb.js";
import { followTls, readTls } from "./certificates.ts";
import type { GatewayConfig } from "./config.ts";
import { agreeOnDirectory, type Directory, type DirectoryAnswer } from "./directory.ts";

/** One validator's settlement service. */
export interface Validator {
  readonly seat: string;
  readonly client: Client<typeof SettlementService>;
}

/** Opens clients over HTTP/2; connections are made when first used, and again when lost, with the certificate of then. */
export function connectValidators(
  { validators, validatorTls: tls }: Pick<GatewayConfig, "validators" | "validatorTls">,
  log: Logger,
): { readonly validators: readonly Validator[]; readonly close: () => void } {
  // Read by every new session: what is put into it counts from then on.
  const secure = tls === undefined ? {} : { ...readTls(tls) };
  const close = tls === undefined ? () => {} : followTls(tls, (texts) => void Object.assign(secure, texts), log);
  return {
    close,
    validators: validators.map(({ seat, url }) => {
      const transport = createConnectTransport({
        httpVersion: "2",
        baseUrl: url,
        sessionManager: new Http2SessionManager(url, {}, secure),
        readMaxBytes: 64 * 1024 * 1024,
      });
      return { seat, client: createClient(SettlementService, transport) };
    }),
  };
}

/** What became of a submission. */
export type Submission =
  | { readonly kind: "accepted"; readonly seat: string }
  | { readonly kind: "refused"; readonly code: string; readonly reason: string }
  /** Every reachable validator's queue is full. */
  | { readonly kind: "busy"; readonly retryAfterMs: number }
  | { readonly kind: "unavailable"; readonly reason: string };

export interface SubmitOptions {
  readonly traceparent: string;
  /** ms per attempt. */
  readonly timeoutMs: number;
  /** Which validator is asked first. */
  readonly first: number;
}

/**
 * Submits a signed message: to one validator, and with the same bytes to the next when it cannot answer. That is safe
 * since a message executes once however many validators it was given to.
 */
export async function submit(
  validators: readonly Validator[],
  message: Uint8Array,
  content: Uint8Array,
  options: SubmitOptions,
): Promise<Submission> {
  let busy: number | undefined;
  let reason = "no validator is configured";
  for (let attempt = 0; attempt < validators.length; attempt++) {
    const { seat, client } = validators[(options.first + attempt) % validators.length]!;
    try {
      const answer = await client.submit(
        { message, private: content, traceparent: options.traceparent },
        { timeoutMs: options.timeoutMs },
      );
      if (answer.outcome === SubmitResponse_Outcome.ACCEPTED) return { kind: "accepted", seat };
      if (answer.outcome === SubmitResponse_Outcome.REFUSED)
        return { kind: "refused", code: answer.reasonCode, reason: answer.reason };
      reason = `${seat}: the answer has no outcome`;
    } catch (error) {
      const failure = ConnectError.from(error);
      if (failure.code === Code.ResourceExhausted) busy = Math.max(busy ?? 0, retryAdvice(failure));
      else if (failure.code === Code.InvalidArgument || failure.code === Code.PermissionDenied) {
        return { kind: "refused", code: "NARR", reason: failure.rawMessage };
      }
      reason = `${seat}: ${failure.message}`;
    }
  }
  return busy === undefined ? { kind: "unavailable", reason } : { kind: "busy", retryAfterMs: busy };
}

const DEFAULT_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

/** The delay that google.rpc.RetryInfo advises, ms. */
function retryAdvice(error: ConnectError): number {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  if (delay === undefined) return DEFAULT_RETRY_MS;
  return Math.min(Math.max(1, Number(delay.seconds) * 1000 + Math.ceil(delay.nanos / 1e6)), MAX_RETRY_MS);
}

/** Asks every validator for the directory. */
export async function fetchDirectory(
  validators: readonly Validator[],
  timeoutMs: number,
): Promise<Directory | undefined> {
  const answers = await Promise.all(
    validators.map(async ({ seat, client }): Promise<DirectoryAnswer | undefined> => {
      try {
        return { seat, response: await client.getDirectory({}, { timeoutMs }) };
      } catch {
        // Unreachable or not ready: the others decide.
        return undefined;
      }
    }),
  );
  return agreeOnDirectory(answers.filter((answer) => answer !== undefined));
}

/** Asks one validator after the other until an answer satisfies; undefined when none does. */
export async function askAny<T>(
  validators: readonly Validator[],
  first: number,
  ask: (validator: Validator) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let attempt = 0; attempt < validators.length; attempt++) {
    try {
      const answer = await ask(validators[(first + attempt) % validators.length]!);
      if (answer !== undefined) return answer;
    } catch {
      // The next one may know.
    }
  }
  return undefined;
}
