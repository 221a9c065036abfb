import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import fc from "fast-check";
import { expect, test } from "vitest";
import { digest } from "../consensus/types.ts";
import {
  createTracing,
  formatTraceparent,
  noTelemetry,
  parseTraceparent,
  startTelemetry,
  type Telemetry,
} from "./telemetry.ts";
import { clients, paymentMessage, scriptedHost, scriptedServices, serve } from "./testing/servers.ts";

function recorded(): { readonly telemetry: Telemetry; readonly exporter: InMemorySpanExporter } {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const telemetry = createTracing(
    {
      tracer: provider.getTracer("test"),
      under: (parent) => (parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT),
    },
    () => provider.shutdown(),
  );
  return { telemetry, exporter };
}

const gateway = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const batch = digest("aa".repeat(32));

function settle(telemetry: Telemetry, traceparents: readonly string[]): void {
  telemetry.observe({ kind: "batch-sealed", digest: batch, messages: 1, payments: 1, bytes: 300, traceparents });
  telemetry.observe({ kind: "batch-available", digest: batch, milliseconds: 3 });
  telemetry.observe({
    kind: "block-final",
    height: 9,
    view: 9,
    block: digest("bb".repeat(32)),
    batches: [batch],
    payments: 1,
  });
  telemetry.observe({ kind: "block-settled", height: 8 });
  telemetry.observe({ kind: "block-settled", height: 10 });
}

test("a payment's way is one trace, from the gateway's span to its settlement", async () => {
  const { telemetry, exporter } = recorded();
  const script = scriptedServices();
  const server = await serve(scriptedHost(script.services), { telemetry });
  await clients(server.url).settlement.submit({ message: paymentMessage(0), traceparent: gateway });
  await server.rpc.close();
  settle(
    telemetry,
    script.submitted.map(({ traceparent }) => traceparent),
  );

  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ name }) => name)).toEqual(["submit", "batch", "block", "settlement"]);
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(
    new Set(["0af7651916cd43dd8448eb211c80319c"]),
  );
  const [submit, ...later] = spans;
  expect(submit?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
  expect(submit?.attributes["outcome"]).toBe("accepted");
  for (const span of later) expect(span.parentSpanContext?.spanId).toBe(submit?.spanContext().spanId);
  expect(later[2]?.attributes["block.height"]).toBe(9);
});

test("what is not traced leaves no span and nothing in memory", () => {
  const { telemetry, exporter } = recorded();
  settle(telemetry, []);
  settle(telemetry, ["nonsense"]);
  expect(exporter.getFinishedSpans()).toEqual([]);
  expect(noTelemetry.submission(gateway).traceparent).toBe("");
});

test("traces of messages that never settle are bounded", () => {
  const { telemetry, exporter } = recorded();
  for (let i = 0; i < 2_000; i++)
    telemetry.observe({
      kind: "batch-sealed",
      digest: digest(i.toString(16).padStart(64, "0")),
      messages: 1,
      payments: 1,
      bytes: 1,
      traceparents: [gateway],
    });
  expect(exporter.getFinishedSpans().length).toBe(2_000 - 1_024);
});

test("traceparents read back as written, and nothing else is one", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      (noise, traceBytes, spanBytes) => {
        expect(parseTraceparent(noise)).toBeUndefined();
        const text = `00-${Buffer.from(traceBytes).toString("hex")}-${Buffer.from(spanBytes).toString("hex")}-01`;
        const parsed = parseTraceparent(text);
        if (parsed) expect(formatTraceparent(parsed)).toBe(text);
        else expect(traceBytes.every((byte) => byte === 0) || spanBytes.every((byte) => byte === 0)).toBe(true);
      },
    ),
  );
});

test("without an endpoint nothing is exported; with one, spans arrive by OTLP over HTTP", async () => {
  expect(await startTelemetry({}, "one", "1")).toBe(noTelemetry);
  const { promise: arrived, resolve } = Promise.withResolvers<string>();
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
      resolve(`${request.url} ${Buffer.concat(chunks).toString("latin1")}`);
    });
  });
  await new Promise<void>((listening) => collector.listen(0, "127.0.0.1", listening));
  // The exporter reads the variable itself.
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const telemetry = await startTelemetry(process.env, "one", "1");
  telemetry.submission(gateway).end("accepted");
  await telemetry.close();
  const body = await arrived;
  expect(body).toMatch(/^\/v1\/traces /);
  expect(body).toContain("submit");
  delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  collector.close();
});
