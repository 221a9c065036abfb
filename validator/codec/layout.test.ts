/** The tables of docs/formats.md are the layout: each field is found where its row says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeHeader, headerLength } from "./block.ts";
import { messageHeaderLength } from "./payment-message.ts";
import { counting, sampleBlock, samplePayments } from "./testing/samples.ts";

interface Row {
  readonly offset: number;
  readonly size: number;
  readonly field: string;
}

/** The rows of the offset table under a heading. */
function table(heading: string): readonly Row[] {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "formats.md"), "utf8");
  const section = page.split(/^## /m).find((part) => part.startsWith(heading));
  if (!section) throw new Error(`docs/formats.md has no section ${heading}`);
  return [...section.matchAll(/^\| (\d+) \| (\d+) \| (.+) \|$/gm)].map((row) => ({
    offset: Number(row[1]),
    size: Number(row[2]),
    field: (row[3] ?? "").split(/[ ,:=]/)[0] ?? "",
  }));
}

/** Offsets follow each other from 0 to the end without a gap. */
function expectWhole(rows: readonly Row[], end: number): void {
  let at = 0;
  for (const { offset, size, field } of rows) {
    expect(offset, field).toBe(at);
    at += size;
  }
  expect(at).toBe(end);
}

const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.toString("hex");
};

test("block header", () => {
  const rows = table("Block header");
  expectWhole(rows, headerLength);
  const { header } = sampleBlock;
  const fields: Readonly<Record<string, string>> = {
    magic: Buffer.from("VSH1").toString("hex"),
    version: "0100",
    flags: "0300",
    chainId: header.chainId,
    epoch: u64(header.epoch),
    view: u64(header.view),
    height: u64(header.height),
    parentView: u64(header.parentView),
    parent: header.parent,
    time: u64(header.time),
    proposer: u64(header.proposer),
    rootHeight: u64(header.rootHeight),
    root: header.root,
    bodyHash: header.bodyHash,
    reveal: Buffer.from(counting(0x50, 96)).toString("hex"),
    zero: "00".repeat(104),
  };
  expect(rows.map(({ field }) => field)).toEqual(Object.keys(fields));
  const bytes = Buffer.from(encodeHeader(header));
  for (const { offset, size, field } of rows)
    expect(bytes.toString("hex", offset, offset + size), field).toBe(fields[field]);
});

test("payment message", () => {
  const rows = table("Payment message").filter(({ offset }) => offset < messageHeaderLength);
  expectWhole(rows, messageHeaderLength);
  const bytes = Buffer.from(samplePayments.bytes);
  const { header } = samplePayments;
  const at = (field: string) => {
    const row = rows.find((other) => other.field === field);
    if (!row) throw new Error(`no row for ${field}`);
    return bytes.subarray(row.offset, row.offset + row.size);
  };
  expect(at("magic").toString()).toBe("VSM1");
  expect(at("version").readUInt16LE()).toBe(1);
  expect(at("kind").readUInt16LE()).toBe(1);
  expect(at("institution").readUInt32LE()).toBe(header.institution);
  expect(at("zone").readUInt16LE()).toBe(header.zone);
  expect(at("flags").readUInt16LE()).toBe(1);
  expect(at("messageKey")).toEqual(Buffer.from(header.messageKey));
  expect(at("chainId")).toEqual(Buffer.from(header.chainId));
  expect(at("expiry").readBigUInt64LE()).toBe(BigInt(header.expiry));
  expect(at("count").readUInt32LE()).toBe(header.count);
  expect(at("recordsRoot")).toEqual(Buffer.from(header.recordsRoot));
  expect(at("privateRoot")).toEqual(Buffer.from(header.privateRoot));
  expect(at("ed25519")).toEqual(Buffer.from(header.signature));
});
