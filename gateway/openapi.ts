/** The API in OpenAPI 3.1, served at `/openapi.json`. */

const report = { description: "pacs.002", content: { "application/xml": {}, "application/json": {} } } as const;
const refused = { description: "Problem", content: { "application/problem+json": {} } } as const;
const text = { type: "string" } as const;
const parameter = (name: string, where: "path" | "query" | "header", description: string): object => ({
  name,
  in: where,
  description,
  required: where === "path",
  schema: text,
});
const feed = (summary: string): object => ({
  get: {
    summary,
    parameters: [
      parameter("bic", "path", "Eleven letters: the caller's own"),
      parameter("from", "query", "Cursor to go on after; 0 or absent: the oldest kept"),
      parameter("limit", "query", "Most entries, 1 to 1000"),
      parameter("wait", "query", "Seconds to wait for a first entry, 0 to 60"),
      parameter("follow", "query", "`true`: keep streaming"),
    ],
    responses: {
      200: { description: "Entries", content: { "application/x-ndjson": {} } },
      400: refused,
      403: refused,
      410: refused,
      429: refused,
    },
  },
});

export const OPENAPI = {
  openapi: "3.1.0",
  info: { title: "Validator Swarm ISO 20022 gateway", version: "1" },
  paths: {
    "/iso20022": {
      post: {
        summary: "Send a pacs.008.001 (.02 to .13)",
        parameters: [
          parameter(
            "x-institution",
            "header",
            "BIC; names the caller in development, or chooses among those of a certificate",
          ),
          parameter("x-atomicity", "header", "`payment` (default) or `message`: all payments of the file or none"),
        ],
        requestBody: { required: true, content: { "application/xml": {} } },
        responses: {
          202: { ...report, description: "Accepted: pacs.002 ACTC or PART" },
          422: { ...report, description: "Rejected: pacs.002 RJCT" },
          401: refused,
          403: refused,
          415: refused,
          429: refused,
          503: refused,
        },
      },
    },
    "/messages/{messageId}": {
      get: {
        summary: "Status of a file",
        parameters: [parameter("messageId", "path", "MsgId of the file")],
        responses: { 200: report, 404: refused },
      },
    },
    "/payments/{uetr}": {
      get: {
        summary: "Status of a payment",
        parameters: [parameter("uetr", "path", "UETR")],
        responses: { 200: report, 400: refused, 404: refused },
      },
    },
    "/institutions/{bic}/feed": feed("Settled payments to the institution, each message once, as pacs.008"),
    "/institutions/{bic}/reports": feed("Final pacs.002 of each file the institution sent"),
    "/healthz": { get: { summary: "Alive", responses: { 200: { description: "ok" } } } },
    "/readyz": {
      get: { summary: "Ready", responses: { 200: { description: "ready" }, 503: { description: "why not" } } },
    },
    "/metrics": { get: { summary: "Prometheus metrics", responses: { 200: { description: "metrics" } } } },
  },
} as const;
