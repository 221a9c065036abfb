/** Notices while the process lives that its volume was removed or replaced under it. */
import type { StorageFault, Store } from "./types.ts";

/** Looks every `intervalMs` (commits look for themselves) and reports once. The result stops it. */
export function watchVolume(
  store: Pick<Store, "checkVolume">,
  clock: { readonly after: (milliseconds: number, call: () => void) => () => void },
  intervalMs: number,
  report: (fault: StorageFault) => void,
): () => void {
  let cancel = clock.after(intervalMs, look);
  function look(): void {
    const fault = store.checkVolume();
    if (fault !== undefined) report(fault);
    else cancel = clock.after(intervalMs, look);
  }
  return () => cancel();
}
