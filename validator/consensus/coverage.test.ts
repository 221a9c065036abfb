import { describe, expect, test } from "vitest";
import {
  addFinal,
  addFinalization,
  type CoverageTracker,
  coversZone,
  initialCoverage,
  regionBallots,
  settleCovered,
  uncoveredRegions,
} from "./coverage.ts";
import { hashOf, testConfig } from "./testing/cluster.ts";
import type { Block } from "./types.ts";
import { height, seatIndex, view } from "./types.ts";

const config = testConfig({
  powers: [1, 1, 1, 1],
  regions: ["eu-west", "us-east", "ap-south", "eu-north"],
  zones: [["EU"], [], [], ["EU"]],
});
const seats = (...indexes: number[]) => indexes.map(seatIndex);
const healthy = { modeSeq: 0, degraded: [] };

function block(at: number, zone: string | undefined): Block {
  const batches = zone === undefined ? [] : [{ digest: hashOf(at), payments: 1, bytes: 1, zone }];
  const { anchor, chainId, epoch } = config;
  const header = {
    chainId,
    epoch,
    view: view(at),
    height: height(at),
    parentView: view(at - 1),
    parent: anchor.hash,
    time: anchor.time + at * 1_000,
    proposer: seatIndex(0),
    closing: false,
    rootHeight: height(0),
    root: anchor.root,
    bodyHash: anchor.hash,
    reveal: undefined,
  };
  return { hash: hashOf(["block", at]), header, body: { batches, governance: [], coverage: [] } };
}

/** A chain of final blocks with the signers of each finalization, and the height settled after all. */
function settledAfter(
  chain: readonly (readonly [string | undefined, readonly number[]])[],
  degraded: readonly string[] = [],
): CoverageTracker {
  const state = { modeSeq: degraded.length, degraded };
  return chain.reduce(
    (tracker, [zone, signers], i) => {
      const final = block(i + 1, zone);
      return settleCovered(addFinalization(addFinal(tracker, final), config, final, seats(...signers), state, state));
    },
    initialCoverage(config, undefined),
  );
}

describe("regions", () => {
  test("a block without one region's signature waits; a descendant that all regions signed settles both", () => {
    expect(settledAfter([["", [0, 1, 2]]]).settled).toBe(0);
    expect(
      settledAfter([
        ["", [0, 1, 2]],
        [undefined, [0, 1, 2, 3]],
      ]).settled,
    ).toBe(2);
  });

  test("a degraded region is not waited for", () => {
    expect(uncoveredRegions(config, healthy, seats(0, 1, 2))).toEqual(["eu-north"]);
    expect(settledAfter([["", [0, 1, 2]]], ["eu-north"]).settled).toBe(1);
  });

  test("a region is suspected after its blocks and its time, not before", () => {
    const silent = (blocks: number) => settledAfter(Array.from({ length: blocks }, () => ["", [0, 1, 2]] as const));
    expect(regionBallots(silent(7), config, healthy)).toEqual([]);
    expect(regionBallots(silent(8), config, healthy)).toEqual([{ kind: "suspect", region: "eu-north" }]);
    const hasty = { ...config, parameters: { ...config.parameters, suspectAfter: 60_000 } };
    expect(regionBallots(silent(8), hasty, healthy)).toEqual([]);
  });

  test("a degraded region is sighted after as many signed finalizations in the present mode", () => {
    const back = (blocks: number) =>
      settledAfter(
        Array.from({ length: blocks }, () => ["", [0, 1, 2, 3]] as const),
        ["eu-north"],
      );
    const state = { modeSeq: 1, degraded: ["eu-north"] };
    expect(regionBallots(back(7), config, state)).toEqual([]);
    expect(regionBallots(back(8), config, state)).toEqual([{ kind: "sight", region: "eu-north" }]);
    expect(regionBallots(back(8), config, { ...state, modeSeq: 2 })).toEqual([]);
  });
});

describe("residency", () => {
  test("more than two thirds of the zone's power: both of two", () => {
    expect(coversZone(config, "EU", seats(0, 1, 2))).toBe(false);
    expect(coversZone(config, "EU", seats(0, 3))).toBe(true);
    expect(coversZone(config, "nowhere", seats(0, 1, 2, 3))).toBe(false);
  });

  test("it never degrades: EU data waits for its zone though the region is degraded, and later blocks wait behind it", () => {
    expect(
      settledAfter(
        [
          ["EU", [0, 1, 2]],
          ["", [0, 1, 2]],
        ],
        ["eu-north"],
      ).settled,
    ).toBe(0);
    expect(
      settledAfter(
        [
          ["EU", [0, 1, 2]],
          ["", [0, 1, 2, 3]],
        ],
        ["eu-north"],
      ).settled,
    ).toBe(2);
  });
});
