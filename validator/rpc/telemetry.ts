/**
 * OpenTelemetry spans of a payment message's way: `submit` (accepted here) → `batch` (closed to held by `F + 1`) →
 * `block` (to finality) → `settlement` (to covered finality), all in the trace the gateway began.
 * Without OTEL_EXPORTER_OTLP_ENDPOINT nothing is loaded and nothing is kept.
 */
import type { Context, Span, SpanContext, Tracer } from "@opentelemetry/api";
import type { DriverEvent, Observer } from "../driver/services.ts";

export interface Telemetry {
  /** Begins the span of one submission. Its traceparent goes along with the message, "" when it is not traced. */
  readonly submission: (traceparent: string) => {
    readonly traceparent: string;
    readonly end: (outcome: string) => void;
  };
  readonly observe: Observer;
  /** Exports what is left. */
  readonly close: () => Promise<void>;
}

const untraced = { traceparent: "", end: () => {} };

/** Costs nothing. */
export const noTelemetry: Telemetry = { submission: () => untraced, observe: () => {}, close: async () => {} };

/** W3C Trace Context §3.2: version, trace id, parent id, flags. */
const traceparentFormat = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Undefined for anything else than a well-formed traceparent. */
export function parseTraceparent(text: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentFormat.exec(text) ?? [];
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

/** The W3C traceparent of a span. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** What the tracer needs of @opentelemetry/api, passed in so that it is loaded only when tracing is on. */
export interface TracingApi {
  readonly tracer: Tracer;
  /** A context whose parent is the span context; the root when undefined. */
  readonly under: (parent: SpanContext | undefined) => Context;
}

/** Spans of one traced message, or of several in one batch. */
interface Way {
  readonly parents: readonly SpanContext[];
  spans: readonly Span[];
}

/** Most batches followed at once; beyond it the oldest is forgotten, its spans ended. */
const mostWays = 1_024;

/** Spans over the given tracer. Bounded: traces of messages that never settle are dropped, oldest first. */
export function createTracing(api: TracingApi, close: () => Promise<void>): Telemetry {
  const ways = new Map<string, Way>();
  const settling = new Map<number, Way[]>();

  const begin = (way: Way, name: string, attributes: Record<string, string | number>): void => {
    way.spans = way.parents.map((parent) => api.tracer.startSpan(name, { attributes }, api.under(parent)));
  };
  const end = (way: Way): void => {
    for (const span of way.spans) span.end();
    way.spans = [];
  };

  const observe = (event: DriverEvent): void => {
    switch (event.kind) {
      case "batch-sealed": {
        const parents = event.traceparents.map(parseTraceparent).filter((context) => context !== undefined);
        if (parents.length === 0) return;
        const way: Way = { parents, spans: [] };
        begin(way, "batch", {
          "batch.digest": event.digest,
          "batch.payments": event.payments,
          "batch.bytes": event.bytes,
        });
        ways.set(event.digest, way);
        const [oldest] = ways;
        if (ways.size > mostWays && oldest) {
          end(oldest[1]);
          ways.delete(oldest[0]);
        }
        return;
      }
      case "batch-available": {
        const way = ways.get(event.digest);
        if (!way) return;
        end(way);
        begin(way, "block", { "batch.digest": event.digest });
        return;
      }
      case "block-final": {
        if (ways.size === 0) return;
        for (const digest of event.batches) {
          const way = ways.get(digest);
          if (!way) continue;
          ways.delete(digest);
          end(way);
          begin(way, "settlement", { "block.hash": event.block, "block.height": event.height });
          settling.set(event.height, [...(settling.get(event.height) ?? []), way]);
        }
        return;
      }
      case "block-settled":
        for (const [height, settled] of settling) {
          if (height > event.height) continue;
          for (const way of settled) end(way);
          settling.delete(height);
        }
        return;
      default:
        return;
    }
  };

  return {
    submission: (traceparent) => {
      const span = api.tracer.startSpan("submit", {}, api.under(parseTraceparent(traceparent)));
      if (!span.isRecording()) return untraced;
      return {
        traceparent: formatTraceparent(span.spanContext()),
        end: (outcome) => {
          span.setAttribute("outcome", outcome);
          span.end();
        },
      };
    },
    observe,
    close,
  };
}

/** The variables of the OpenTelemetry specification that are read here; the exporter reads its own besides. */
export interface TracingEnvironment {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  readonly OTEL_TRACES_SAMPLER_ARG?: string | undefined;
}

/** Tracing as the environment asks for it: OTEL_EXPORTER_OTLP_ENDPOINT, and OTEL_TRACES_SAMPLER_ARG (share of traces begun here, 0 … 1). */
export async function startTelemetry(
  environment: TracingEnvironment,
  seat: string,
  version: string,
): Promise<Telemetry> {
  if (!environment.OTEL_EXPORTER_OTLP_ENDPOINT) return noTelemetry;
  const [
    api,
    { BatchSpanProcessor, NodeTracerProvider, ParentBasedSampler, TraceIdRatioBasedSampler },
    { OTLPTraceExporter },
    { resourceFromAttributes },
    names,
  ] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace-node"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/semantic-conventions"),
  ]);
  const share = Number(environment.OTEL_TRACES_SAMPLER_ARG ?? "0.01");
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      [names.ATTR_SERVICE_NAME]: "validator",
      [names.ATTR_SERVICE_VERSION]: version,
      "service.instance.id": seat,
    }),
    // A gateway's decision is followed; without one, a share is traced.
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share >= 0 && share <= 1 ? share : 0.01) }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { maxQueueSize: 4_096 })],
  });
  const under = (parent: SpanContext | undefined): Context =>
    parent ? api.trace.setSpanContext(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT;
  return createTracing({ tracer: provider.getTracer("validator-swarm", version), under }, () => provider.shutdown());
}
