/**
 * What is known of the chain: its sets, who votes, and whether a quorum's reports are fresh. Sets count only when the
 * observer verified them; epochs and votes that members merely state are counted by power, so that F liars move nothing.
 */
import { totals } from "../../validator/consensus/power.ts";
import { power } from "../../validator/consensus/types.ts";
import type { Desired } from "./desired.ts";
import type { Pod, Report, SetMember, Snapshot, ValidatorSet, Volume } from "./snapshot.ts";

/** A report is of now when it is not older than this, ms. */
export const reportFreshness = 30_000;

/** `unknown` counts as voting when it is to be taken, and as missing when others are. */
export type Voting = "yes" | "no" | "unknown";

export interface Chain {
  readonly epoch: number;
  readonly current: ValidatorSet;
  readonly pending: ValidatorSet | undefined;
  /** `current`: nothing speaks against it. `outdated`: a newer epoch was seen before. `forked`: two sets, one epoch. */
  readonly state: "current" | "outdated" | "forked";
  readonly total: number;
  readonly fault: number;
  readonly quorum: number;
  /** Power of members whose fresh reports name this epoch. */
  readonly reporting: number;
  /** A quorum's reports are fresh and nothing speaks against the set: something voluntary may happen. */
  readonly trusted: boolean;
  readonly voting: ReadonlyMap<string, Voting>;
  /**
   * Ids of members that one correct peer at least hears, whatever they and their kubelets say. Empty without a quorum of
   * reports: views may stand still then, and what was heard in the last ones says nothing of now.
   */
  readonly heard: ReadonlySet<string>;
  /** Power of those that vote for sure. */
  readonly available: number;
  /** Newest height proven by a fresh report. */
  readonly height: number;
  /** BLS keys in any set that is or may become current. */
  readonly named: ReadonlySet<string>;
}

/** The chain as the snapshot shows it; undefined before genesis. */
export function readChain(desired: Desired, snapshot: Snapshot, now: number): Chain | undefined {
  const { genesis } = snapshot;
  if (!genesis) return undefined;
  const fresh = freshReports(snapshot, now);
  const certified = snapshot.reports.flatMap(({ sets }) => (sets.kind === "verified" ? [sets.value] : []));
  const views = [{ current: genesis.set, pending: undefined }, ...certified];
  const newest = views.reduce((best, each) => (each.current.epoch > best.current.epoch ? each : best));
  const { current } = newest;
  const pendings = views.filter((each) => each.current.epoch === current.epoch).map((each) => each.pending);
  const pending = pendings.find((set) => set !== undefined);
  const known = snapshot.memory?.epoch ?? 0;
  const state = isForked(views) ? "forked" : current.epoch < known ? "outdated" : "current";

  const { total, fault, quorum } = totals(
    current.members.map((member) => ({ power: power(member.power) })),
    desired.faultModel,
  );
  const own = (member: SetMember) => fresh.find((report) => saysKey(report, member.blsKey));
  const reporters = current.members.flatMap((member) => {
    const report = own(member);
    return report && report.epoch === current.epoch && report.role === "validator" ? [{ member, report }] : [];
  });
  const reporting = sum(reporters.map(({ member }) => member));
  // More than F power hears it: one of them is correct. Where nobody lies, one voice is enough.
  const least = desired.faultModel === "Crash" ? 0 : fault;
  const hearing = (member: SetMember) => hearingOf(member, reporters);
  const isHeard = (member: SetMember) => hearing(member).by > least;
  const heard = new Set(reporting >= quorum ? current.members.filter(isHeard).map(({ id }) => id) : []);
  const voting = new Map(
    current.members.map((member) => {
      const silent = hearing(member).notBy >= quorum;
      return [member.id, silent ? ("no" as const) : judge(member, own(member), isHeard(member), heard, snapshot)];
    }),
  );
  const heights = fresh.flatMap(({ height }) => (height.kind === "verified" ? [height.value] : []));
  return {
    epoch: current.epoch,
    current,
    pending,
    state,
    total,
    fault,
    quorum,
    reporting,
    trusted: state === "current" && reporting >= quorum,
    voting,
    heard,
    available: sum(current.members.filter((member) => voting.get(member.id) === "yes")),
    height: heights.filter(Number.isSafeInteger).reduce((most, each) => Math.max(most, each), 0),
    named: new Set([current, ...pendings].flatMap((set) => set?.members.map((member) => member.blsKey) ?? [])),
  };
}

