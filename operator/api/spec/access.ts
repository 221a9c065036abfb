/** Who reaches the swarm and how: seats' addresses, gateways, monitoring, certificates. */
import { z } from "zod";
import { annotations, anyText, labels, listMap, multiaddress, objectName, seconds, setOf, text } from "./fields.ts";
import { resources } from "./pods.ts";

const serviceType = () => z.enum(["ClusterIP", "NodePort", "LoadBalancer"]);
const serviceAnnotations = () => annotations(32).meta({ description: "Annotations of the Service." });

const announcement = z.strictObject({
  seat: text(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 63, "must be the name of a seat").meta({
    description: "Seat, such as quickstart-eu-west-0.",
  }),
  addresses: setOf(multiaddress(), 8).min(1).meta({ description: "What it tells others to dial." }),
});

/** `spec.exposure`. */
export const exposure = z
  .strictObject({
    type: serviceType()
      .default("ClusterIP")
      .meta({ description: "Service of each seat. Seats of `members` outside the cluster need one they can reach." }),
    port: z.int().min(1_024).max(65_535).default(7_100).meta({ description: "Port between members." }),
    annotations: serviceAnnotations(),
    announce: listMap(announcement, ["seat"], 100)
      .default([])
      .meta({ description: "Addresses announced instead of the Service's, seat by seat." }),
  })
  .prefault({});

/** `spec.gateway`. */
export const gateway = z
  .strictObject({
    replicas: z
      .int()
      .min(0)
      .max(50)
      .default(1)
      .meta({ description: "ISO 20022 gateways. On one machine at most one runs." }),
    port: z
      .int()
      .min(1_024)
      .max(65_535)
      .optional()
      .meta({ description: "Where a gateway listens. Absent: 8443, on one machine the first port of the range." }),
    service: z
      .strictObject({
        type: serviceType().default("ClusterIP").meta({ description: "Service of the gateways." }),
        annotations: serviceAnnotations(),
      })
      .prefault({})
      .meta({ description: "How clients reach the gateways." }),
    resources: resources().meta({ description: "Requests and limits of a gateway." }),
    tls: z
      .strictObject({
        secretName: objectName().meta({ description: "Secret of type kubernetes.io/tls." }),
        clientCaSecretName: objectName()
          .optional()
          .meta({ description: "Secret whose `ca.crt` issues client certificates. Absent: clients need none." }),
      })
      .optional()
      .meta({ description: "Certificate shown to clients. Absent: one from `spec.tls`." }),
  })
  .prefault({});

/** `spec.monitoring`. */
export const monitoring = z
  .strictObject({
    logLevel: z
      .enum(["trace", "debug", "info", "warn", "error"])
      .default("info")
      .meta({ description: "Least severity written to standard output." }),
    podMonitor: z
      .strictObject({
        enabled: z.boolean().default(false).meta({ description: "Create a PodMonitor; its CRD must be installed." }),
        intervalSeconds: seconds(5, 600).default(30).meta({ description: "Between two scrapes, seconds." }),
        labels: labels(32).meta({ description: "Labels of the PodMonitor." }),
      })
      .prefault({})
      .meta({ description: "Scraping by the Prometheus Operator." }),
    prometheus: z
      .strictObject({
        url: text(/^https?:\/\/[^\s?#@]+$/, 512, "must be an http or https URL without credentials or query").meta({
          description:
            "Of the server, such as http://prometheus.monitoring.svc:9090. Its series carry `namespace` and `pod`.",
        }),
      })
      .optional()
      .meta({
        description:
          "A Prometheus that scrapes the validators every `podMonitor.intervalSeconds`: canaries and promotions are analysed by its samples. Absent: the operator asks the validators themselves.",
      }),
    tracing: z
      .strictObject({
        endpoint: text(/^https?:\/\/[!-~]+$/, 512, "must be an http or https URL")
          .optional()
          .meta({ description: "OTLP over HTTP. Absent: no traces." }),
        samplePercent: z.int().min(0).max(100).default(1).meta({ description: "Share of payments traced, percent." }),
      })
      .prefault({})
      .meta({ description: "Traces of payments." }),
  })
  .prefault({});

/** `spec.tls`. */
export const tls = z
  .strictObject({
    issuerRef: z
      .strictObject({
        name: objectName().meta({ description: "Name of the issuer." }),
        kind: z.enum(["Issuer", "ClusterIssuer"]).default("Issuer").meta({ description: "Its kind." }),
        group: anyText(253).default("cert-manager.io").meta({ description: "Its API group." }),
      })
      .optional()
      .meta({ description: "An issuer of cert-manager issues the certificates." }),
    selfManaged: z
      .strictObject({
        validityDays: z
          .int()
          .min(1)
          .max(825)
          .default(90)
          .meta({ description: "How long a certificate is valid, days. It is renewed after two thirds." }),
      })
      .optional()
      .meta({ description: "The operator issues them from a CA of its own. The default when both are absent." }),
  })
  .prefault({});
