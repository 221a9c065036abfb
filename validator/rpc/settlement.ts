/** The settlement service: what gateways and institutions ask of a validator (proto/validator/v1/validator.proto). */
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { SubmitResponse_Outcome as Outcome, SettlementService } from "../../proto/validator/v1/validator_pb.js";
import { maxMessagePayments, messageHeaderLength, parseMessage, recordLength } from "../codec/payment-message.ts";
import type { ValidatorServices } from "../driver/services.ts";
import { callerKey, mayActFor, mayOperate } from "./caller.ts";
import type { Calls } from "./calls.ts";
import { directoryMessage, messageStateMessage, paymentStateMessage, settledBlockMessage } from "./convert.ts";
import { forbidden, invalid, noChain, retryLater } from "./errors.ts";
import { type Host, withoutChain } from "./host.ts";
import type { Metrics } from "./metrics.ts";
import type { Telemetry } from "./telemetry.ts";
import type { Watchers } from "./watchers.ts";

export interface SettlementOptions {
  readonly host: Host;
  readonly calls: Calls;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly watchers: Watchers;
  /** Client subjects that may read everything. */
  readonly operators: readonly string[];
}

/** Bytes of the largest payment message (`docs/formats.md`). */
export const largestMessage = messageHeaderLength + maxMessagePayments * recordLength;
/** In `WatchSettlements`: every institution. */
export const allInstitutions = 0xffff_ffff;

/** Registers the service. */
export function routeSettlement(router: ConnectRouter, options: SettlementOptions): void {
  const { host, calls, metrics, telemetry } = options;
  const { unary, stream } = calls;
  const running = (): ValidatorServices => {
    const services = host.services();
    if (!services) throw noChain(withoutChain(host).notReady);
    return services;
  };
  const actsFor = (context: HandlerContext, institutions: readonly number[]): boolean =>
    mayActFor(context.values.get(callerKey), institutions, running().directory());
  const operates = (context: HandlerContext): boolean => mayOperate(context.values.get(callerKey), options.operators);
  /** Indices that no institution has are answered here: any u32 may come. */
  const exists = (institution: number): boolean => institution < running().directory().institutions.length;
  /** The sender, those it credited, and operators may read what became of a message. */
  const mayRead = async (context: HandlerContext, institution: number, messageKey: Uint8Array): Promise<boolean> => {
    if (operates(context) || actsFor(context, [institution])) return true;
    const state = await running().message(institution, messageKey);
    return state.kind === "settled" && actsFor(context, state.outcome.creditors);
  };

  router.rpc(
    SettlementService.method.submit,
    unary(async (request, context) => {
      const services = running();
      if (request.message.length > largestMessage) throw invalid("message", `at most ${largestMessage} bytes`);
      const caller = context.values.get(callerKey);
      // Who is on this machine may submit for anyone: the message's own signature decides what it moves.
      if (caller.kind === "certificate") {
        const message = parseMessage(request.message);
        if (message.kind === "refused") throw invalid("message", message.error.reason);
        if (!actsFor(context, [message.value.header.institution])) {
          metrics.count("ingress_messages_total", { outcome: "forbidden" });
          throw forbidden("submit for this institution");
        }
      }
      const started = performance.now();
      const span = telemetry.submission(request.traceparent);
      const content = request.private.length > 0 ? request.private : undefined;
      const result = await services.submit(request.message, content, span.traceparent);
      span.end(result.kind);
      metrics.count("ingress_messages_total", { outcome: result.kind });
      switch (result.kind) {
        case "accepted":
          metrics.record("ingress_accept_seconds", {}, (performance.now() - started) / 1000);
          return { outcome: Outcome.ACCEPTED, message: result.messageHash };
        case "refused":
          return { outcome: Outcome.REFUSED, reasonCode: result.code, reason: result.reason };
        case "overloaded":
          throw retryLater(Code.ResourceExhausted, "the queue of payments is full", result.retryAfterMs);
        case "not-ready":
          throw retryLater(Code.Unavailable, result.reason, 1_000);
      }
    }),
  );

  router.rpc(
    SettlementService.method.watchSettlements,
    stream(async function* (request, context) {
      const { institution } = request;
      const allowed =
        institution === allInstitutions ? operates(context) : actsFor(context, [institution]) || operates(context);
      if (!allowed) throw forbidden("watch these settlements");
      const leave = options.watchers.enter();
      try {
        const all = institution === allInstitutions;
        for await (const block of running().settlements(safeNumber("from_height", request.fromHeight), context.signal))
          yield settledBlockMessage(
            block,
            (outcome) => all || outcome.institution === institution || outcome.creditors.includes(institution),
          );
      } catch (error) {
        if (error instanceof RangeError) throw new ConnectError(error.message, Code.OutOfRange);
        throw error;
      } finally {
        leave();
      }
    }),
  );

  router.rpc(
    SettlementService.method.getMessage,
    unary(async ({ institution, messageKey }, context) => {
      requireLength("message_key", messageKey, 32);
      if (!exists(institution)) return messageStateMessage({ kind: "unknown" });
      if (!(await mayRead(context, institution, messageKey))) throw forbidden("read this message");
      return messageStateMessage(await running().message(institution, messageKey));
    }),
  );

  router.rpc(
    SettlementService.method.getPayment,
    unary(async ({ institution, uetr }, context) => {
      requireLength("uetr", uetr, 16);
      if (!exists(institution)) return paymentStateMessage({ kind: "unknown" });
      const state = await running().payment(institution, uetr);
      if (!(await mayRead(context, institution, state.kind === "unknown" ? uetr : state.messageKey)))
        throw forbidden("read this payment");
      return paymentStateMessage(state);
    }),
  );

  router.rpc(
    SettlementService.method.getProof,
    unary(async ({ institution, uetr, fromEpoch }, context) => {
      requireLength("uetr", uetr, 16);
      const from = safeNumber("from_epoch", fromEpoch);
      if (!exists(institution)) throw new ConnectError("the chain has no such institution", Code.NotFound);
      const state = await running().payment(institution, uetr);
      if (!(await mayRead(context, institution, state.kind === "unknown" ? uetr : state.messageKey)))
        throw forbidden("read this payment");
      const proof = await running().proof(institution, uetr, from);
      if (proof.kind === "none") throw new ConnectError(proof.reason, Code.NotFound);
      return { proof: proof.bytes };
    }),
  );

  router.rpc(
    SettlementService.method.getPrivate,
    unary(async ({ message }, context) => {
      requireLength("message", message, 32);
      const found = await running().privatePayload(message);
      // The same answer for "absent" and "not yours": nothing is learned by asking.
      if (found.kind === "none" || !actsFor(context, [found.institution, ...found.creditors]))
        throw new ConnectError(
          found.kind === "none" ? found.reason : "no private payload of this message for this caller",
          Code.NotFound,
        );
      return { content: found.content, signed: found.signed };
    }),
  );

  router.rpc(
    SettlementService.method.getDirectory,
    unary(() => directoryMessage(running().directory())),
  );
}

function requireLength(field: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw invalid(field, `must be ${length} bytes, got ${bytes.length}`);
}

function safeNumber(field: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(field, "above 2^53 - 1");
  return Number(value);
}
