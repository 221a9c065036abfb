/** What the driver reads of the executed state between two blocks. */
import type { Directory } from "./services.ts";

export interface ChainView {
  /** The institution's ed25519 key; undefined when there is no such institution or it is suspended. */
  activeKey(institution: number): Uint8Array | undefined;
  /** Its key even while suspended: what execution compares signatures with. */
  key(institution: number): Uint8Array | undefined;
  /** Name of a zone by its index in messages: 0 is "". Undefined when the chain has no such zone. */
  zoneName(index: number): string | undefined;
  /** Longest life of a message, ms of block time. */
  readonly expiryWindow: number;
  /** Time of the newest executed block, or the anchor's. */
  readonly time: number;
}

/** A view over the ledger's directory, which changes only when governance does. */
export function chainViewOf(directory: () => Directory, time: () => number): ChainView {
  return {
    activeKey(institution) {
      const found = directory().institutions[institution];
      return found && !found.suspended ? found.key : undefined;
    },
    key: (institution) => directory().institutions[institution]?.key,
    zoneName: (index) => (index === 0 ? "" : directory().zones[index - 1]),
    get expiryWindow() {
      return directory().expiryWindow;
    },
    get time() {
      return time();
    },
  };
}
