/** Merges sorted files of executed keys into one, a bounded piece at a time: by ranges of the hash, sorted in memory. */
import type { Disk } from "./disk.ts";
import type { KeySegment } from "./key-segment.ts";
import { createSegmentWriter, lowerPage, readEntries } from "./key-segment.ts";
import type { HashSeed } from "./key-table.ts";
import { slotWords, sortedSlots } from "./key-table.ts";

export interface KeyMerge {
  readonly number: number;
  /** Works on about so many entries; the merged file once all are through. */
  step(entries: number): Promise<KeySegment | undefined>;
  abandon(): Promise<void>;
}

/** Entries sorted at once. */
const rangeEntries = 65_536;

/** Leaves out what blocks up to `forgotten` added, and what stands above a segment's ceiling. */
export async function startMerge(
  disk: Disk,
  path: string,
  number: number,
  seed: HashSeed,
  inputs: readonly KeySegment[],
  forgotten: number,
  withFilter: boolean,
): Promise<KeyMerge> {
  const total = inputs.reduce((sum, input) => sum + input.count, 0);
  const writer = await createSegmentWriter(disk, path, number, seed, total, withFilter);
  const ranges = Math.max(1, Math.ceil(total / rangeEntries));
  const span = Math.ceil(2 ** 32 / ranges);
  let range = 0;
  return {
    number,
    step: async (entries) => {
      const last = Math.min(ranges, range + Math.max(1, Math.ceil(entries / rangeEntries)));
      for (; range < last; range++) {
        const low = range * span;
        const high = Math.min(2 ** 32, low + span);
        let words = new Uint32Array(2 * rangeEntries * slotWords);
        let count = 0;
        for (const input of inputs) {
          const from = lowerPage(input.fences, low);
          let to = from;
          while (to < input.fences.length && input.fences[to]! < high) to++;
          await readEntries(input, seed, from, to, (slot) => {
            if (slot[0]! < low || slot[0]! >= high || slot[6]! - 1 <= forgotten) return;
            if ((count + 1) * slotWords > words.length) {
              const bigger = new Uint32Array(words.length * 2);
              bigger.set(words);
              words = bigger;
            }
            const at = count * slotWords;
            for (let i = 0; i < slotWords; i++) words[at + i] = slot[i]!;
            count++;
          });
        }
        const slots = new Uint32Array(count);
        for (let i = 0; i < count; i++) slots[i] = i * slotWords;
        const order = sortedSlots(words, slots, count, low, span);
        for (let i = 0; i < count; i++) writer.add(words, order[i]!);
        await writer.drain();
      }
      return range === ranges ? await writer.finish() : undefined;
    },
    abandon: () => writer.abandon(),
  };
}
