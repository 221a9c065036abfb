/** Executed keys of a peer's checkpoint before they are believed: on disk, in a folder of their own, gone after a restart. */
import type { Disk } from "./disk.ts";
import type { ExecutedKeysOptions } from "./executed-keys.ts";
import { openExecutedKeys } from "./executed-keys.ts";

/** Reject with `StorageFaultError` when the disk fails. */
export interface StagedKeys {
  /** Takes a part of a peer's export (keys up to height `above` are left out); `malformed` when it is none, or has keys above `height`. */
  add(part: Uint8Array): Promise<"ok" | "malformed">;
  /** All keys taken, in parts of at most 1 MiB. Each call goes through them from the start; none is taken after the first. */
  parts(): AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** Keys of the blocks (above, height]. What an earlier transfer left in the folder is removed. */
export async function stageKeys(
  disk: Disk,
  directory: string,
  options: ExecutedKeysOptions,
  { above, height }: { readonly above: number; readonly height: number },
): Promise<StagedKeys> {
  await disk.makeDirectory(directory);
  const clear = async () => {
    for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
  };
  await clear();
  const keys = await openExecutedKeys(disk, directory, options);
  let whole = false;
  return {
    add: (part) => keys.import(part, height, above),
    async *parts() {
      if (!whole) await keys.checkpoint(height);
      whole = true;
      const exported = keys.export(height);
      for (let part = 0; part < (exported?.parts ?? 0); part++) yield await exported!.part(part);
    },
    async discard() {
      await keys.close();
      await clear();
    },
  };
}
