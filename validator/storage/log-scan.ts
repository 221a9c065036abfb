/** Reads a log at start: which segments must be there, whether each byte is what was written, where the next group goes. */
import type { BootMarker } from "./boot-marker.ts";
import { readBootMarker } from "./boot-marker.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { ScannedRecord, SegmentHeader } from "./framing.ts";
import { decodeSegmentHeader, scanGroups, segmentHeaderBytes } from "./framing.ts";
import type { StorageFault } from "./types.ts";

export interface Segment {
  readonly path: string;
  readonly header: SegmentHeader;
  length: number;
  file: Promise<DiskFile> | undefined;
  readers: number;
  dropped: boolean;
}

/** The state a log goes on from; `log.ts` moves it. */
export interface ScannedLog {
  readonly segments: Map<number, Segment>;
  readonly boot: number;
  /** As it stands in the file, but for the boot count. */
  marker: BootMarker;
  lowest: number;
  newest: number;
  /** Of the next group. */
  sequence: number;
  readonly previousLength: number;
}

export type LogScan =
  | { readonly kind: "ok"; readonly scanned: ScannedLog }
  | { readonly kind: "fault"; readonly fault: StorageFault };

/** Reads the whole log, calling `visit` for each record in order. */
export async function scanLog(
  disk: Disk,
  directory: string,
  markerPath: string,
  visit: (record: ScannedRecord, segment: number) => void,
): Promise<LogScan> {
  const fault = (kind: StorageFault["kind"], path: string, message: string, offset?: number): LogScan => ({
    kind: "fault",
    fault: { kind, path, offset, message },
  });
  const read = await readBootMarker(disk, markerPath);
  if (read.kind === "corrupt") return fault("corrupt", markerPath, "the boot marker does not match its checksum", 0);
  const marker = read.kind === "ok" ? read.marker : { boot: 0, lowest: 1, newest: 0, checkpoint: 0 };

  const numbers: number[] = [];
  for (const name of await disk.list(directory)) {
    const match = /^([0-9]{10})\.log$/.exec(name);
    if (match) numbers.push(Number(match[1]));
  }
  numbers.sort((a, b) => a - b);
  const present = new Set(numbers);
  if (read.kind === "absent" && numbers.some((n) => n > 1)) {
    return fault("missing", markerPath, "the log has segments but the boot marker is gone");
  }
  if (marker.boot > 0 && numbers.length === 0) return fault("missing", directory, "the log is gone");
  for (let n = marker.lowest; n <= marker.newest; n++) {
    if (present.has(n)) continue;
    const newer = numbers.some((m) => m > n);
    return newer
      ? fault("missing", segmentPath(directory, n), `segment ${n} of ${marker.lowest} to ${marker.newest} is gone`)
      : fault("older-than-boot-marker", segmentPath(directory, n), `the log ends before segment ${marker.newest}`);
  }
  // Below: dropped already but not yet removed. Above: begun but never written to, since the marker moves first.
  for (const n of numbers) {
    if (n < marker.lowest || n > marker.newest) await disk.remove(segmentPath(directory, n));
  }

  const headers: SegmentHeader[] = [];
  for (let n = marker.lowest; n <= marker.newest; n++) {
    const path = segmentPath(directory, n);
    const file = await disk.open(path, { create: false });
    const header = decodeSegmentHeader(await file.read(0, segmentHeaderBytes));
    await file.close();
    if (header === undefined || header.number !== n) {
      return fault("corrupt", path, "the segment's header does not match its checksum", 0);
    }
    headers.push(header);
  }
  const newestHeader = headers.at(-1);
  if (newestHeader !== undefined && newestHeader.boot < marker.boot) {
    return fault(
      "older-than-boot-marker",
      segmentPath(directory, newestHeader.number),
      `the log was last opened for boot ${newestHeader.boot}, the marker says ${marker.boot}`,
    );
  }

  const segments = new Map<number, Segment>();
  let sequence = 1;
  let previousLength = 0;
  for (const [i, header] of headers.entries()) {
    const path = segmentPath(directory, header.number);
    const next = headers[i + 1];
    if (i > 0 && header.sequence !== sequence)
      return fault("corrupt", path, "the segment does not follow the one before", 32);
    const file = await disk.open(path, { create: false });
    const bytes = await file.read(0, next?.previousLength ?? (await file.size()));
    await file.close();
    if (next !== undefined && bytes.length < next.previousLength) {
      return fault("corrupt", path, `the segment is cut: it had ${next.previousLength} bytes`, bytes.length);
    }
    const scan = scanGroups(bytes, header, (record) => visit(record, header.number));
    if (scan.kind === "damaged") return fault("corrupt", path, scan.message, scan.offset);
    if (scan.kind === "torn" && next !== undefined) return fault("corrupt", path, "a group is damaged", scan.length);
    sequence = scan.sequence;
    previousLength = scan.length;
    segments.set(header.number, { path, header, length: scan.length, file: undefined, readers: 0, dropped: false });
  }

  const { lowest, newest } = marker;
  const boot = marker.boot + 1;
  return {
    kind: "ok",
    scanned: { segments, boot, marker: { ...marker, boot }, lowest, newest, sequence, previousLength },
  };
}

export function segmentPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(10, "0")}.log`;
}
