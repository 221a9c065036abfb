import { clone, create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type GetChainReportResponse, GetChainReportResponseSchema } from "../../../proto/validator/v1/validator_pb.js";
import { decodeHeader } from "../../../validator/codec/block.ts";
import { type Simulated, simulate } from "../testing/simulated.ts";
import { certifiedSets } from "./certified-sets.ts";
import { type Knowledge, openKnowledge } from "./knowledge.ts";

let chain: Simulated;
let answer: GetChainReportResponse;
/** From the first epoch after genesis'. */
let early: GetChainReportResponse;

beforeAll(async () => {
  chain = await simulate(51, 1);
  early = await chain.answer(0, 0);
  await chain.pass(3);
  answer = await chain.answer(0, 0);
});

function fresh(document = chain.genesis): Knowledge {
  const opened = openKnowledge(document);
  if (opened.kind === "invalid") throw new Error(opened.reason);
  return opened.knowledge;
}

const changed = (change: (copy: GetChainReportResponse) => void): GetChainReportResponse => {
  const copy = clone(GetChainReportResponseSchema, answer);
  change(copy);
  return copy;
};
const flipped = (bytes: Uint8Array, at: number) => bytes.with(at % bytes.length, bytes[at % bytes.length]! ^ 1);

describe("what a report proves", () => {
  test("leads from genesis to the epoch under way, without the epochs between when their members sign", () => {
    const known = fresh();
    expect(answer.handovers.length).toBeGreaterThan(0);
    const examined = known.examine(answer, []);
    expect(examined).toMatchObject({ kind: "proven", header: { epoch: 3 } });
    expect(known.newest.config.epoch).toBe(3);
    expect(known.governance()?.governance).toMatchObject({ threshold: 1, sequence: 0 });
    const sets = certifiedSets(known.newest, known.coverage(), "00");
    expect(sets).toMatchObject({ current: { epoch: 3, learners: [], degradedRegions: [] }, pending: undefined });
    expect(sets.current.members.map(({ id }) => id)).toEqual(["seat-0", "seat-1", "seat-2", "seat-3"]);
  });

  test("is followed as far as it leads, and from there the next time", () => {
    const known = fresh();
    const part = changed((copy) => {
      copy.handovers = early.handovers;
    });
    expect(known.examine(part, [])).toEqual({ kind: "nothing" });
    expect(known.newest.config.epoch).toBe(1);
    expect(known.examine(answer, [])).toMatchObject({ kind: "proven" });
  });

  test("is checked once a header, whoever shows it", async () => {
    const known = fresh();
    for (const node of [0, 0, 0]) known.examine(await chain.answer(node, known.newest.config.epoch), []);
    expect(known.checked()).toBe(1);
  });

  test("is nothing of another chain, and nothing without the way there", () => {
    const other = JSON.stringify({ ...JSON.parse(chain.genesis), chainName: "other" });
    expect(fresh(other).examine(answer, [])).toEqual({
      kind: "refused",
      reason: "its header is of another chain",
    });
    const lost = changed((copy) => {
      copy.handovers = [];
    });
    expect(fresh().examine(lost, [])).toEqual({ kind: "nothing" });
    expect(fresh().examine(create(GetChainReportResponseSchema), [])).toEqual({ kind: "nothing" });
  });

  test("is not believed about governance or coverage when their bytes are not under the root", () => {
    const known = fresh();
    const wrong = changed((copy) => {
      copy.governance = flipped(answer.governance, answer.governance.length - 3);
      copy.coverage = flipped(answer.coverage, 0);
    });
    expect(known.examine(wrong, [])).toMatchObject({ kind: "proven" });
    expect(known.governance()).toBeUndefined();
    expect(known.coverage()).toEqual({ modeSeq: 0, degraded: [] });
  });
});

test("no change of header, finalization or handover is believed, and none throws", () => {
  const header = decodeHeader(answer.header);
  if (header.kind === "refused") throw new Error("the header is none");
  const part = fc.constantFrom("header", "finalization", "handover");
  const how = fc.constantFrom("flip", "cut", "grow", "empty");
  fc.assert(
    fc.property(part, how, fc.nat(8_192), (which, change, at) => {
      const apply = (bytes: Uint8Array): Uint8Array => {
        if (change === "flip") return flipped(bytes, at);
        if (change === "cut") return bytes.slice(0, at % bytes.length);
        return change === "grow" ? Buffer.concat([bytes, Buffer.alloc(1 + (at % 8))]) : new Uint8Array(0);
      };
      const copy = changed((each) => {
        if (which === "handover") each.handovers = each.handovers.map(apply);
        else each[which] = apply(each[which]);
      });
      const known = fresh();
      const examined = known.examine(copy, []);
      expect(examined.kind).not.toBe("proven");
      if (which !== "handover") return;
      expect(known.newest.config.epoch).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("a genesis document that is none, or whose keys nobody proved to hold, is no anchor", () => {
  expect(openKnowledge("no document").kind).toBe("invalid");
  const document = JSON.parse(chain.genesis);
  const [first, second, ...others] = document.members;
  const stolen = { ...second, proofOfPossession: first.proofOfPossession };
  expect(openKnowledge(JSON.stringify({ ...document, members: [first, stolen, ...others] }))).toEqual({
    kind: "invalid",
    reason: "seat-1 does not prove that it holds its key",
  });
});
