/** The gateway's metrics: one table, from which the docs are written, and the instruments made from it. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const LATENCY = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30] as const;

/** Every metric: name, kind, meaning, labels. */
export const METRICS = {
  files: { kind: "counter", name: "gateway_files_total", help: "Files received, by result", labels: ["result"] },
  payments: {
    kind: "counter",
    name: "gateway_payments_total",
    help: "Payments of received files, by result at intake",
    labels: ["result"],
  },
  reasons: {
    kind: "counter",
    name: "gateway_refusals_total",
    help: "Refused files and payments, by ISO reason code",
    labels: ["code"],
  },
  acceptance: {
    kind: "histogram",
    name: "gateway_acceptance_seconds",
    help: "From the end of a file to its acceptance by validators",
    labels: [],
  },
  settlement: {
    kind: "histogram",
    name: "gateway_settlement_seconds",
    help: "From receiving a file to the agreed outcome of all its payments",
    labels: [],
  },
  submissions: {
    kind: "counter",
    name: "gateway_submissions_total",
    help: "Signed messages submitted, by outcome",
    labels: ["outcome"],
  },
  open: { kind: "gauge", name: "gateway_open_files", help: "Files being read or waiting for acceptance", labels: [] },
  height: {
    kind: "gauge",
    name: "gateway_settled_height",
    help: "Newest height whose outcomes are agreed on and recorded",
    labels: [],
  },
  streams: {
    kind: "gauge",
    name: "gateway_validator_streams",
    help: "Settlement streams open, by seat",
    labels: ["seat"],
  },
  deliveries: {
    kind: "counter",
    name: "gateway_deliveries_total",
    help: "Entries appended to feeds, by kind",
    labels: ["kind"],
  },
  webhooks: {
    kind: "counter",
    name: "gateway_webhooks_total",
    help: "Webhook requests, by result",
    labels: ["result"],
  },
  webhookLag: {
    kind: "gauge",
    name: "gateway_webhook_lag_bytes",
    help: "Feed bytes not pushed yet, by institution",
    labels: ["bic"],
  },
} as const;

/** The instruments of one gateway. */
export interface Metrics {
  readonly registry: Registry;
  readonly files: Counter<"result">;
  readonly payments: Counter<"result">;
  readonly reasons: Counter<"code">;
  readonly acceptance: Histogram;
  readonly settlement: Histogram;
  readonly submissions: Counter<"outcome">;
  readonly open: Gauge;
  readonly height: Gauge;
  readonly streams: Gauge<"seat">;
  readonly deliveries: Counter<"kind">;
  readonly webhooks: Counter<"result">;
  readonly webhookLag: Gauge<"bic">;
}

/** Makes the instruments in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const of = (metric: keyof typeof METRICS): { name: string; help: string; registers: Registry[] } => ({
    name: METRICS[metric].name,
    help: METRICS[metric].help,
    registers,
  });
  return {
    registry,
    files: new Counter({ ...of("files"), labelNames: ["result"] }),
    payments: new Counter({ ...of("payments"), labelNames: ["result"] }),
    reasons: new Counter({ ...of("reasons"), labelNames: ["code"] }),
    acceptance: new Histogram({ ...of("acceptance"), buckets: [...LATENCY] }),
    settlement: new Histogram({ ...of("settlement"), buckets: [...LATENCY] }),
    submissions: new Counter({ ...of("submissions"), labelNames: ["outcome"] }),
    open: new Gauge(of("open")),
    height: new Gauge(of("height")),
    streams: new Gauge({ ...of("streams"), labelNames: ["seat"] }),
    deliveries: new Counter({ ...of("deliveries"), labelNames: ["kind"] }),
    webhooks: new Counter({ ...of("webhooks"), labelNames: ["result"] }),
    webhookLag: new Gauge({ ...of("webhookLag"), labelNames: ["bic"] }),
  };
}
