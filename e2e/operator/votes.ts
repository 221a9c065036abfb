/** Votes in validators' logs: what each received, from whom, and when (`vote-received`, docs/log-events.md). */
import { peerName } from "../../validator/network/peer-name.ts";

export interface LoggedVote {
  /** Whose log it is in. */
  readonly by: string;
  /** ms since the Unix epoch. */
  readonly time: number;
  readonly vote: string;
  readonly view: number;
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
