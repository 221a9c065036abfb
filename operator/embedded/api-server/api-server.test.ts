/** What the API server keeps over a crash, and what it does with objects whose owners are gone. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Answer, ApiClient, ContentType } from "../../kube/api-client.ts";
import { systemClock } from "../../kube/clock.ts";
import { configMaps, pods } from "../../kube/kinds.ts";
import { arrayAt, isRecord, type JsonRecord, type Kind, pathOf, textAt } from "../../kube/objects.ts";
import { type ApiServer, createApiServer } from "./api-server.ts";

const root = mkdtempSync(join(tmpdir(), "api-server-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;

async function open(directory: string, compactBytes?: number): Promise<ApiServer> {
  const opened = await createApiServer({
    directory,
    clock: systemClock,
    ...(compactBytes === undefined ? {} : { compactBytes }),
  });
  if (opened.kind === "failed") throw new Error(opened.message);
  return opened.server;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

function send(api: ApiClient, method: Method, kind: Kind, name?: string, value?: JsonRecord, type?: ContentType) {
  return api.request({
    method,
    path: pathOf(kind, "default", name),
    query: { fieldManager: "test" },
    ...(value === undefined ? {} : { body: { type: type ?? "application/json", value } }),
    signal: new AbortController().signal,
    deadlineMs: 10_000,
  });
}

const configMap = (name: string, data: JsonRecord, metadata: JsonRecord = {}): JsonRecord => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { ...metadata, name },
  data,
});
const apply = (api: ApiClient, name: string, data: JsonRecord) =>
  send(api, "PATCH", configMaps, name, configMap(name, data), "application/apply-patch+yaml");

function bodyOf(answer: Answer): JsonRecord {
  if (answer.kind === "failed") throw new Error(answer.failure.message);
  return answer.body;
}

/** Everything, with its versions and owners. */
async function everything(server: ApiServer): Promise<string> {
  return JSON.stringify(arrayAt(bodyOf(await send(server.client("test"), "GET", configMaps)), "items"));
}

const operation = fc.record({
  act: fc.constantFrom("apply", "apply", "apply", "delete", "finalize", "release"),
  name: fc.constantFrom("a", "b", "c"),
  data: fc.dictionary(fc.constantFrom("x", "y", "z"), fc.string({ maxLength: 3 })),
});

test("a crash after any write: every object as it was then, with its version, its owners and its finalizers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 12 }), fc.boolean(), async (operations, small) => {
      const directory = join(root, String(directories++));
      const server = await open(directory, small ? 64 : undefined);
      const api = server.client("test");
      const file = join(directory, "journal.ndjson");
      /** By the file's contents after a write. */
      const moments: { readonly bytes: Buffer; readonly state: string }[] = [];
      for (const { act, name, data } of operations) {
        if (act === "apply") await apply(api, name, data);
        else if (act === "delete") await send(api, "DELETE", configMaps, name);
        else {
          const finalizers = act === "finalize" ? ["validatorswarm.io/test"] : null;
          await send(api, "PATCH", configMaps, name, { metadata: { finalizers } }, "application/merge-patch+json");
        }
        moments.push({ bytes: readFileSync(file), state: await everything(server) });
      }
      await server.close();
      for (const { bytes, state } of moments) {
        const copy = join(root, String(directories++));
        mkdirSync(copy);
        // Half of a write that was never answered lies behind what was.
        writeFileSync(join(copy, "journal.ndjson"), Buffer.concat([bytes, Buffer.from('0123abcd {"v":99,"r":"')]));
        const again = await open(copy);
        expect(again.stats().tornBytes).toBe(22);
        expect(await everything(again)).toBe(state);
        await again.close();
        rmSync(copy, { recursive: true });
      }
      rmSync(directory, { recursive: true });
    }),
    { numRuns: 25 },
  );
});

test("versions go on after a restart, and a watch of the time before is told to list again", async () => {
  const directory = join(root, String(directories++));
  const first = await open(directory);
  const before = bodyOf(await apply(first.client("test"), "a", { x: "1" }));
  await first.close();
  const second = await open(directory);
  const api = second.client("test");
  const after = bodyOf(await apply(api, "a", { x: "2" }));
  const version = (body: JsonRecord) => Number(textAt(body["metadata"], "resourceVersion"));
  expect(version(after)).toBeGreaterThan(version(before));
  const watch = await api.stream({
    method: "GET",
    path: pathOf(configMaps, "default"),
    query: { watch: true, resourceVersion: String(version(before) - 1), timeoutSeconds: 1 },
    signal: AbortSignal.timeout(10_000),
    deadlineMs: 5_000,
    idleMs: 5_000,
  });
  if (watch.kind === "failed") expect(watch.failure.status).toBe(410);
  else {
    const [first] = await Array.fromAsync(watch.items);
    expect(first).toMatchObject({ kind: "line", text: expect.stringContaining('"code":410') });
  }
  await second.close();
});

describe("dependants", () => {
  const ownedBy = (owner: JsonRecord) => ({
    ownerReferences: [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: textAt(owner["metadata"], "name"),
        uid: textAt(owner["metadata"], "uid"),
      },
    ],
  });

  test("go when their owner went while the server was down", async () => {
    const directory = join(root, String(directories++));
    const first = await open(directory);
    const api = first.client("test");
    const owner = bodyOf(await send(api, "POST", configMaps, undefined, configMap("owner", {})));
    await send(api, "POST", configMaps, undefined, configMap("child", {}, ownedBy(owner)));
    const file = join(directory, "journal.ndjson");
    const length = readFileSync(file).length;
    await send(api, "DELETE", configMaps, "owner");
    await first.collected();
    await first.close();
    // The end of the owner alone was written before the crash.
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.indexOf(0x0a, length) + 1));
    const second = await open(directory);
    await second.collected();
    expect((await send(second.client("test"), "GET", configMaps, "child")).kind).toBe("failed");
    await second.close();
  });

  test("keep their finalizers, and go when those do", async () => {
    const server = await open(join(root, String(directories++)));
    const api = server.client("test");
    const owner = bodyOf(await send(api, "POST", configMaps, undefined, configMap("owner", {})));
    const held = { ...ownedBy(owner), finalizers: ["validatorswarm.io/test"] };
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...held, name: "pod" },
      spec: { containers: [{ name: "c", image: "i" }] },
    };
    await send(api, "POST", pods, undefined, pod);
    await send(api, "DELETE", configMaps, "owner");
    await server.collected();
    const leaving = bodyOf(await send(api, "GET", pods, "pod"));
    expect(isRecord(leaving["metadata"]) && leaving["metadata"]["deletionTimestamp"]).toMatch(/^\d{4}-/);
    const released = { metadata: { finalizers: null } };
    await send(api, "PATCH", pods, "pod", released, "application/merge-patch+json");
    expect(await send(api, "GET", pods, "pod")).toMatchObject({ kind: "failed", failure: { status: 404 } });
    await server.close();
  });
});
