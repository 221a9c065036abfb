/** Checkpoints on their way out, and back in: the calls of the backup role. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdminService, type CheckpointPartSchema } from "../../proto/validator/v1/validator_pb.js";
import { encodeBlock } from "../codec/block.ts";
import { encodeCertificate } from "../codec/certificate.ts";
import { height as toHeight } from "../consensus/types.ts";
import type { BackupPart } from "../driver/services.ts";
import { callerKey, mayOperate } from "./caller.ts";
import type { Calls } from "./calls.ts";
import { forbidden, invalid, noChain, retryLater } from "./errors.ts";
import { type Host, withoutChain } from "./host.ts";
import { createWatchers } from "./watchers.ts";

export interface BackupOptions {
  readonly host: Host;
  readonly calls: Calls;
  /** Client subjects that may read checkpoints. */
  readonly readers: readonly string[];
}

/** Whoever reads holds blocks back from pruning: not for ever. */
const longestReadMs = 600_000;
const mostReplay = 1_024;
const retryMs = 1_000;

/** Registers ReadCheckpoint and ProvideState. */
export function routeBackup(router: ConnectRouter, { host, calls, readers }: BackupOptions): void {
  const oneAtATime = createWatchers(1);
  router.rpc(
    AdminService.method.readCheckpoint,
    calls.stream(async function* ({ height, replay }, context) {
      if (!mayOperate(context.values.get(callerKey), readers)) throw forbidden("read checkpoints");
      if (height > Number.MAX_SAFE_INTEGER) throw invalid("height", "is above 2^53 − 1");
      if (replay > mostReplay) throw invalid("replay", `is at most ${mostReplay}`);
      const services = host.services();
      if (!services) throw noChain(withoutChain(host).notReady);
      const leave = oneAtATime.enter();
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(longestReadMs)]);
      try {
        const wanted = height === 0n ? undefined : toHeight(Number(height));
        const backup = await services.backup({ height: wanted, replay }, signal);
        if (backup.kind === "none") throw retryLater(Code.Unavailable, backup.reason, retryMs);
        for await (const part of backup.parts) {
          if (signal.aborted) throw retryLater(Code.Unavailable, "the checkpoint was read for too long", retryMs);
          yield { part: partMessage(part) };
        }
      } finally {
        leave();
      }
    }),
  );

  router.rpc(
    AdminService.method.provideState,
    calls.unary(async ({ index, part }, context) => {
      if (!mayOperate(context.values.get(callerKey), readers)) throw forbidden("provide a restored state");
      if (part.case === undefined) throw invalid("part", "is missing");
      const content = part.case === "end" ? new Uint8Array(0) : part.value;
      const result = await host.provideState({ index, kind: part.case, content });
      if (result.kind === "refused") throw new ConnectError(result.reason, Code.FailedPrecondition);
      return result.kind === "more"
        ? {}
        : { stateRoot: Buffer.from(result.root, "hex"), height: BigInt(result.height) };
    }),
  );
}

function partMessage(part: BackupPart): NonNullable<MessageInitShape<typeof CheckpointPartSchema>["part"]> {
  switch (part.kind) {
    case "head": {
      const { height, genesis, proof, handovers, finalization, replayTo } = part;
      const value = {
        height: BigInt(height),
        genesis,
        proof: encodeBlock(proof.block),
        finalization: encodeCertificate(proof.finalization),
        handovers: [...handovers],
        lastFinalization: encodeCertificate(finalization),
        replayTo: BigInt(replayTo),
      };
      return { case: "head", value };
    }
    case "block":
      return { case: "block", value: encodeBlock(part.block) };
    default:
      return { case: part.kind, value: part.content };
  }
}
