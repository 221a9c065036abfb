/** A checkpoint as a validator gives it out, recorded from a swarm in virtual time, with an epoch behind it. */
import type { BackupPart } from "../../validator/driver/services.ts";
import { createSwarm, type Swarm } from "../../validator/driver/testing/swarm.ts";
import type { Source, SourcePart } from "../source.ts";

export interface Recorded {
  readonly chainId: string;
  readonly parts: readonly SourcePart[];
  readonly swarm: Swarm;
}

export interface RecordingOptions {
  readonly seed?: number;
  /** Messages of payments before it. */
  readonly messages?: number;
  /** Blocks above it. */
  readonly replay?: number;
  readonly epochs?: number;
}

const interval = 8;

/** Runs four members until one of them has a proven checkpoint with blocks above it. */
export async function recordCheckpoint(options: RecordingOptions = {}): Promise<Recorded> {
  const { seed = 1, messages = 12, replay = 4, epochs = 1 } = options;
  const swarm = createSwarm({ seed, parameters: { checkpointInterval: interval } });
  await swarm.startAll();
  for (let epoch = 0; epoch < epochs; epoch++) {
    const action = { kind: "set-parameters", parameters: { checkpointInterval: interval + epoch + 1 } } as const;
    await swarm.driver(0).services.submitGovernance(swarm.governance(epoch, action).bytes);
    await swarm.until(
      () => swarm.nodes.every((_, i) => swarm.driver(i).services.status().epoch === epoch + 1),
      120_000,
    );
  }
  let sent = 0;
  for (; sent < messages; sent++) {
    swarm.submit(sent % 4, swarm.message({ id: `m${sent}`, payments: 5, institution: sent % 4 }));
    await swarm.until(() => swarm.settled(0) >= 5 * (sent + 1), 60_000);
  }
  const from = swarm.driver(0).services.status().finalizedHeight;
  const moved = from + 3 * interval;
  // The chain rests without payments: some keep coming, so that blocks above have content.
  while (swarm.driver(0).services.status().executedHeight < moved) {
    swarm.submit(0, swarm.message({ id: `m${sent++}`, payments: 3 }));
    const before = swarm.driver(0).services.status().executedHeight;
    await swarm.until(() => swarm.driver(0).services.status().executedHeight > before, 60_000);
  }
  const parts: SourcePart[] = [];
  let done = false;
  const reading = (async () => {
    const backup = await swarm.driver(0).services.backup({ height: undefined, replay }, new AbortController().signal);
    if (backup.kind === "none") throw new Error(backup.reason);
    for await (const part of backup.parts) parts.push(sourcePart(part));
  })().finally(() => {
    done = true;
  });
  while (!done) {
    swarm.submit(0, swarm.message({ id: `m${sent++}`, payments: 3 }));
    const before = swarm.driver(0).services.status().executedHeight;
    await swarm.until(() => done || swarm.driver(0).services.status().executedHeight > before, 60_000);
  }
  await reading;
  return { chainId: swarm.chain.chainId, parts, swarm };
}

/** As it comes over the wire. */
export function sourcePart(part: BackupPart): SourcePart {
  if (part.kind !== "head") return part.kind === "block" ? part : { ...part, content: part.content.slice() };
  const { height, genesis, proof, handovers, finalization, replayTo } = part;
  return { kind: "head", height, genesis, ...proof, handovers, lastFinalization: finalization, replayTo };
}

export function recordedSource(parts: readonly SourcePart[]): Source {
  return {
    name: "recorded",
    async *read() {
      yield* parts;
    },
  };
}
