import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ConsoleServer, startConsole } from "./server.ts";
import type { ConsoleEvent, ConsoleSnapshot, ConsoleSource } from "./source.ts";

const snapshot: ConsoleSnapshot = {
  swarm: {
    name: "test",
    chainId: "ab".repeat(32),
    faultModel: "Byzantine",
    totalPower: 4,
    faultPower: 1,
    quorum: 3,
    regions: [],
    gateway: "http://127.0.0.1:1",
  },
  seats: [],
  blocks: [],
  figures: [],
  payments: [],
};
const uetr = "846d3bc3-b6e3-4a8e-b329-1fce3ad2d4c3";
const listeners = new Set<(event: ConsoleEvent) => void>();
const source: ConsoleSource = {
  snapshot: () => snapshot,
  watch: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  proof: async (asked) => ({ kind: "none", reason: `none for ${asked}` }),
  proofBytes: async (asked) => (asked === uetr ? Uint8Array.of(1, 2, 3) : undefined),
};

let server: ConsoleServer;
beforeEach(async () => {
  server = await startConsole(source, 0);
});
afterEach(() => server.close());

test("the page loads nothing from elsewhere and runs nothing inline", async () => {
  const response = await fetch(server.url);
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'/);
  expect(policy).not.toContain("unsafe");
  const page = await response.text();
  const links = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
  expect(links.every((link) => link?.startsWith("/") || link?.startsWith("#"))).toBe(true);
  expect(page).not.toMatch(/ on\w+=| style=|<script>|<style/);
  for (const path of links.filter((link) => link?.startsWith("/")))
    expect((await fetch(server.url + path)).status).toBe(200);
});

describe("requests that are not the page's own", () => {
  const ask = (path: string, options: { method?: string; host?: string } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const url = new URL(path, server.url);
    const headers = { host: options.host ?? url.host };
    const call = request(url, { method: options.method ?? "GET", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.once("error", reject);
    call.end();
    return promise;
  };

  test.each<[string, string, { method?: string; host?: string }, number]>([
    ["another site's name", "/", { host: "evil.example:80" }, 403],
    ["a name that begins like ours", "/", { host: "127.0.0.1.evil.example" }, 403],
    ["another method", "/", { method: "POST" }, 405],
    ["another path", "/../package.json", {}, 404],
    ["an encoded path", "/%2e%2e/package.json", {}, 404],
    ["no UETR", "/proof", {}, 400],
    ["half a UETR", "/proof.bin?uetr=846d3bc3", {}, 400],
    ["an unknown UETR", "/proof.bin?uetr=00000000-0000-4000-8000-000000000000", {}, 404],
  ])("%s", async (_, path, options, status) => {
    expect(await ask(path, options)).toBe(status);
  });
});

test("a proof is asked for in any case, and downloaded as it is", async () => {
  const answer = await fetch(`${server.url}/proof?uetr=${uetr.toUpperCase()}`);
  expect(await answer.json()).toEqual({ kind: "none", reason: `none for ${uetr}` });
  const bytes = await fetch(`${server.url}/proof.bin?uetr=${uetr}`);
  expect(bytes.headers.get("content-disposition")).toBe(`attachment; filename="${uetr}.proof"`);
  expect(new Uint8Array(await bytes.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3));
});

test("events begin with a snapshot, go on as they happen, and end with the page", async () => {
  const leaving = new AbortController();
  const response = await fetch(`${server.url}/events`, { signal: leaving.signal });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (part: string) => {
    while (!text.includes(part)) text += (await reader.read()).value ?? "";
  };
  await until(`data: ${JSON.stringify({ kind: "snapshot", snapshot })}\n\n`);
  expect(listeners.size).toBe(1);
  const block = { height: 7, view: 9, time: 1, hash: "cd", payments: 2, interval: 0 };
  for (const listener of listeners) listener({ kind: "block", block });
  await until(`data: ${JSON.stringify({ kind: "block", block })}\n\n`);
  leaving.abort();
  await expect.poll(() => listeners.size, { interval: 5 }).toBe(0);
});

test("only so many pages are served events at once", async () => {
  const leaving = new AbortController();
  const open = () => fetch(`${server.url}/events`, { signal: leaving.signal });
  const responses = await Promise.all(Array.from({ length: 32 }, open));
  expect(responses.every(({ status }) => status === 200)).toBe(true);
  expect((await open()).status).toBe(503);
  leaving.abort();
});
