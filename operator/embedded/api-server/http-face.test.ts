/** Whatever is sent to the port: an answer that says what is wrong, and a server that goes on. */
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../kube/clock.ts";
import { type ApiServer, createApiServer } from "./api-server.ts";

let directory: string;
let server: ApiServer;
let base: { readonly port: number; readonly ca: string; readonly token: string };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "http-face-"));
  const opened = await createApiServer({ clock: systemClock });
  if (opened.kind === "failed") throw new Error(opened.message);
  ({ server } = opened);
  const listening = await server.listen({ port: 0, kubeconfig: join(directory, "kubeconfig") });
  if (listening.kind === "failed") throw new Error(listening.message);
  const { clusters, users } = JSON.parse(listening.kubeconfig) as {
    readonly clusters: readonly { readonly cluster: { readonly "certificate-authority-data": string } }[];
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  const ca = Buffer.from(clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64").toString();
  base = { port: listening.port, ca, token: users[0]?.user.token ?? "" };
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Status and body; undefined when the connection was cut. */
function ask({ method = "GET", path = "/api/v1/namespaces/default/configmaps", body, headers = {} }: Asked) {
  const { promise, resolve } = Promise.withResolvers<{ readonly status: number; readonly text: string } | undefined>();
  const authorization = `Bearer ${base.token}`;
  // Node frames no body of a GET by itself.
  const framed = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const sent = request(
    {
      host: "127.0.0.1",
      port: base.port,
      ca: base.ca,
      method,
      path,
      headers: { authorization, ...framed, ...headers },
    },
    (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", () => resolve(undefined));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8") }),
      );
    },
  );
  sent.on("error", () => resolve(undefined));
  sent.end(body);
  return promise;
}

const json = { "content-type": "application/json" };
const configMap = (fields: object) => JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", ...fields });

test("the kubeconfig is for its owner alone", () => {
  expect(statSync(join(directory, "kubeconfig")).mode & 0o777).toBe(0o600);
});

describe("refused, in a sentence", () => {
  test.each([
    ["no token", { headers: { authorization: "" } }, 401, "Unauthorized"],
    ["another token", { headers: { authorization: "Bearer x" } }, 401, "Unauthorized"],
    ["no JSON", { method: "POST", body: "{", headers: json }, 400, "cannot be read"],
    ["a list", { method: "POST", body: "[]", headers: json }, 400, "no JSON object"],
    [
      "protobuf",
      { method: "POST", body: "k8s", headers: { "content-type": "application/vnd.kubernetes.protobuf" } },
      415,
      "application/json",
    ],
    [
      "JSON patch",
      {
        method: "PATCH",
        path: "/api/v1/namespaces/default/configmaps/a",
        body: "[]",
        headers: { "content-type": "application/json-patch+json" },
      },
      415,
      "merge-patch",
    ],
    [
      "deep nesting",
      { method: "POST", body: `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, headers: json },
      400,
      "128 levels",
    ],
    [
      "an object too large",
      {
        method: "POST",
        body: configMap({ metadata: { name: "large" }, data: { a: "x".repeat(2 << 20) } }),
        headers: json,
      },
      413,
      "1572864",
    ],
    ["no such kind", { path: "/api/v1/namespaces/default/pants" }, 404, "could not find"],
    [
      "no such namespace",
      {
        method: "POST",
        path: "/api/v1/namespaces/other/configmaps",
        body: configMap({ metadata: { name: "a" } }),
        headers: json,
      },
      404,
      "other",
    ],
    ["a broken path", { path: "/api/v1/namespaces/%zz/configmaps" }, 404, "could not find"],
    ["a method of nobody", { method: "TRACE" }, 405, "method"],
    ["a broken selector", { path: "/api/v1/namespaces/default/configmaps?labelSelector=((" }, 400, "unable to parse"],
    [
      "a broken version",
      { path: "/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=x" },
      400,
      "resourceVersion",
    ],
  ] as const)("%s", async (_, asked, status, words) => {
    const answer = await ask(asked);
    expect(answer?.status).toBe(status);
    expect(answer?.text).toContain(words);
  });

  test("a body that never ends is cut off", async () => {
    const answer = await ask({ method: "POST", body: " ".repeat(8 << 20), headers: json });
    // Whoever is still writing may lose the answer with the connection.
    expect([413, undefined]).toContain(answer?.status);
  });
});

test("a field named __proto__ is one like any other", async () => {
  const body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto"},"data":{"__proto__":"x"}}';
  expect((await ask({ method: "POST", body, headers: json }))?.status).toBe(201);
  const path = "/api/v1/namespaces/default/configmaps/proto";
  const patch = '{"data":{"constructor":"y"}}';
  const merged = { method: "PATCH", path, body: patch, headers: { "content-type": "application/merge-patch+json" } };
  expect((await ask(merged))?.text).toContain('"data":{"__proto__":"x","constructor":"y"}');
  expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
});

test("anything else: never an error of the server's own", async () => {
  const part = fc.constantFrom(
    ...["api", "apis", "v1", "namespaces", "default", "pods", "validatorswarms", "validatorswarm.io", "v1alpha1"],
    ...["status", "scale", "log", "eviction", "configmaps", "x", "", "..", "%2e%2e", "%00", "openapi", "v3", "\u007f"],
  );
  const query = fc.constantFrom(
    ...[
      "watch=true&timeoutSeconds=1",
      "limit=1",
      "limit=-1",
      "continue=x",
      "resourceVersion=-1",
      "dryRun=x",
      "force=true",
    ],
    ...[
      "fieldSelector=a=b",
      "fieldSelector=",
      "labelSelector=a in (b)",
      "fieldManager=x",
      "tailLines=-1",
      "follow=true",
    ],
  );
  const value = fc.oneof(
    fc.json({ maxDepth: 4 }),
    fc
      .record({
        metadata: fc.oneof(fc.jsonValue(), fc.record({ name: fc.constantFrom("a", "b") })),
        spec: fc.jsonValue(),
        status: fc.jsonValue(),
      })
      .map((fields) => JSON.stringify(fields)),
  );
  const anything = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    path: fc
      .tuple(fc.array(part, { maxLength: 8 }), fc.array(query, { maxLength: 3 }))
      .map(([parts, queries]) => encodeURI(`/${parts.join("/")}?${queries.join("&")}`)),
    body: value,
    headers: fc
      .constantFrom("json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "yaml")
      .map((type) => ({ "content-type": `application/${type}` })),
  });
  await fc.assert(
    fc.asyncProperty(anything, async (asked) => {
      const answer = await ask(asked);
      expect(answer?.status).toBeLessThan(500);
    }),
    { numRuns: 400 },
  );
  expect((await ask({}))?.status).toBe(200);
});

describe("what kubectl asks before it writes", () => {
  test("every kind may be validated by the server", async () => {
    const { paths } = JSON.parse((await ask({ path: "/openapi/v3" }))?.text ?? "") as {
      readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>;
    };
    expect(Object.keys(paths)).toContain("apis/validatorswarm.io/v1alpha1");
    for (const { serverRelativeURL } of Object.values(paths)) {
      const document = JSON.parse((await ask({ path: serverRelativeURL }))?.text ?? "") as {
        readonly paths: Readonly<
          Record<string, { readonly patch: { readonly parameters: readonly { name: string }[] } }>
        >;
      };
      for (const { patch } of Object.values(document.paths))
        expect(patch.parameters.map(({ name }) => name)).toContain("fieldValidation");
    }
  });
});
