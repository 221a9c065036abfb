/** Settled blocks as they come, from whichever validator answers. */
import { setTimeout as delay } from "node:timers/promises";
import type { SettledBlock } from "../../proto/validator/v1/validator_pb.js";
import type { ValidatorLink } from "./validator-link.ts";

/** Every institution's messages (proto/validator/v1/validator.proto). */
const everyone = 0xffffffff;
const retryMs = 250;

/** Calls `take` for each settled block from now on, each once, ascending. `links`: those there are now. The result ends it. */
export function followSettlements(
  links: () => readonly ValidatorLink[],
  take: (block: SettledBlock, link: ValidatorLink) => void,
): () => Promise<void> {
  const closing = new AbortController();
  const { signal } = closing;
  const follow = async () => {
    let next = 0n;
    for (let turn = 0; !signal.aborted; turn++) {
      const all = links();
      const link = all[turn % all.length];
      try {
        for await (const block of link?.settlement.watchSettlements(
          { fromHeight: next, institution: everyone },
          { signal },
        ) ?? []) {
          if (block.height < next) continue;
          next = block.height + 1n;
          if (link) take(block, link);
        }
      } catch {
        // The next validator goes on from where this one stopped.
      }
      await delay(retryMs, undefined, { signal }).catch(() => {});
    }
  };
  const ended = follow();
  return async () => {
    closing.abort();
    await ended;
  };
}
