/** What a learner says of its own execution, beside a header that a quorum signed. */
import type { GetChainReportResponse } from "../../../proto/validator/v1/validator_pb.js";
import type { Header } from "../../../validator/consensus/types.ts";
import type { Claim, Shadow } from "../../plan/snapshot.ts";
import type { Examined } from "./knowledge.ts";
import { hex, whole } from "./words.ts";

/**
 * Verified: the root it says it computed is the one that the header names for that height; with a mismatch, the expected
 * root is, and the computed one is another. The counters are its own word. `header`: proven final.
 */
export function readShadow(answer: Pick<GetChainReportResponse, "shadow">, header: Header): Claim<Shadow> {
  const { shadow } = answer;
  if (!shadow) return { kind: "absent" };
  const { height, root, blocks, payments, mismatch } = shadow;
  const value: Shadow = {
    height: whole(height),
    blocks: whole(blocks),
    payments: whole(payments),
    mismatch: mismatch && {
      height: whole(mismatch.height),
      expected: hex(mismatch.expected.subarray(0, 32)),
      computed: hex(mismatch.computed.subarray(0, 32)),
    },
  };
  const counts = value.blocks >= 0 && value.payments >= 0;
  const compared = value.height === header.rootHeight && hex(root) === header.root;
  const differs = value.mismatch && showsMismatch(value.mismatch, header) && value.height < value.mismatch.height;
  return counts && (value.mismatch ? differs : compared) ? { kind: "verified", value } : { kind: "unverified", value };
}

/** Execution may be a block behind the newest header: then what was verified before stands. A mismatch is never hidden. */
export function withKnownShadow(now: Examined, before: Examined): Examined {
  if (now.kind !== "proven" || before.kind !== "proven" || before.shadow.kind !== "verified") return now;
  const { shadow } = now;
  const isBehind = shadow.kind === "unverified" && (shadow.value as Shadow).mismatch === undefined;
  return isBehind ? { ...now, shadow: before.shadow } : now;
}

function showsMismatch({ height, expected, computed }: NonNullable<Shadow["mismatch"]>, header: Header): boolean {
  return height === header.rootHeight && expected === header.root && computed !== expected && computed.length === 64;
}
