/** Hears every event of the driver and gives each to the metrics, the log, and the settlement statistics. */
import type { VoteKind } from "../consensus/types.ts";
import type { DriverEvent, Observer, Stage } from "../driver/services.ts";
import type { Log } from "./logging.ts";
import { createMemberViews } from "./member-views.ts";
import type { Metrics } from "./metrics.ts";
import { createPhaseClock } from "./phases.ts";
import { createReachability } from "./reachability.ts";

export interface Observation {
  readonly observe: Observer;
  /** Looks for members that fell silent; to be called a few times within `unreachableAfterMs`. */
  readonly tick: () => void;
  /** Percentiles in ms over the last 256 messages settled here; 0 while there are none. */
  readonly settlementLatency: () => { readonly p50: number; readonly p99: number };
}

export interface ObservationOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly unreachableAfterMs: number;
  /** Seats of the other members that are known from the start. */
  readonly peers: readonly string[];
  /** Monotonic, ms. */
  readonly now: () => number;
}

const voteResults: Readonly<Record<VoteKind, "prepare" | "commit" | "nullify" | undefined>> = {
  notarize: "prepare",
  finalize: "commit",
  nullify: "nullify",
  suspect: undefined,
  sight: undefined,
};

/** How many settled messages the latency percentiles of the status look back. */
const latencyWindow = 256;

/** Wires one driver's events. */
export function createObservation(options: ObservationOptions): Observation {
  const { metrics, log, now } = options;
  const phases = createPhaseClock();
  const memberViews = createMemberViews(options.peers);
  const reachability = createReachability({
    unreachableAfterMs: options.unreachableAfterMs,
    expected: options.peers,
    now: now(),
  });
  const stages = new Map<Stage, number>();
  const connected = new Set<string>();
  const roundTrips = new Map<string, number>();
  const latencies: number[] = [];
  let latencyAt = 0;

  metrics.set("consensus_voting", {}, 0);
  metrics.set("storage_healthy", {}, 1);
  // Stages are reported thousands of times a second: they are summed here and handed over when someone asks.
  metrics.beforeScrape(() => {
    for (const [stage, microseconds] of stages) metrics.count("stage_seconds_total", { stage }, microseconds / 1e6);
    stages.clear();
  });

  const heard = (seat: string): void => {
    const change = reachability.heard(seat, now());
    if (change) log("peer-reachable", { peer: seat, silentMs: Math.round(change.silentMs) });
  };
  const countVote = (vote: VoteKind): void => {
    const result = voteResults[vote];
    if (result) metrics.count("consensus_votes_total", { result });
  };

  const observe: Observer = (event) => {
    for (const { member, outcome } of memberViews(event))
      metrics.count("consensus_member_views_total", { peer: member, outcome });
    for (const timing of phases(event, now())) {
      if (timing.phase === "finality") metrics.record("finality_latency_seconds", {}, timing.milliseconds / 1000);
      else metrics.record("consensus_round_duration_seconds", { phase: timing.phase }, timing.milliseconds / 1000);
    }
    switch (event.kind) {
      case "consensus":
        return observeConsensus(event.event, metrics, log);
      case "vote-received":
        log("vote-received", {
          peerId: event.from,
          vote: event.vote,
          epoch: event.epoch,
          view: event.view,
          block: event.block,
        });
        return countVote(event.vote);
      case "vote-cast":
        // What allowed it from the beginning is never said to have changed.
        metrics.set("consensus_voting", {}, 1);
        return countVote(event.vote);
      case "stage":
        stages.set(event.stage, (stages.get(event.stage) ?? 0) + event.microseconds);
        return;
      case "batch-sealed":
        return;
      case "batch-available":
        return metrics.record("batch_available_seconds", {}, event.milliseconds / 1000);
      case "batch-stored":
        metrics.count("batches_total", { source: event.source });
        return metrics.count("batch_bytes_total", { source: event.source }, event.bytes);
      case "queue":
        metrics.set("ingress_queue_payments", {}, event.payments);
        return metrics.set("ingress_queue_bytes", {}, event.bytes);
      case "block-final":
        metrics.count("consensus_blocks_total", {});
        return metrics.set("consensus_height", { state: "final" }, event.height);
      case "block-executed":
        metrics.set("consensus_height", { state: "executed" }, event.height);
        metrics.count("ledger_payments_total", { result: "settled" }, event.settled);
        return metrics.count("ledger_payments_total", { result: "rejected" }, event.rejected);
      case "block-settled":
        return metrics.set("consensus_height", { state: "settled" }, event.height);
      case "message-settled":
        latencies[latencyAt] = event.milliseconds;
        latencyAt = (latencyAt + 1) % latencyWindow;
        return metrics.record("settlement_latency_seconds", {}, event.milliseconds / 1000);
      case "peer": {
        if (event.connected) connected.add(event.seat);
        else connected.delete(event.seat);
        metrics.set("network_peers_connected", {}, connected.size);
        log(event.connected ? "peer-connected" : "peer-disconnected", { peer: event.seat });
        return event.connected ? heard(event.seat) : reachability.lost(event.seat, now());
      }
      case "round-trip": {
        // RFC 6298 §2: alpha = 1/8.
        const before = roundTrips.get(event.seat) ?? event.milliseconds;
        const smoothed = before + (event.milliseconds - before) / 8;
        roundTrips.set(event.seat, smoothed);
        metrics.set("peer_rtt_seconds", { peer: event.seat }, smoothed / 1000);
        return heard(event.seat);
      }
      case "peer-penalized":
        metrics.count("network_penalties_total", {});
        return log("peer-penalized", { peer: event.peer, reason: event.reason });
      case "equivocation":
        metrics.count("consensus_equivocations_total", { evidence: event.evidence });
        return log("equivocation", { peer: event.offender, evidence: event.evidence });
      default:
        return observeState(event, metrics, log);
    }
  };

  return {
    observe,
    tick: () => {
      for (const { seat, silentMs } of reachability.check(now())) {
        metrics.count("network_partition_events_total", { peer: seat });
        log("peer-unreachable", { peer: seat, silentMs: Math.round(silentMs) });
      }
    },
    settlementLatency: () => {
      const sorted = [...latencies].sort((a, b) => a - b);
      const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
      return { p50: at(0.5), p99: at(0.99) };
    },
  };
}

