/** The probes of a running container. */
import type { Clock } from "../../kube/clock.ts";
import { type ContainerSpec, type ProbeSpec, portOf } from "./pod-spec.ts";
import { type Probe, startProbe } from "./probes.ts";

export interface Health {
  /** The readiness verdict changed; `why`: the probe's last answer. */
  readonly onReady: (ready: boolean, why: string) => void;
  /** The liveness probe gave it up. */
  readonly onDead: (why: string) => void;
}

/** A probe of a port that the container does not name never passes. */
export function watchHealth(container: ContainerSpec, clock: Clock, health: Health): readonly Probe[] {
  const { readinessProbe, livenessProbe } = container;
  const start = (
    probe: ProbeSpec | undefined,
    initially: boolean,
    onVerdict: (passes: boolean, why: string) => void,
  ): readonly Probe[] => {
    if (!probe) return [];
    const port = portOf(container, probe.httpGet.port);
    return port === undefined ? [] : [startProbe({ probe, port, clock, initially, onVerdict })];
  };
  return [
    ...start(readinessProbe, false, health.onReady),
    ...start(livenessProbe, true, (passes, why) => {
      if (!passes) health.onDead(why);
    }),
  ];
}
