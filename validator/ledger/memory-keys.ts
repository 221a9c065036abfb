/** Executed keys in a Map: for tests, the simulator and small tools. `storage/executed-keys.ts` is the one with bounds. */
import { bytesToHex } from "@noble/hashes/utils.js";
import type { ExecutedKeys, KeyLocation } from "./types.ts";

export function createMemoryKeys(): ExecutedKeys {
  const keys = new Map<string, KeyLocation>();
  const name = (kind: number, institution: number, source: Uint8Array, offset: number) =>
    `${kind} ${institution} ${bytesToHex(source.subarray(offset, offset + 16))}`;
  return {
    add(kind, institution, source, offset, height, position) {
      const key = name(kind, institution, source, offset);
      if (keys.has(key)) return false;
      keys.set(key, { height, position });
      return true;
    },
    find: (kind, institution, source, offset) => keys.get(name(kind, institution, source, offset)),
    forget(upToHeight) {
      for (const [key, { height }] of keys) if (height <= upToHeight) keys.delete(key);
    },
  };
}
