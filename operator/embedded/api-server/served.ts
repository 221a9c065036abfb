/** The kinds that the API server serves, and what is special about each. */
import { kinds as definitions } from "../../api/crd/definitions.ts";
import type { Structural } from "../../api/crd/structural.ts";
import {
  configMaps,
  deployments,
  events,
  leases,
  nodes,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  secrets,
  services,
  swarmCheckpoints,
  validatorSwarms,
} from "../../kube/kinds.ts";
import type { Kind } from "../../kube/objects.ts";
import { type Admission, admitCheckpoint, admitSwarm } from "./admission.ts";
import { admitConfig, admitPod, type BuiltInAdmission, nothingMore } from "./built-in.ts";
import type { JsonObject } from "./json.ts";
import { builtInShapes, metadataShape, type Shape, shapeOf } from "./shapes.ts";

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description: string;
  readonly priority?: number;
}

export interface ServedKind {
  readonly kind: Kind;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly shape: Shape;
  /** Has a status that is written through its own subresource. */
  readonly status: boolean;
  /** A status given at creation counts. */
  readonly statusAtCreation: boolean;
  readonly scale: boolean;
  /** Versions of its spec are counted. */
  readonly generation: boolean;
  /** Replacing it without saying which version was read is refused. */
  readonly versionedUpdates: boolean;
  /** Deletion waits for the kubelet: as pods. */
  readonly graceful: boolean;
  /** Of fields that are no metadata and that lists can be asked for. */
  readonly selectable: readonly string[];
  /** What it begins with when its creator says nothing of it. */
  readonly initialStatus: JsonObject | undefined;
  /** Forgotten this long after its last change; undefined: never. */
  readonly lifetimeMs: number | undefined;
  /** Names may have dots, or are those of services. */
  readonly names: "subdomain" | "label";
  /** Absent: every field is taken as it is. */
  readonly schema: Structural | undefined;
  readonly columns: readonly Column[];
  readonly admission: Admission;
}

type Special = Partial<Omit<ServedKind, "kind" | "admission">> & { readonly admit?: BuiltInAdmission };

function builtIn(kind: Kind, { admit = nothingMore, ...special }: Special = {}): ServedKind {
  return {
    kind,
    singular: kind.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    shape: withMetadata(builtInShapes[kind.kind] ?? {}),
    status: true,
    statusAtCreation: false,
    scale: false,
    generation: false,
    versionedUpdates: false,
    graceful: false,
    selectable: [],
    initialStatus: undefined,
    lifetimeMs: undefined,
    names: "subdomain",
    schema: undefined,
    columns: [],
    admission: (object, old) => {
      const { object: admitted = object, causes } = admit(object, old);
      return causes.length > 0 ? { kind: "invalid", causes } : { kind: "ok", object: admitted };
    },
    ...special,
  };
}

function custom(kind: Kind, admission: Admission): ServedKind {
  const found = definitions.find((each) => each.kind === kind.kind);
  if (!found) throw new Error(`there is no definition of ${kind.kind}`);
  return {
    ...builtIn(kind),
    shortNames: [found.shortName],
    categories: ["swarms"],
    shape: withMetadata(shapeOf(found.schema)),
    scale: "scale" in found.subresources,
    generation: true,
    versionedUpdates: true,
    schema: found.schema,
    columns: found.columns,
    admission,
  };
}

function withMetadata(shape: Shape): Shape {
  return { ...shape, fields: { ...shape.fields, metadata: metadataShape } };
}

const hour = 3_600_000;

/** Everything of the embedded world. */
export const servedKinds: readonly ServedKind[] = [
  builtIn(pods, {
    shortNames: ["po"],
    categories: ["all"],
    graceful: true,
    selectable: ["spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"],
    initialStatus: { phase: "Pending" },
    admit: admitPod,
  }),
  builtIn(persistentVolumeClaims, { shortNames: ["pvc"], initialStatus: { phase: "Pending" } }),
  builtIn(services, { shortNames: ["svc"], categories: ["all"], names: "label" }),
  builtIn(configMaps, { shortNames: ["cm"], status: false, admit: admitConfig }),
  builtIn(secrets, { status: false, selectable: ["type"], admit: admitConfig }),
  builtIn(nodes, { shortNames: ["no"], statusAtCreation: true, selectable: ["spec.unschedulable"] }),
  builtIn(podDisruptionBudgets, { shortNames: ["pdb"], generation: true }),
  builtIn(deployments, { shortNames: ["deploy"], categories: ["all"], generation: true, scale: true }),
  builtIn(leases, { status: false }),
  builtIn(events, { shortNames: ["ev"], status: false, lifetimeMs: hour }),
  custom(validatorSwarms, admitSwarm),
  custom(swarmCheckpoints, admitCheckpoint),
];
