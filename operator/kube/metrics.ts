/** prom-client objects made from the metrics table, in a registry of their own. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type MetricName, type MetricRow, metricTable } from "./metrics-table.ts";

type LabelsOf<Name extends MetricName> = Readonly<Record<keyof (typeof metricTable)[Name]["labels"] & string, string>>;
type NamesOf<Type extends MetricRow["type"]> = {
  [Name in MetricName]: (typeof metricTable)[Name]["type"] extends Type ? Name : never;
}[MetricName];

/** The operator's metrics: names and labels are checked against the table by the compiler. */
export interface Metrics {
  readonly count: <Name extends NamesOf<"counter">>(name: Name, labels: LabelsOf<Name>, by?: number) => void;
  readonly set: <Name extends NamesOf<"gauge">>(name: Name, labels: LabelsOf<Name>, value: number) => void;
  readonly record: <Name extends NamesOf<"histogram">>(name: Name, labels: LabelsOf<Name>, value: number) => void;
  /** Runs before each scrape: for values that are cheaper to read then than to follow. */
  readonly beforeScrape: (refresh: () => void) => void;
  readonly scrape: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Makes every metric of the table. Counters and gauges whose labels are closed start at 0, so that rates have a first point. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  const refreshers: (() => void)[] = [];

  for (const [name, row] of Object.entries<MetricRow>(metricTable)) {
    const options = { name, help: row.help, labelNames: Object.keys(row.labels), registers: [registry] };
    switch (row.type) {
      case "counter": {
        const counter = new Counter(options);
        for (const labels of labelSets(row)) counter.inc(labels, 0);
        counters.set(name, counter);
        break;
      }
      case "gauge": {
        const gauge = new Gauge(options);
        for (const labels of labelSets(row)) gauge.set(labels, 0);
        gauges.set(name, gauge);
        break;
      }
      case "histogram":
        histograms.set(name, new Histogram({ ...options, ...(row.buckets ? { buckets: [...row.buckets] } : {}) }));
        break;
    }
  }

  return {
    count: (name, labels, by = 1) => counters.get(name)?.inc(labels, by),
    set: (name, labels, value) => gauges.get(name)?.set(labels, value),
    record: (name, labels, value) => histograms.get(name)?.observe(labels, value),
    beforeScrape: (refresh) => void refreshers.push(refresh),
    scrape: async () => {
      for (const refresh of refreshers) refresh();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Every combination of a row's closed labels; none when a label is open. */
function labelSets(row: MetricRow): readonly Record<string, string>[] {
  let sets: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(row.labels)) {
    if (values === "open") return [];
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })));
  }
  return sets;
}