const sum = (members: readonly { readonly power: number }[]) =>
  members.reduce((total, member) => total + member.power, 0);

/** Reports of now, each from the pod that runs now (or from elsewhere), with keys that were verified. */
export function freshReports(snapshot: Snapshot, now: number): readonly Report[] {
  const pods = new Map(snapshot.pods.map((pod) => [pod.name, pod.uid]));
  return snapshot.reports.filter(
    (report) =>
      report.keys.kind === "verified" &&
      Math.abs(now - report.observedAt) <= reportFreshness &&
      (report.podUid === "" || pods.get(report.identity) === report.podUid),
  );
}

export const saysKey = ({ keys }: Report, blsKey: string) => keys.kind === "verified" && keys.value.blsKey === blsKey;

/** The volume that holds a member's key, by the keys recorded on it. */
export function volumeOf(volumes: readonly Volume[], blsKey: string): Volume | undefined {
  return volumes.find(({ keys }) => keys?.blsKey === blsKey);
}

/** Power of the others whose reports have its votes, and lack them. */
function hearingOf(
  member: SetMember,
  reporters: readonly { readonly member: SetMember; readonly report: Report }[],
): { readonly by: number; readonly notBy: number } {
  const others = reporters.filter((each) => each.member !== member);
  const by = sum(others.filter(({ report }) => report.heard.includes(member.id)).map((each) => each.member));
  return { by, notBy: sum(others.map((each) => each.member)) - by };
}

/** Of a member that no quorum calls silent. `isHeard`: by more than F, be it in views that stand still. */
function judge(
  member: SetMember,
  own: Report | undefined,
  isHeard: boolean,
  heard: Chain["heard"],
  snapshot: Snapshot,
): Voting {
  const pod = podOf(member, snapshot);
  if (pod === "absent" || (pod !== undefined && pod.state !== "running")) return "no";
  // What is being deleted may end at any moment.
  if (pod?.deleting) return "unknown";
  // From a pod we can ask, its own word is wanted too: it may have restarted.
  const asked = pod !== undefined && reachable(pod, snapshot);
  if (!asked) return heard.has(member.id) ? "yes" : "unknown";
  return isHeard && pod.ready && own?.voting === true && own.role === "validator" ? "yes" : "unknown";
}

/** The pod of a managed member; `absent` when its volume is known and has none; undefined when it cannot be told. */
function podOf(member: SetMember, snapshot: Snapshot): Pod | "absent" | undefined {
  if (!member.managed) return undefined;
  const volume = volumeOf(snapshot.volumes, member.blsKey);
  const byVolume = snapshot.pods.find((pod) => pod.name === volume?.name);
  const byReport = snapshot.reports.find((report) => saysKey(report, member.blsKey));
  const pod = byVolume ?? snapshot.pods.find((each) => each.uid === byReport?.podUid);
  if (pod) return pod;
  return volume || !snapshot.pods.some((each) => each.seat === member.id) ? "absent" : undefined;
}

/** The node the pod runs on answers. */
export function reachable(pod: Pod, { nodes }: Snapshot): boolean {
  if (pod.node === undefined) return true;
  if (nodes === undefined) return !pod.nodeLost;
  return nodes.find((node) => node.name === pod.node)?.reachable === true;
}

/** Two certified sets of one epoch that differ: a fork, or a broken verifier. Either way nothing may be done. */
function isForked(views: readonly { readonly current: ValidatorSet }[]): boolean {
  const seen = new Map<number, string>();
  return views.some(({ current }) => {
    const shape = current.members.map((member) => `${member.id} ${member.power} ${member.blsKey}`).join();
    const other = seen.get(current.epoch);
    seen.set(current.epoch, other ?? shape);
    return other !== undefined && other !== shape;
  });
}
