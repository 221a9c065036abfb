/** `swarm status --watch`: the same picture again whenever it changes. */
import { pause, systemClock } from "../operator/kube/clock.ts";
import { pods, validatorSwarms } from "../operator/kube/kinds.ts";
import { startListWatch } from "../operator/kube/list-watch.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { sayTrouble } from "./follow.ts";
import { askValidators, type LiveFigures } from "./live.ts";
import { type Output, writeJson } from "./output.ts";
import { instanceLabel, reportAll } from "./report.ts";
import { statusLines } from "./tree.ts";
import type { World } from "./world.ts";

/** Heights are asked for this often, ms; everything else is told by the API server. */
const liveMs = 2_000;
/** Changes that come together make one picture, ms. */
const gatherMs = 100;

/** `withPods`: they may be listed. Shows until it is interrupted, or until the swarm that was named is gone. The first look has found it. */
export async function watchStatus(
  world: World,
  name: string | undefined,
  withPods: boolean,
  output: Output,
): Promise<ExitCode> {
  const stop = new AbortController();
  const { promise: gone, resolve: end } = Promise.withResolvers<void>();
  let live: ReadonlyMap<string, LiveFigures> = new Map();
  let shown = "";
  let cancel = () => {};
  /** The first picture has everything: what was listed, and what validators said. */
  let begun = false;
  let pending = false;

  const common = {
    api: world.api,
    clock: systemClock,
    random: Math.random,
    signal: stop.signal,
    onChange: () => {
      if (!begun || pending) return;
      pending = true;
      cancel = systemClock.after(gatherMs, show);
    },
  };
  const label = name === undefined ? instanceLabel : `${instanceLabel}=${name}`;
  const swarms = startListWatch({
    ...common,
    selection: {
      kind: validatorSwarms,
      namespace: world.namespace,
      ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
    },
    onObservation: sayTrouble(world, output),
  });
  const owned = withPods
    ? startListWatch({ ...common, selection: { kind: pods, namespace: world.namespace, labelSelector: label } })
    : undefined;
  const ownPods = () => owned?.store.list() ?? [];

  function show(): void {
    pending = false;
    const found = swarms.store.list().filter(({ metadata }) => name === undefined || metadata.name === name);
    if (name !== undefined && found.length === 0) return end();
    const reports = reportAll(found, ownPods(), live);
    const text = output.json ? JSON.stringify(reports) : statusLines(reports, name, world).join("\n");
    if (text === shown) return;
    shown = text;
    if (output.json) writeJson(output, { swarms: reports });
    else output.picture(text);
  }

  async function keepAsking(swarm: string): Promise<void> {
    while (!stop.signal.aborted) {
      await pause(systemClock, liveMs, stop.signal);
      live = await askValidators(world, swarm, ownPods());
      if (!stop.signal.aborted) show();
    }
  }

  await Promise.all([swarms.synced, owned?.synced]);
  if (name !== undefined) live = await askValidators(world, name, ownPods());
  begun = true;
  show();
  const asking = name === undefined ? undefined : keepAsking(name);
  await gone;
  cancel();
  stop.abort();
  await Promise.all([swarms.done, owned?.done, asking]);
  output.error(`Swarm ${name} was deleted.`);
  return exitCodes.notFound;
}
