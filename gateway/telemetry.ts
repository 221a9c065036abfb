/** OpenTelemetry: spans are exported by OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set, else they cost nothing. */
import { context, propagation, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { ATTR_SERVICE_NAME } from "@opentelemetry/semantic-conventions";

/** Starts exporting when configured; the result flushes what is left. */
export function startTelemetry(environment: NodeJS.ProcessEnv): () => Promise<void> {
  if (environment["OTEL_EXPORTER_OTLP_ENDPOINT"] === undefined) return async () => {};
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: "validator-swarm-gateway" }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  return () => provider.shutdown();
}

/** A span around work, with the W3C traceparent that continues it elsewhere (empty when nothing is traced). */
export async function withSpan<T>(
  name: string,
  attributes: Record<string, string | number>,
  work: (span: Span, traceparent: string) => Promise<T>,
): Promise<T> {
  return trace.getTracer("gateway").startActiveSpan(name, { attributes }, async (span) => {
    const carrier: { traceparent?: string } = {};
    propagation.inject(context.active(), carrier);
    try {
      return await work(span, carrier.traceparent ?? "");
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}
