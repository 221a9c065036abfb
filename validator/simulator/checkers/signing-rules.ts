/** What a correct member may ever sign (consensus.md, rules 0 to 5), judged over all of its lives. */
import type { Ballot, Block, Digest, SeatIndex, VoteKind } from "../../consensus/types.ts";
import { zeroDigest } from "../../consensus/types.ts";
import { hasQuorum } from "../electorate.ts";
import { type Fact, type History, short, type Violation } from "../history.ts";

/** What a member said in one view, in whatever life. */
interface Said {
  proposal?: Digest;
  notarize?: Digest;
  finalize?: Digest;
  nullify?: boolean;
}

interface Member {
  /** By `epoch/view`. */
  readonly said: Map<string, Said>;
  /** Who signed which ballot, as far as it reached the member, with its own votes. */
  readonly reached: Map<string, Set<SeatIndex>>;
  /** Blocks with a finalization that reached it. */
  readonly finalized: Set<Digest>;
  /** Newest finalized view of the epoch in this life. */
  newest: { readonly epoch: number; readonly view: number } | undefined;
}

const viewKey = (epoch: number, view: number) => `${epoch}/${view}`;
const ballotKey = ({ kind, epoch, view, block }: Ballot) => `${kind} ${viewKey(epoch, view)} ${block}`;

/** Every breach of rules 0 to 5 by a correct member, in the order they happened. */
export function checkSigningRules(history: History): readonly Violation[] {
  const members = new Map<number, Member>();
  const memberAt = (node: number): Member => {
    const known = members.get(node) ?? {
      said: new Map(),
      reached: new Map(),
      finalized: new Set<Digest>(),
      newest: undefined,
    };
    members.set(node, known);
    return known;
  };
  const violations: Violation[] = [];
  for (const fact of history.facts) {
    if (!("node" in fact)) continue;
    const member = memberAt(fact.node);
    for (const [rule, detail] of judge(history, member, fact))
      violations.push({ rule: `rule ${rule}`, detail: `${fact.node} ${detail}`, at: fact.at });
  }
  return violations;
}

type Breach = readonly [rule: number, detail: string];

function judge(history: History, member: Member, fact: Fact): readonly Breach[] {
  switch (fact.kind) {
    case "started":
      member.newest = undefined;
      return [];
    case "reached":
      reach(history, member, fact.ballot, fact.signers);
      return [];
    case "final": {
      const header = history.blocks.get(fact.block)?.header;
      if (header) member.newest = { epoch: header.epoch, view: header.view };
      return [];
    }
    case "said-proposal":
      return judgeProposal(history, member, fact.block);
    case "said-vote": {
      if (fact.ballot.kind === "suspect" || fact.ballot.kind === "sight") return [];
      const breaches = judgeVote(history, member, fact.ballot);
      reach(history, member, fact.ballot, [fact.node as SeatIndex]);
      return breaches;
    }
    default:
      return [];
  }
}

function saidIn(member: Member, epoch: number, view: number): Said {
  const key = viewKey(epoch, view);
  const said = member.said.get(key) ?? {};
  member.said.set(key, said);
  return said;
}

function judgeProposal(history: History, member: Member, hash: Digest): readonly Breach[] {
  const block = history.blocks.get(hash);
  if (!block) return [[0, `proposed ${short(hash)}, which nobody has seen`]];
  const { epoch, view } = block.header;
  const said = saidIn(member, epoch, view);
  if (said.proposal === hash) return [];
  const first = said.proposal;
  said.proposal = hash;
  if (first !== undefined) return [[0, `proposed ${short(first)} and ${short(hash)} in ${viewKey(epoch, view)}`]];
  return isBelowFinal(member, epoch, view)
    ? [[5, `proposed in ${viewKey(epoch, view)}, below its finalized view ${member.newest?.view}`]]
    : [];
}

function isBelowFinal({ newest }: Member, epoch: number, view: number): boolean {
  return newest !== undefined && newest.epoch === epoch && view <= newest.view;
}

