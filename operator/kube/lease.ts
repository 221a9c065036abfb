/** The Lease object behind an election, as read and as written. */
import { leases } from "./kinds.ts";
import { apiVersionOf, isRecord, type KubeObject, numberAt, readObject, type StoredObject, textAt } from "./objects.ts";

export interface Lease {
  readonly object: StoredObject;
  /** "" when nobody holds it. */
  readonly holder: string;
  /** What its holder asked others to wait; 0 when it did not say. */
  readonly durationMs: number;
  readonly transitions: number;
  /** Times are the holder's: never compared with a clock of ours, only with themselves. */
  readonly acquireTime: string;
  readonly renewTime: string;
}

/** A lease asking for more is taken to ask for this: a broken writer must not lock everybody out. */
const longestLeaseMs = 3_600_000;

/** Undefined when it is no stored object; missing fields are empty, as an unheld lease's. */
export function readLease(value: unknown): Lease | undefined {
  const object = readObject(leases, value);
  if (!object) return undefined;
  const spec = isRecord(object["spec"]) ? object["spec"] : {};
  return {
    object,
    holder: textAt(spec, "holderIdentity"),
    durationMs: Math.min(longestLeaseMs, Math.max(0, (numberAt(spec, "leaseDurationSeconds") ?? 0) * 1_000)),
    transitions: numberAt(spec, "leaseTransitions") ?? 0,
    acquireTime: textAt(spec, "acquireTime"),
    renewTime: textAt(spec, "renewTime"),
  };
}

export interface LeaseClaim {
  /** "" gives it up. */
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  readonly acquireTime: string;
  readonly renewTime: string;
}

/**
 * The object to write. With `over`, only in place of exactly that state; else only when there is none. What others
 * keep on the object (labels, annotations) stays.
 */
export function leaseObject(namespace: string, name: string, claim: LeaseClaim, over?: Lease): KubeObject {
  return {
    apiVersion: apiVersionOf(leases),
    kind: leases.kind,
    metadata: over ? over.object.metadata : { name, namespace },
    spec: {
      holderIdentity: claim.holder,
      leaseDurationSeconds: Math.max(1, Math.round(claim.durationMs / 1_000)),
      leaseTransitions: claim.transitions,
      acquireTime: claim.acquireTime,
      renewTime: claim.renewTime,
    },
  };
}

/** MicroTime of the API: RFC 3339 with six decimals. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