function observeConsensus(
  event: Extract<DriverEvent, { kind: "consensus" }>["event"],
  metrics: Metrics,
  log: Log,
): void {
  switch (event.kind) {
    case "entered-view":
      return metrics.set("consensus_view", {}, event.view);
    case "nullified":
      return metrics.count("consensus_nullifications_total", {});
    case "timed-out":
      metrics.count("consensus_timeouts_total", {});
      return log("view-timed-out", { view: event.view, leader: event.leader });
    case "bad-vote":
      metrics.count("consensus_votes_total", { result: "invalid" });
      return log("bad-vote", { signer: event.signer, vote: event.voteKind });
    case "proposed":
    case "notarized":
    case "finalized":
    case "ignored":
      return;
  }
}

type StateEvent = Extract<
  DriverEvent,
  { kind: "quarantined" | "disk" | "voting" | "region-mode" | "epoch" | "catch-up" | "checkpoint" }
>;

function observeState(event: StateEvent, metrics: Metrics, log: Log): void {
  switch (event.kind) {
    case "quarantined":
      metrics.set("consensus_quarantined", {}, 1);
      return log("quarantined", { height: event.height, own: event.own, certified: event.certified });
    case "disk":
      metrics.set("storage_healthy", {}, event.healthy ? 1 : 0);
      if (event.healthy) return log("disk-recovered", {});
      metrics.count("storage_faults_total", {});
      return log("disk-fault", { fault: event.fault });
    case "voting":
      metrics.set("consensus_voting", {}, event.allowed ? 1 : 0);
      return log(event.allowed ? "voting-resumed" : "voting-stopped", { reason: event.reason });
    case "region-mode":
      metrics.set("coverage_degraded", { region: event.region }, event.degraded ? 1 : 0);
      return log(event.degraded ? "region-degraded" : "region-restored", {
        region: event.region,
        height: event.height,
      });
    case "epoch":
      metrics.set("consensus_epoch", {}, event.epoch);
      return log("epoch", { epoch: event.epoch, members: event.powers.length });
    case "catch-up":
      return log("catch-up", { from: event.from, to: event.to, source: event.source });
    case "checkpoint":
      metrics.set("storage_checkpoint_height", {}, event.height);
      return log("checkpoint", { height: event.height });
  }
}
