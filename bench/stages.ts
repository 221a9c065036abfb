/** Time by stage, as validators count it in `stage_seconds_total` (docs/metrics.md). */

/** Seconds by stage since the process began. */
export async function stageSeconds(metricsUrl: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${metricsUrl}/metrics`);
  const stages = new Map<string, number>();
  for (const [, stage, seconds] of (await response.text()).matchAll(
    /^stage_seconds_total\{[^}]*stage="([^"]+)"[^}]*\} (\S+)$/gm,
  ))
    if (stage !== undefined) stages.set(stage, Number(seconds));
  if (stages.size === 0) throw new Error(`${metricsUrl} counts no stages`);
  return stages;
}
