import { expect, test } from "vitest";
import type { Action } from "../plan/actions.ts";
import { createOperatorLog, type OperatorLog } from "./log.ts";

/** A log at `level`, and its lines without time and process. */
function lines(level: string, write: (log: OperatorLog) => void): readonly unknown[] {
  const written: unknown[] = [];
  const destination = { write: (text: string) => void written.push(JSON.parse(text)) };
  write(createOperatorLog({ level, identity: "operator-0", destination }));
  return written.map((line) => ({ ...(line as object), time: undefined, operator: undefined }));
}

const secret = "5ec7e7".repeat(8);
const record: Action = {
  kind: "record-keys",
  identity: "quickstart-eu-west-0-g1",
  uid: "u",
  keys: { blsKey: secret, peerKey: secret, proofOfPossession: secret },
  reason: "KeysReported",
  message: "It has told its keys.",
};

test("an action is one line with its reason and what became of it, and nothing else of it", () => {
  const said = lines("info", (log) => {
    log.action("bank/quickstart", record, { kind: "done" });
    log.action("bank/quickstart", record, { kind: "refused", message: "No." });
    log.action("bank/quickstart", record, { kind: "outdated", message: "Another." });
  });
  const line = {
    event: "action",
    swarm: "bank/quickstart",
    action: "record-keys",
    identity: "quickstart-eu-west-0-g1",
    reason: "KeysReported",
    why: "It has told its keys.",
  };
  expect(said).toEqual([
    { level: "info", ...line, result: "done" },
    { level: "warn", ...line, result: "refused", problem: "No." },
  ]);
  expect(JSON.stringify(said)).not.toContain(secret);
});

test("elections and failures of collections are lines; what a server says is cut", () => {
  const failure = {
    kind: "refused",
    status: 403,
    reason: "Forbidden",
    message: "x".repeat(5_000),
    causes: [],
    retryAfterMs: 0,
  } as const;
  const pods = { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };
  const [leading, lost, failed, ...more] = lines("info", (log) => {
    log.observation({ about: "election", event: { kind: "leading", transitions: 3 } });
    log.observation({ about: "election", event: { kind: "stopped", why: "deadline" } });
    log.observation({
      about: "collection",
      kind: pods,
      observation: { kind: "failed", during: "list", failure, failures: 1, waitMs: 500 },
    });
    log.observation({ about: "collection", kind: pods, observation: { kind: "watching", resourceVersion: "1" } });
  });
  expect(leading).toEqual({ level: "info", event: "leading", transitions: 3 });
  expect(lost).toEqual({ level: "warn", event: "stopped-leading", why: "deadline" });
  expect(failed).toMatchObject({ level: "warn", event: "collection-failed", collection: "pods", status: 403 });
  expect(JSON.stringify(failed).length).toBeLessThan(1_400);
  expect(more).toEqual([]);
});