function judgeVote(history: History, member: Member, ballot: Ballot): readonly Breach[] {
  const { kind, epoch, view, block } = ballot;
  const where = viewKey(epoch, view);
  const said = saidIn(member, epoch, view);
  const breaches: Breach[] = [];
  switch (kind) {
    case "notarize":
      if (said.notarize === block) return [];
      if (said.notarize !== undefined)
        breaches.push([1, `notarized ${short(said.notarize)} and ${short(block)} in ${where}`]);
      said.notarize = block;
      breaches.push(...judgeParent(history, member, ballot));
      break;
    case "nullify":
      if (said.nullify) return [];
      said.nullify = true;
      if (said.finalize !== undefined)
        breaches.push([2, `nullified ${where} after it finalized ${short(said.finalize)}`]);
      break;
    case "finalize":
      if (said.finalize === block) return [];
      if (said.finalize !== undefined)
        breaches.push([3, `finalized ${short(said.finalize)} and ${short(block)} in ${where}`]);
      if (said.nullify) breaches.push([2, `finalized ${short(block)} in ${where} after it nullified the view`]);
      said.finalize = block;
      if (!isProven(history, member, { kind: "notarize", epoch, view, block }) && !isProven(history, member, ballot))
        breaches.push([3, `finalized ${short(block)} in ${where} without a notarization of it`]);
      break;
    default:
      return [];
  }
  if (kind !== "finalize" && isBelowFinal(member, epoch, view))
    breaches.push([5, `said ${kind} in ${where}, at or below its finalized view ${member.newest?.view}`]);
  return breaches;
}

/** Rule 4: the parent is notarized or final, and every view between the two is nullified, as far as the member can know. */
function judgeParent(history: History, member: Member, { epoch, view, block: hash }: Ballot): readonly Breach[] {
  const block = history.blocks.get(hash);
  if (!block) return [[4, `notarized ${short(hash)}, which nobody has seen`]];
  const { parent, parentView } = block.header;
  const what = `notarized ${short(hash)} in ${viewKey(epoch, view)}`;
  if (block.header.view !== view || block.header.epoch !== epoch) return [[4, `${what}, a block of another view`]];
  if (parentView >= view) return [[4, `${what}, whose parent is of view ${parentView}`]];
  const breaches: Breach[] = [];
  if (!isKnownParent(history, member, block))
    breaches.push([4, `${what}, whose parent ${short(parent)} of view ${parentView} is not notarized`]);
  for (let between = parentView + 1; between < view; between++) {
    const nullify = { kind: "nullify" as const, epoch, view: between as typeof view, block: zeroDigest };
    if (!isProven(history, member, nullify))
      breaches.push([4, `${what} on ${viewKey(epoch, parentView)} while view ${between} is not nullified`]);
  }
  return breaches;
}

function isKnownParent(history: History, member: Member, { header }: Block): boolean {
  const { epoch, parent, parentView } = header;
  if (parentView === 0) {
    const last = history.blocks.get(parent)?.header;
    return epoch === 0 ? parent === history.anchor : last !== undefined && last.epoch === epoch - 1 && last.closing;
  }
  const actual = history.blocks.get(parent)?.header;
  if (actual && (actual.view !== parentView || actual.epoch !== epoch)) return false;
  const ballot = { epoch, view: parentView, block: parent };
  return (
    isProven(history, member, { ...ballot, kind: "notarize" }) ||
    isProven(history, member, { ...ballot, kind: "finalize" }) ||
    [...member.finalized].some((descendant) => descends(history, descendant, parent))
  );
}

/** Is `ancestor` the block or an ancestor of it, as far as blocks are known? */
function descends({ blocks }: History, from: Digest, ancestor: Digest): boolean {
  const height = blocks.get(ancestor)?.header.height ?? 0;
  for (let at = blocks.get(from); at && at.header.height >= height; at = blocks.get(at.header.parent))
    if (at.hash === ancestor) return true;
  return false;
}

function reach(history: History, member: Member, ballot: Ballot, signers: readonly SeatIndex[]): void {
  const key = ballotKey(ballot);
  const all = member.reached.get(key) ?? new Set();
  for (const signer of signers) all.add(signer);
  member.reached.set(key, all);
  if (ballot.kind === ("finalize" satisfies VoteKind) && isProven(history, member, ballot))
    member.finalized.add(ballot.block);
}

/** Could the member hold a certificate of the ballot? A quorum's signatures reached it, by votes or by certificates. */
function isProven({ electorates }: History, { reached }: Member, ballot: Ballot): boolean {
  return hasQuorum(electorates.get(ballot.epoch), reached.get(ballotKey(ballot)) ?? []);
}
