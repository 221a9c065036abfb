/** The driver's values as messages of the wire. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type GetChainReportResponseSchema,
  type GetDirectoryResponseSchema,
  type GetMessageResponseSchema,
  type GetPaymentResponseSchema,
  type GetStatusResponseSchema,
  type MessageOutcomeSchema,
  type SettledBlockSchema,
  GetMessageResponse_State as State,
} from "../../proto/validator/v1/validator_pb.js";
import { encodeHeader } from "../codec/block.ts";
import { encodeCertificate } from "../codec/certificate.ts";
import type { Digest } from "../consensus/types.ts";
import type {
  ChainReport,
  Directory,
  MessageState,
  PaymentState,
  SettledBlock,
  ValidatorStatus,
} from "../driver/services.ts";
import type { MessageOutcome } from "../ledger/types.ts";

/** A digest's 32 bytes. */
function bytesOf(digest: Digest): Uint8Array {
  return Buffer.from(digest, "hex");
}

function outcomeMessage(outcome: MessageOutcome): MessageInitShape<typeof MessageOutcomeSchema> {
  const rejected = outcome.payments - outcome.settled;
  return {
    institution: outcome.institution,
    messageKey: outcome.messageKey,
    message: outcome.messageHash,
    settled: outcome.settled,
    rejected,
    // A thousand zero bytes would say no more than the count does.
    reasons: rejected === 0 ? new Uint8Array() : outcome.codes,
    creditors: [...outcome.creditors],
  };
}

/** The block with the messages that `wanted` keeps. */
export function settledBlockMessage(
  block: SettledBlock,
  wanted: (outcome: MessageOutcome) => boolean,
): MessageInitShape<typeof SettledBlockSchema> {
  return {
    height: BigInt(block.height),
    view: BigInt(block.view),
    epoch: BigInt(block.epoch),
    time: BigInt(block.time),
    block: bytesOf(block.block),
    receiptsRoot: block.receiptsRoot,
    messages: block.messages.filter(wanted).map(outcomeMessage),
  };
}

export function messageStateMessage(state: MessageState): MessageInitShape<typeof GetMessageResponseSchema> {
  switch (state.kind) {
    case "unknown":
      return { state: State.UNKNOWN };
    case "pending":
      return { state: State.PENDING };
    case "ordered":
      return { state: State.ORDERED, height: BigInt(state.height) };
    case "settled":
      return { state: State.SETTLED, height: BigInt(state.height), outcome: outcomeMessage(state.outcome) };
  }
}

export function paymentStateMessage(state: PaymentState): MessageInitShape<typeof GetPaymentResponseSchema> {
  switch (state.kind) {
    case "unknown":
      return { state: State.UNKNOWN };
    case "pending":
      return { state: State.PENDING, messageKey: state.messageKey, record: state.record };
    case "ordered":
      return { state: State.ORDERED, height: BigInt(state.height), messageKey: state.messageKey, record: state.record };
    case "settled":
      return {
        state: State.SETTLED,
        height: BigInt(state.height),
        reason: state.code,
        messageKey: state.messageKey,
        record: state.record,
      };
  }
}

export function directoryMessage(directory: Directory): MessageInitShape<typeof GetDirectoryResponseSchema> {
  return {
    chainId: bytesOf(directory.chainId),
    institutions: directory.institutions.map((institution) => ({ ...institution })),
    accounts: directory.accounts.map((account) => ({ ...account })),
    zones: [...directory.zones],
    expiryWindow: BigInt(directory.expiryWindow),
    members: directory.members.map((member) => ({ ...member, power: BigInt(member.power) })),
    faultPower: BigInt(directory.faultPower),
  };
}

export function chainReportMessage(report: ChainReport): MessageInitShape<typeof GetChainReportResponseSchema> {
  const { final, components, handovers, outcomes, shadow } = report;
  const { compared, blocks, payments, mismatch } = shadow;
  return {
    ...(final && { header: encodeHeader(final.header), finalization: encodeCertificate(final.finalization) }),
    ...components,
    handovers: [...handovers],
    outcomes: outcomes.map(({ hash, granted, reason, receipt }) => ({ transaction: hash, granted, reason, receipt })),
    shadow: {
      ...(compared && { height: BigInt(compared.height), root: bytesOf(compared.root) }),
      blocks: BigInt(blocks),
      payments: BigInt(payments),
      ...(mismatch && {
        mismatch: {
          height: BigInt(mismatch.height),
          expected: bytesOf(mismatch.expected),
          computed: bytesOf(mismatch.computed),
        },
      }),
    },
  };
}

/** `latency`: percentiles in ms of the messages settled here. */
export function statusMessage(
  status: ValidatorStatus,
  latency: { readonly p50: number; readonly p99: number },
): MessageInitShape<typeof GetStatusResponseSchema> {
  return {
    seat: status.seat,
    region: status.region,
    epoch: BigInt(status.epoch),
    view: BigInt(status.view),
    finalizedHeight: BigInt(status.finalizedHeight),
    settledHeight: BigInt(status.settledHeight),
    executedHeight: BigInt(status.executedHeight),
    stateRoot: bytesOf(status.stateRoot),
    role: status.role,
    voting: status.voting,
    notReady: status.notReady,
    queuedPayments: status.queuedPayments,
    settledPayments: BigInt(status.settledPayments),
    degradedRegions: [...status.degradedRegions],
    peers: status.peers.map((peer) => ({ ...peer })),
    leader: status.leader,
    timeouts: BigInt(status.timeouts),
    settlementP50: latency.p50,
    settlementP99: latency.p99,
    blockTime: BigInt(status.blockTime),
    block: bytesOf(status.block),
    blockPayments: status.blockPayments,
    blockView: BigInt(status.blockView),
    heard: [...status.heard],
  };
}
