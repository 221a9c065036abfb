/** Votes in validators' logs: what each received, from whom, and when (`vote-received`, docs/log-events.md). */
import { peerName } from "../../validator/network/peer-name.ts";

export interface LoggedVote {
  /** Whose log it is in. */
  readonly by: string;
  /** ms since the Unix epoch. */
  readonly time: number;
  readonly vote: string;
  readonly epoch: number;
  readonly view: number;
  /** Digest of the block it is for. */
  readonly block: string;
  readonly peerId: string;
}

type Logs = ReadonlyMap<string, readonly string[]>;

/** Everything that the peer with this key signed and others received. */
function votesOf(logs: Logs, peerKey: string): readonly LoggedVote[] {
  const peer = `"peerId":"${peerName(peerKey)}"`;
  return [...logs].flatMap(([by, lines]) =>
    lines
      .filter((line) => line.includes('"vote-received"') && line.includes(peer))
      .map((line) => ({ by, ...(JSON.parse(line) as Omit<LoggedVote, "by">) })),
  );
}

/** The last vote in each log that has one. */
export function lastVotes(logs: Logs, peerKey: string): readonly LoggedVote[] {
  const byLog = Map.groupBy(votesOf(logs, peerKey), ({ by }) => by);
  return [...byLog.values()].map((votes) => votes.reduce((last, vote) => (vote.time > last.time ? vote : last)));
}

export function votesAfter(logs: Logs, peerKey: string, time: number): readonly LoggedVote[] {
  return votesOf(logs, peerKey).filter((vote) => vote.time > time);
}

/**
 * Pairs of votes that no honest member signs both, wherever they were heard: two of one kind for different blocks of a
 * view, or one that gives the view up and one that makes its block final. Retransmissions are the same vote.
 */
export function doubleVotes(logs: Logs): readonly string[] {
  const found = new Set<string>();
  const first = new Map<string, string>();
  for (const lines of logs.values())
    for (const line of lines) {
      if (!line.includes('"vote-received"')) continue;
      const { peerId, vote, epoch, view, block } = JSON.parse(line) as LoggedVote;
      const ballot = `${peerId} in view ${view} of epoch ${epoch}`;
      const slot = slots[vote];
      if (slot === undefined) continue;
      const known = first.get(`${slot} ${ballot}`) ?? `${vote} ${block}`;
      first.set(`${slot} ${ballot}`, known);
      if (known !== `${vote} ${block}`) found.add(`${ballot}: ${known} and ${vote} ${block}`);
    }
  return [...found];
}

/** A member has one vote of each of these in a view. */
const slots: Readonly<Record<string, string>> = { notarize: "first", nullify: "last", finalize: "last" };
