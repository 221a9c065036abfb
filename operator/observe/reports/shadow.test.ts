import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetChainReportResponseSchema } from "../../../proto/validator/v1/validator_pb.js";
import type { Header } from "../../../validator/consensus/types.ts";
import { digest, height } from "../../../validator/consensus/types.ts";
import type { Examined } from "./knowledge.ts";
import { readShadow, withKnownShadow } from "./shadow.ts";

const root = "ab".repeat(32);
const other = "cd".repeat(32);
const header = { rootHeight: height(20), root: digest(root) } as Header;
const bytes = (hex: string) => Buffer.from(hex, "hex");

interface Said {
  readonly height: bigint;
  readonly root: Uint8Array;
  readonly blocks?: bigint;
  readonly mismatch?: { readonly height: bigint; readonly expected: Uint8Array; readonly computed: Uint8Array };
}
const read = (said: Said | undefined) =>
  readShadow(
    create(GetChainReportResponseSchema, said ? { shadow: { payments: 70n, blocks: 9n, ...said } } : {}),
    header,
  );
const mismatch = { height: 20n, expected: bytes(root), computed: bytes(other) };

test("what it computed is verified by the root that the header names for that height", () => {
  const value = { height: 20, blocks: 9, payments: 70, mismatch: undefined };
  expect(read({ height: 20n, root: bytes(root) })).toEqual({ kind: "verified", value });
  expect(read(undefined)).toEqual({ kind: "absent" });
  expect(read({ height: 19n, root: bytes(root) })).toMatchObject({ kind: "unverified" });
  expect(read({ height: 20n, root: bytes(other) })).toMatchObject({ kind: "unverified" });
  expect(read({ height: 20n, root: bytes(`${root}00`) })).toMatchObject({ kind: "unverified" });
  expect(read({ height: 20n, root: bytes(root), blocks: 2n ** 63n })).toMatchObject({ kind: "unverified" });
});

test("a mismatch is verified by the header that it says shows it", () => {
  const before = { height: 18n, root: bytes(other) };
  expect(read({ ...before, mismatch })).toEqual({
    kind: "verified",
    value: { height: 18, blocks: 9, payments: 70, mismatch: { height: 20, expected: root, computed: other } },
  });
  for (const wrong of [
    { height: 21n },
    { expected: bytes(other) },
    { computed: bytes(root) },
    { computed: bytes("cd") },
    { computed: new Uint8Array(4_096) },
  ])
    expect(read({ ...before, mismatch: { ...mismatch, ...wrong } })).toMatchObject(
      // Bytes beyond a digest's are cut off: what is left is a root like any other.
      wrong.computed?.length === 4_096 ? { kind: "verified" } : { kind: "unverified" },
    );
  expect(read({ height: 20n, root: bytes(root), mismatch })).toMatchObject({ kind: "unverified" });
});

test("a learner a block behind keeps what was verified; a mismatch is never hidden", () => {
  const proven = (shadow: ReturnType<typeof read>) => ({ kind: "proven", header, shadow }) as Examined;
  const good = proven(read({ height: 20n, root: bytes(root) }));
  const behind = proven(read({ height: 19n, root: bytes(root) }));
  const claimed = proven(read({ height: 19n, root: bytes(root), mismatch: { ...mismatch, height: 40n } }));
  expect(withKnownShadow(behind, good)).toEqual(good);
  expect(withKnownShadow(behind, { kind: "nothing" })).toBe(behind);
  expect(withKnownShadow(claimed, good)).toBe(claimed);
  expect(withKnownShadow(good, behind)).toBe(good);
});
