/** Waits for what other parts of the process do, turn by turn of the event loop. */
import { setImmediate } from "node:timers/promises";

/** Resolves as soon as the condition holds; the test's own timeout is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}
