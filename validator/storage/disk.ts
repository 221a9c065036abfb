/**
 * The disk port: everything `storage/` does to files goes through it, so that the simulator can run the shipped
 * storage over a disk that loses its page cache, tears writes, flips bytes and fills up.
 * Failures are thrown as `DiskError`s.
 */
export interface Disk {
  /**
   * Opens for reading and appending; creates the file (and its folders) when `create`; `exclusive`: fails when it exists.
   * `mode`: permissions of a new file, 0640 when absent. `durable`: every append is followed by a sync, so that the
   * disk may do both in one call to the system.
   */
  open(
    path: string,
    options: {
      readonly create: boolean;
      readonly exclusive?: boolean;
      readonly mode?: number;
      readonly durable?: boolean;
    },
  ): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  /** Names of the files and folders in a folder, sorted; empty when it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Replaces `to` atomically; durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes free for this process, for the guard that stops before ENOSPC. */
  free(): Promise<number>;
}

export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Appends all of it, in order, in one call to the system where it can. */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /** fdatasync: what was appended before the call survives a power cut once it resolves. */
  sync(): Promise<void>;
  /** Short when the file ends first. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** For the lookups of execution, which may not yield. Returns the bytes read into `into`. */
  readSync(offset: number, into: Uint8Array): number;
  truncate(length: number): Promise<void>;
  /** Whether the path still names this very file (device and inode): false after it was removed or replaced. */
  inPlace(): boolean;
  close(): Promise<void>;
}

export type DiskErrorKind = "no-space" | "input-output" | "not-found" | "other";

export class DiskError extends Error {
  readonly kind: DiskErrorKind;
  readonly path: string;
  constructor(kind: DiskErrorKind, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DiskError";
    this.kind = kind;
    this.path = path;
  }
}
