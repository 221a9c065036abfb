/** A moment as RFC 3339 with seconds, from ms since the Unix epoch; the epoch itself for what is no moment. */
export function timeText(ms: number): string {
  const inRange = Number.isFinite(ms) ? Math.max(0, Math.min(ms, 8.64e15)) : 0;
  return new Date(inRange).toISOString().replace(/\.\d+Z$/, "Z");
}
