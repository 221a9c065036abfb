import { describe, expect, test } from "vitest";
import { createReach } from "./reach.ts";

const told = (...names: string[]) => Buffer.from(names.join("\n"), "latin1");

describe("relaying is needed", () => {
  const all = new Set(["b", "c", "d"]);

  function reachOf(...connected: string[]) {
    const reach = createReach("a");
    reach.setPeers(all);
    for (const peer of connected) reach.connected(peer);
    return reach;
  }

  test("not while everyone is connected, nor for a member nobody reaches", () => {
    expect(reachOf("b", "c", "d").needsRelay).toBe(false);
    const reach = reachOf("b", "c");
    reach.told("b", told("a", "c"));
    reach.told("c", told("a", "b"));
    expect(reach.needsRelay).toBe(false);
  });

  test("when a peer reaches who is out of reach here, until it does not, or we do", () => {
    const reach = reachOf("b", "c");
    reach.told("b", told("a", "d"));
    expect(reach.needsRelay).toBe(true);
    reach.told("b", told("a"));
    expect(reach.needsRelay).toBe(false);
    reach.told("c", told("d"));
    reach.connected("d");
    expect(reach.needsRelay).toBe(false);
    reach.disconnected("d");
    expect(reach.needsRelay).toBe(true);
    reach.disconnected("c");
    expect(reach.needsRelay).toBe(false);
  });

  test("not for names that are no members", () => {
    const reach = reachOf("b", "c", "d");
    reach.told("b", told("a", "stranger"));
    expect(reach.needsRelay).toBe(false);
    reach.setPeers(new Set(["b", "c"]));
    expect(reach.needsRelay).toBe(false);
  });
});

test("a member that was connected is gone when nobody reaches it, and relayed when somebody does; each is said once", () => {
  const reach = createReach("a");
  reach.setPeers(new Set(["b", "c"]));
  reach.connected("b");
  reach.connected("c");
  expect(reach.changes()).toEqual([]);
  reach.told("b", told("a", "c"));
  reach.disconnected("c");
  expect(reach.changes()).toEqual([{ peer: "c", event: "relayed" }]);
  reach.told("b", told("a"));
  expect(reach.changes()).toEqual([{ peer: "c", event: "gone" }]);
  expect(reach.changes()).toEqual([]);
  reach.told("b", told("a", "c"));
  expect(reach.changes()).toEqual([{ peer: "c", event: "relayed" }]);
  reach.disconnected("b");
  expect(reach.changes()).toEqual([
    { peer: "c", event: "gone" },
    { peer: "b", event: "gone" },
  ]);
  reach.connected("c");
  expect(reach.changes()).toEqual([]);
});

test("a list says whom this process is connected to; what is no list is refused", () => {
  const reach = createReach("a");
  reach.setPeers(new Set(["b"]));
  reach.connected("b");
  expect(Buffer.from(reach.encode()).toString()).toBe("b");
  expect(reach.told("b", told("x".repeat(200)))).toBe(false);
  expect(reach.told("b", new Uint8Array(70_000).fill(10))).toBe(false);
});
