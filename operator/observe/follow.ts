/** The validators of every swarm as the reconciler sees them: reporters and a governor for each, opened when it is first seen. */

import { type Clock, systemClock } from "../kube/clock.ts";
import type { ObjectKey } from "../kube/objects.ts";
import { createGovernor, type Governor } from "./governance.ts";
import type { Credentials, ReportTarget } from "./reports/connection.ts";
import { createReporters, type Reporters } from "./reports/reporters.ts";
import { readEndpoints } from "./samples/endpoints.ts";
import { prometheusSource } from "./samples/prometheus.ts";
import { createSampler, type Measuring, type Sampler } from "./samples/sampler.ts";
import type { CallResult, Interest, SampleWatch, Validators, ValidatorTarget } from "./validators.ts";

export interface FollowOptions {
  /** A swarm's reports changed in a way that the planner acts on. */
  readonly onChange: (swarm: ObjectKey) => void;
  /** What connections to other machines are made with. */
  readonly credentials?: Credentials | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** As of `ReportersOptions`, ms. */
  readonly statusEveryMs?: number;
  readonly roundEveryMs?: number;
  readonly retryMs?: number;
}

export interface FollowedValidators extends Validators {
  /** Ends every connection. */
  readonly close: () => Promise<void>;
}

interface Followed {
  readonly key: string;
  readonly reporters: Reporters;
  readonly governor: Governor;
  readonly sampler: Sampler;
  /** When a validator last took its genesis, by identity. */
  readonly provided: Map<string, number>;
}

export function createValidators(options: FollowOptions): FollowedValidators {
  const { onChange, clock = systemClock, ...shared } = options;
  const swarms = new Map<ObjectKey, Followed>();
  const closings = new Set<Promise<void>>();

  function forget(swarm: ObjectKey): void {
    const followed = swarms.get(swarm);
    if (!followed) return;
    swarms.delete(swarm);
    const closing = Promise.all([followed.reporters.close(), followed.sampler.close()])
      .then(() => {})
      .finally(() => closings.delete(closing));
    closings.add(closing);
  }

  function followedAt(swarm: ObjectKey, { key }: Interest): Followed {
    const known = swarms.get(swarm);
    if (known?.key === key.publicKey) return known;
    // Whose seats are ours is read from reports by the key: another key reads them anew.
    forget(swarm);
    const reporters = createReporters({
      ...shared,
      clock,
      operatorKey: key.publicKey,
      onChange: () => onChange(swarm),
    });
    const governor = createGovernor(key.seed, reporters);
    const sampler = createSampler(clock, () => onChange(swarm));
    const followed = { key: key.publicKey, reporters, governor, sampler, provided: new Map<string, number>() };
    swarms.set(swarm, followed);
    return followed;
  }

  return {
    follow(swarm, interest) {
      const { reporters, governor, sampler } = followedAt(swarm, interest);
      const { genesis, targets, transaction, watch } = interest;
      if (genesis) reporters.setGenesis(Buffer.from(genesis).toString("utf8"));
      reporters.setTargets(targets.map((target) => reportTarget(target, options.credentials !== undefined)));
      governor.follow(transaction);
      sampler.measure(watch && { every: watch.every, targets, ...sourceOf(watch) });
    },
    samples: (swarm) => swarms.get(swarm)?.sampler.samples() ?? { windows: [], problem: "" },
    reports: (swarm) => swarms.get(swarm)?.reporters.reports() ?? [],
    async provideGenesis(swarm, identity, document) {
      const followed = swarms.get(swarm);
      if (!followed) return unknown;
      const { reporters, provided } = followed;
      // What it said before it took the document says nothing about the document.
      const said = reporters.report(identity)?.observedAt ?? 0;
      if (said <= (provided.get(identity) ?? Number.NEGATIVE_INFINITY)) return { kind: "done" };
      const result = await reporters.provideGenesis(identity, document);
      if (result.kind === "done") provided.set(identity, clock.wall());
      return result;
    },
    async submit(swarm, transaction): Promise<CallResult> {
      const followed = swarms.get(swarm);
      if (!followed) return unknown;
      const result = await followed.governor.submit(transaction);
      switch (result.kind) {
        case "submitted":
          return { kind: "done" };
        case "no-authority":
        case "not-possible":
          return { kind: "refused", reason: result.message };
        case "other-epoch":
        case "unknown-chain":
        case "not-taken":
          return { kind: "failed", reason: result.message };
      }
    },
    forget,
    async close() {
      for (const swarm of [...swarms.keys()]) forget(swarm);
      await Promise.all(closings);
    },
  };
}

const unknown: CallResult = { kind: "failed", reason: "Its validators are not followed yet." };

function sourceOf({ prometheus }: SampleWatch): Pick<Measuring, "source" | "sourceName"> {
  if (!prometheus) return { source: readEndpoints, sourceName: "" };
  const { url, namespace } = prometheus;
  return { source: prometheusSource(url, namespace), sourceName: `${namespace} ${url}` };
}

/** Plain on the loopback address where there are no certificates: validators show none there (validator/config.ts). */
function reportTarget({ identity, podUid, address, servername }: ValidatorTarget, secured: boolean): ReportTarget {
  const plain = !secured && /^(127\.|\[::1\])/.test(address);
  return plain
    ? { identity, podUid, url: `http://${address}` }
    : { identity, podUid, url: `https://${address}`, servername };
}
