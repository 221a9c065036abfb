/** Where checkpoints are kept: objects by key, written once, never changed. */

export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** When it was written, ms since the Unix epoch. */
  readonly modified: number;
}

export type Removal =
  | { readonly kind: "removed" }
  /** Nobody can delete it before. A time in ms since the Unix epoch; undefined: as long as a legal hold stands. */
  | { readonly kind: "held"; readonly until: number | undefined };

/** Keys are ASCII paths without `..`. All reject with `StoreError` when the store does not answer. */
export interface ObjectStore {
  /** For people: `directory …`, `bucket …`. */
  readonly name: string;
  /** Durable when it resolves. Content-addressed or written once: an object of the same key is the same object. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined: there is none. Never more than `most` bytes: a longer object is given up to there. */
  get(key: string, most: number): Promise<Uint8Array | undefined>;
  /** What the key held before, newest first, where the store keeps versions: an object that somebody wrote over or hid is still there. */
  versions(key: string, most: number): AsyncIterable<Uint8Array>;
  /** Size of the object, bytes; undefined: there is none. */
  size(key: string): Promise<number | undefined>;
  /** Keeps an object that is there already for as long as one written now. */
  keep(key: string): Promise<void>;
  /** Ascending by key. */
  list(prefix: string): AsyncIterable<StoredObject>;
  remove(key: string): Promise<Removal>;
}
