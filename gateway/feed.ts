/**
 * One institution's feed: what settled for it, in the order of the chain, each message once. A cursor is the position
 * after an entry; whoever reads again from it misses nothing and sees nothing twice.
 */
import { z } from "zod";
import { type Journal, openJournal } from "./journal.ts";

const entrySchema = z.object({
  /** `pacs.008`: payments to this institution settled. `pacs.002`: the final status of a file it sent. */
  kind: z.enum(["pacs.008", "pacs.002"]),
  /** Height of the block, and the message's position in it: what makes an append happen once. */
  height: z.int(),
  position: z.int(),
  /** Name and version of the XML, e.g. `pacs.008.001.08`. */
  name: z.string(),
  /** MsgId of the XML. */
  messageId: z.string(),
  /** BIC of the instructing institution (of a pacs.002: the institution itself). */
  from: z.string(),
  /** Block time, ISO. */
  settled: z.string(),
  /** Every payment of the XML in order, with references derived for old versions that cannot carry one. */
  uetrs: z.array(z.string()),
  xml: z.string(),
});

export type FeedEntry = z.infer<typeof entrySchema>;

/** An entry as it is read, with the cursor after it. */
interface FeedItem {
  readonly cursor: number;
  readonly entry: FeedEntry;
}

export interface Feed {
  /** Cursor before the oldest entry kept, and after the newest. */
  readonly start: number;
  readonly end: number;
  /** Appends entries in chain order; those at or below the newest one's place are there already and are skipped. Returns how many were new. */
  append(entries: readonly FeedEntry[]): Promise<number>;
  /** Entries after a cursor, some at a time; undefined when the cursor is not one, or what it names is no longer kept. */
  read(cursor: number, maxBytes: number): Promise<readonly FeedItem[] | undefined>;
  /** Resolves when there is something after the cursor, or the signal aborts. */
  grown(cursor: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Opens an institution's feed in a folder. */
export async function openFeed(folder: string, keepBytes: number): Promise<Feed> {
  const journal = await openJournal(folder);
  const last = await lastEntry(journal);
  return new JournalledFeed(journal, keepBytes, last === undefined ? [0, -1] : [last.height, last.position]);
}

async function lastEntry(journal: Journal): Promise<FeedEntry | undefined> {
  let last: string | undefined;
  let position = journal.start;
  while (position < journal.end) {
    const entries = (await journal.read(position, 4 * 1024 * 1024)) ?? [];
    last = entries.at(-1)?.text ?? last;
    position = entries.at(-1)?.next ?? journal.end;
  }
  return last === undefined ? undefined : entrySchema.parse(JSON.parse(last));
}

class JournalledFeed implements Feed {
  private readonly journal: Journal;
  private readonly keepBytes: number;
  private last: readonly [height: number, position: number];

  constructor(journal: Journal, keepBytes: number, last: readonly [number, number]) {
    this.journal = journal;
    this.keepBytes = keepBytes;
    this.last = last;
  }

  get start(): number {
    return this.journal.start;
  }

  get end(): number {
    return this.journal.end;
  }

  async append(entries: readonly FeedEntry[]): Promise<number> {
    const [height, position] = this.last;
    const fresh = entries.filter(
      (entry) => entry.height > height || (entry.height === height && entry.position > position),
    );
    const newest = fresh.at(-1);
    if (newest === undefined) return 0;
    await this.journal.append(fresh.map((entry) => JSON.stringify(entry)));
    this.last = [newest.height, newest.position];
    await this.journal.dropBefore(this.journal.end - this.keepBytes);
    return fresh.length;
  }

  async read(cursor: number, maxBytes: number): Promise<readonly FeedItem[] | undefined> {
    const lines = await this.journal.read(cursor, maxBytes);
    return lines?.map(({ text, next }) => ({ cursor: next, entry: entrySchema.parse(JSON.parse(text)) }));
  }

  grown(cursor: number, signal: AbortSignal): Promise<void> {
    return this.journal.grown(cursor, signal);
  }

  close(): Promise<void> {
    return this.journal.close();
  }
}
