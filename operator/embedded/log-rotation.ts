/**
 * Keeps a log file bounded. Processes append to the file themselves, so that their last words are on disk even when
 * this process is gone; therefore the file is copied and cut, not renamed.
 */
import { copyFile, stat, truncate } from "node:fs/promises";

const checkEveryMs = 2_000;

/** Moves the content to `<file>.1` whenever the file exceeds `maxBytes`. The result stops watching. */
export function watchLogSize(file: string, maxBytes: number): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    rotateWhenLarge(file, maxBytes)
      // A log that cannot be rotated must not end the swarm; the next round tries again.
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  }, checkEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Says whether it rotated. Lines written while the copy ends are lost: the file is opened for appending. */
export async function rotateWhenLarge(file: string, maxBytes: number): Promise<boolean> {
  const { size } = await stat(file);
  if (size <= maxBytes) return false;
  await copyFile(file, `${file}.1`);
  await truncate(file, 0);
  return true;
}
