/**
 * Every metric of a validator, in one table: the prom-client objects (`metrics.ts`) and `docs/metrics.md` are made
 * from it. Default process metrics (`process_*`, `nodejs_*`) come from prom-client.
 */

/** What a metric is about: the room whose work it shows. */
type MetricOwner = "consensus" | "driver" | "ledger" | "storage" | "network" | "rpc";

export interface MetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  /** Label names with every value they take, or "open" when the chain or the services bound them. */
  readonly labels: Readonly<Record<string, readonly string[] | "open">>;
  readonly unit: "seconds" | "bytes" | "payments" | "messages" | "events" | "blocks" | "";
  readonly owner: MetricOwner;
  readonly help: string;
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** 0.5 ms … 10 s. */
const latencyBuckets = [
  0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024, 0.032, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5,
  10,
];

export const metricTable = {
  validator_info: {
    type: "gauge",
    labels: { region: "open", version: "open" },
    unit: "",
    owner: "rpc",
    help: "Always 1; its labels tell the seat's region and the software's version.",
  },
  consensus_round_duration_seconds: {
    type: "histogram",
    labels: { phase: ["propose", "prepare", "commit", "settle"] },
    unit: "seconds",
    owner: "consensus",
    help: "Time of a view's phases as seen here: propose from entering the view to a valid proposal (idle waits included), prepare to its notarization, commit to its finalization, settle from there to covered finality.",
    buckets: latencyBuckets,
  },
  consensus_votes_total: {
    type: "counter",
    labels: { result: ["prepare", "commit", "nullify", "invalid"] },
    unit: "events",
    owner: "consensus",
    help: "Votes cast here and received: notarize (prepare), finalize (commit), nullify; invalid are those whose signature does not verify.",
  },
  consensus_view: { type: "gauge", labels: {}, unit: "", owner: "consensus", help: "The current view of the epoch." },
  consensus_epoch: { type: "gauge", labels: {}, unit: "", owner: "consensus", help: "The current epoch." },
  consensus_height: {
    type: "gauge",
    labels: { state: ["final", "executed", "settled"] },
    unit: "blocks",
    owner: "consensus",
    help: "Newest height in each state.",
  },
  consensus_blocks_total: {
    type: "counter",
    labels: {},
    unit: "blocks",
    owner: "consensus",
    help: "Blocks that became final.",
  },
  consensus_timeouts_total: {
    type: "counter",
    labels: {},
    unit: "events",
    owner: "consensus",
    help: "Views whose timer expired here.",
  },
  consensus_nullifications_total: {
    type: "counter",
    labels: {},
    unit: "events",
    owner: "consensus",
    help: "Views that ended without a block.",
  },
  consensus_member_views_total: {
    type: "counter",
    labels: { peer: "open", outcome: ["voted", "gave-up", "missed"] },
    unit: "events",
    owner: "consensus",
    help: "Views entered here by what the member's votes told of them: voted for a block; gave-up when it voted for the view's end without one; missed when neither vote came within 16 views.",
  },
  consensus_equivocations_total: {
    type: "counter",
    labels: { evidence: ["conflicting-votes", "conflicting-proposals"] },
    unit: "events",
    owner: "consensus",
    help: "Proven equivocations of members.",
  },
  consensus_voting: {
    type: "gauge",
    labels: {},
    unit: "",
    owner: "driver",
    help: "1 while this validator may sign, else 0.",
  },
  consensus_quarantined: {
    type: "gauge",
    labels: {},
    unit: "",
    owner: "driver",
    help: "1 once a quorum certified another state root than this validator's.",
  },
  finality_latency_seconds: {
    type: "histogram",
    labels: {},
    unit: "seconds",
    owner: "consensus",
    help: "From a valid proposal known here to its finalization.",
    buckets: latencyBuckets,
  },
  settlement_latency_seconds: {
    type: "histogram",
    labels: {},
    unit: "seconds",
    owner: "driver",
    help: "From the acceptance of a message here to its settlement; one observation a message.",
    buckets: latencyBuckets,
  },
  ingress_messages_total: {
    type: "counter",
    labels: { outcome: ["accepted", "refused", "overloaded", "not-ready", "forbidden"] },
    unit: "messages",
    owner: "rpc",
    help: "Submitted payment messages by answer.",
  },
  ingress_accept_seconds: {
    type: "histogram",
    labels: {},
    unit: "seconds",
    owner: "rpc",
    help: "From a submission read whole to its acceptance.",
    buckets: latencyBuckets,
  },
  ingress_in_flight_bytes: {
    type: "gauge",
    labels: {},
    unit: "bytes",
    owner: "rpc",
    help: "Submissions being received or answered.",
  },
  ingress_queue_payments: {
    type: "gauge",
    labels: {},
    unit: "payments",
    owner: "driver",
    help: "Payments held that wait for a block.",
  },
  ingress_queue_bytes: { type: "gauge", labels: {}, unit: "bytes", owner: "driver", help: "Bytes of the same." },
  batches_total: {
    type: "counter",
    labels: { source: ["own", "pushed", "fetched"] },
    unit: "events",
    owner: "driver",
    help: "Batches that became durable here.",
  },
  batch_bytes_total: {
    type: "counter",
    labels: { source: ["own", "pushed", "fetched"] },
    unit: "bytes",
    owner: "driver",
    help: "Their bytes.",
  },
  batch_available_seconds: {
    type: "histogram",
    labels: {},
    unit: "seconds",
    owner: "driver",
    help: "From closing an own batch to F + 1 power holding it durably.",
    buckets: latencyBuckets,
  },
  ledger_payments_total: {
    type: "counter",
    labels: { result: ["settled", "rejected"] },
    unit: "payments",
    owner: "ledger",
    help: "Payments executed in final blocks.",
  },
  coverage_degraded: {
    type: "gauge",
    labels: { region: "open" },
    unit: "",
    owner: "consensus",
    help: "1 while settlement does not wait for the region.",
  },
  network_partition_events_total: {
    type: "counter",
    labels: { peer: "open" },
    unit: "events",
    owner: "network",
    help: "Times a member was not heard for unreachableAfterMs; once per silence.",
  },
  network_peers_connected: { type: "gauge", labels: {}, unit: "", owner: "network", help: "Members connected now." },
  network_penalties_total: {
    type: "counter",
    labels: {},
    unit: "events",
    owner: "network",
    help: "Bytes from peers that cannot be honest.",
  },
  peer_rtt_seconds: {
    type: "gauge",
    labels: { peer: "open" },
    unit: "seconds",
    owner: "network",
    help: "Smoothed round trip to a member (RFC 6298 §2).",
  },
  storage_healthy: {
    type: "gauge",
    labels: {},
    unit: "",
    owner: "storage",
    help: "1 while the disk takes durable writes, else 0.",
  },
  storage_faults_total: {
    type: "counter",
    labels: {},
    unit: "events",
    owner: "storage",
    help: "Disk failures that stopped voting.",
  },
  storage_checkpoint_height: {
    type: "gauge",
    labels: {},
    unit: "blocks",
    owner: "storage",
    help: "Height of the newest durable checkpoint.",
  },
  stage_seconds_total: {
    type: "counter",
    labels: {
      stage: [
        "ingress-check",
        "batch-store",
        "dissemination",
        "batch-verify",
        "execute",
        "root",
        "bls-sign",
        "bls-verify",
        "persist",
        "step",
      ],
    },
    unit: "seconds",
    owner: "driver",
    help: "Time spent by stage, by the clock: on a busy machine it holds waits for a core. persist is the wait for the disk.",
  },
  rpc_requests_total: {
    type: "counter",
    labels: { method: "open", code: "open" },
    unit: "events",
    owner: "rpc",
    help: "Calls by method and Connect code (ok when answered).",
  },
  rpc_connections: { type: "gauge", labels: {}, unit: "", owner: "rpc", help: "Client connections." },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof metricTable;

/** The page `docs/metrics.md`. */
export function metricsDocument(): string {
  const rows = Object.entries<MetricRow>(metricTable).map(
    ([name, row]) => `| \`${name}\` | ${row.type} | ${labelText(row)} | ${row.unit} | ${row.owner} | ${row.help} |`,
  );
  return [
    "<!-- Made by `npm run generate` from validator/rpc/metrics-table.ts. -->",
    "# Metrics of a validator",
    "",
    "Served as `/metrics` on the metrics port, in Prometheus' text format. Every series carries `seat`. Besides these, prom-client's process metrics (`process_*`, `nodejs_*`).",
    "",
    "| name | type | labels | unit | owner | meaning |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function labelText(row: MetricRow): string {
  return Object.entries(row.labels)
    .map(([label, values]) => `\`${label}\`: ${typeof values === "string" ? openLabels[label] : values.join(", ")}`)
    .join("; ");
}

/** Labels without a closed list of values, bounded by what they name. */
const openLabels: Readonly<Record<string, string>> = {
  peer: "a member's seat",
  region: "a region of the set",
  version: "the package's version",
  method: "a method of the services",
  code: "a Connect code, or ok",
};
