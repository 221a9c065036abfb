/** Every metric of the operator, in one table: the prom-client objects and `docs/operator-metrics.md` are made from it. */

export interface MetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  /** Label names with every value they take, or "open" with what bounds them in `openLabels`. */
  readonly labels: Readonly<Record<string, readonly string[] | "open">>;
  readonly unit: "seconds" | "events" | "objects" | "keys" | "";
  readonly help: string;
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** 1 ms … 60 s. */
const workBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const metricTable = {
  operator_reconcile_duration_seconds: {
    type: "histogram",
    labels: { outcome: ["done", "again", "retry"] },
    unit: "seconds",
    help: "Time of one run for one object: done, look again later, or failed and tried again.",
    buckets: workBuckets,
  },
  operator_reconcile_longest_running_seconds: {
    type: "gauge",
    labels: {},
    unit: "seconds",
    help: "Age of the oldest run that has not ended. Above ten minutes /healthz fails.",
  },
  operator_queue_wait_seconds: {
    type: "histogram",
    labels: {},
    unit: "seconds",
    help: "From a key becoming ready to its run.",
    buckets: workBuckets,
  },
  operator_queue_depth: { type: "gauge", labels: {}, unit: "keys", help: "Keys ready to be worked on." },
  operator_queue_running: { type: "gauge", labels: {}, unit: "keys", help: "Keys being worked on." },
  operator_queue_delayed: { type: "gauge", labels: {}, unit: "keys", help: "Keys that wait for their time." },
  operator_retries_total: {
    type: "counter",
    labels: {},
    unit: "events",
    help: "Runs that failed and are tried again.",
  },
  operator_objects: { type: "gauge", labels: { kind: "open" }, unit: "objects", help: "Objects in the store." },
  operator_lists_total: { type: "counter", labels: { kind: "open" }, unit: "events", help: "Lists that succeeded." },
  operator_watch_restarts_total: {
    type: "counter",
    labels: { kind: "open", why: ["ended", "expired", "failed"] },
    unit: "events",
    help: "Watches that ended: by the server in time, because it forgot where we were (a list follows), or by a failure.",
  },
  operator_api_errors_total: {
    type: "counter",
    labels: {
      during: ["list", "watch", "election"],
      error: ["unreachable", "lost", "timeout", "malformed", "too-large", "refused"],
    },
    unit: "events",
    help: "Requests to the API server that failed.",
  },
  operator_leader: { type: "gauge", labels: {}, unit: "", help: "1 while this process leads, else 0." },
  operator_leader_terms_total: {
    type: "counter",
    labels: {},
    unit: "events",
    help: "Times this process began to lead.",
  },
  operator_leader_lost_total: {
    type: "counter",
    labels: { why: ["deadline", "taken", "released"] },
    unit: "events",
    help: "Times this process stopped leading: no renewal in time, taken by another, given up on shutdown.",
  },
  operator_events_dropped_total: {
    type: "counter",
    labels: {},
    unit: "events",
    help: "Events not written: too many, or refused.",
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof metricTable;

const openLabels: Readonly<Record<string, string>> = { kind: "a watched kind" };

/** The text of `docs/operator-metrics.md`. */
export function operatorMetricsDocument(): string {
  const labelText = ({ labels }: MetricRow) =>
    Object.entries(labels)
      .map(([label, values]) => `\`${label}\`: ${values === "open" ? openLabels[label] : values.join(", ")}`)
      .join("; ");
  const rows = Object.entries<MetricRow>(metricTable).map(
    ([name, row]) => `| \`${name}\` | ${row.type} | ${labelText(row)} | ${row.unit} | ${row.help} |`,
  );
  return [
    "<!-- Made by `npm run generate` from operator/kube/metrics-table.ts. -->",
    "# Metrics of the operator",
    "",
    "Served as `/metrics` on the probes' port, in Prometheus' text format. Besides these, prom-client's process metrics (`process_*`, `nodejs_*`).",
    "",
    "| name | type | labels | unit | meaning |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
