/** What a validator reports about itself, as plain numbers and hexadecimal text. */
import type { GetStatusResponse } from "../../proto/validator/v1/validator_pb.js";

interface PeerLink {
  readonly seat: string;
  readonly region: string;
  readonly connected: boolean;
  /** Smoothed round trip, ms; 0 while unknown. */
  readonly rttMs: number;
}

export interface SeatStatus {
  readonly seat: string;
  readonly region: string;
  readonly epoch: number;
  readonly view: number;
  readonly finalizedHeight: number;
  readonly settledHeight: number;
  readonly executedHeight: number;
  /** Root after `executedHeight`, hexadecimal. */
  readonly stateRoot: string;
  /** `validator`, `learner` or `quarantined`. */
  readonly role: string;
  readonly voting: boolean;
  /** Why it is not ready, a sentence; "" when it is. */
  readonly notReady: string;
  readonly queuedPayments: number;
  readonly settledPayments: number;
  readonly degradedRegions: readonly string[];
  readonly peers: readonly PeerLink[];
  /** Seat that leads the view. */
  readonly leader: string;
  readonly timeouts: number;
  /** From acceptance to settlement over the last messages accepted there, ms; 0 while there are none. */
  readonly settlementP50: number;
  readonly settlementP99: number;
  /** Of the newest final block: ms since the Unix epoch, hash, payments, view. */
  readonly blockTime: number;
  readonly block: string;
  readonly blockPayments: number;
  readonly blockView: number;
}

export function seatStatus(response: GetStatusResponse): SeatStatus {
  return {
    seat: response.seat,
    region: response.region,
    epoch: Number(response.epoch),
    view: Number(response.view),
    finalizedHeight: Number(response.finalizedHeight),
    settledHeight: Number(response.settledHeight),
    executedHeight: Number(response.executedHeight),
    stateRoot: hex(response.stateRoot),
    role: response.role,
    voting: response.voting,
    notReady: response.notReady,
    queuedPayments: response.queuedPayments,
    settledPayments: Number(response.settledPayments),
    degradedRegions: response.degradedRegions,
    peers: response.peers.map(({ seat, region, connected, rttMs }) => ({ seat, region, connected, rttMs })),
    leader: response.leader,
    timeouts: Number(response.timeouts),
    settlementP50: response.settlementP50,
    settlementP99: response.settlementP99,
    blockTime: Number(response.blockTime),
    block: hex(response.block),
    blockPayments: response.blockPayments,
    blockView: Number(response.blockView),
  };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
