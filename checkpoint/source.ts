/** Reading checkpoints from a validator, over its services (proto/validator/v1/validator.proto, ReadCheckpoint). */
import { readFileSync } from "node:fs";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "../proto/validator/v1/validator_pb.js";
import { decodeBlock } from "../validator/codec/block.ts";
import { decodeCertificate } from "../validator/codec/certificate.ts";
import type { Block, Certificate } from "../validator/consensus/types.ts";
import { waitsForState } from "../validator/rpc/host.ts";
import { type Failure, failed } from "./result.ts";

export interface SourceHead {
  readonly kind: "head";
  readonly height: number;
  readonly genesis: Uint8Array;
  readonly block: Block;
  readonly finalization: Certificate;
  readonly handovers: readonly Uint8Array[];
  readonly lastFinalization: Certificate;
  readonly replayTo: number;
}

/** What comes: a head, then blocks each with its batches, then state, then keys. A failure is the last. */
export type SourcePart =
  | SourceHead
  | { readonly kind: "block"; readonly block: Block }
  | { readonly kind: "batch" | "state" | "keys"; readonly content: Uint8Array }
  | Failure;

/** A place where a checkpoint can be read. */
export interface Source {
  /** For people. */
  readonly name: string;
  /** `height` 0: the newest. `replay`: least blocks above it. */
  read(request: { readonly height: number; readonly replay: number }, signal: AbortSignal): AsyncIterable<SourcePart>;
}

export interface SourceTls {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A member of a restored chain. */
export interface Restorable {
  /** For people. */
  readonly name: string;
  /** Rejects with `ConnectError` when it does not answer. */
  standing(signal: AbortSignal): Promise<"runs" | "waits-for-genesis" | "waits-for-state">;
  /** Rejects with `ConnectError`, FAILED_PRECONDITION when it refuses. */
  provide(
    index: number,
    part:
      | { readonly case: "state" | "keys"; readonly value: Uint8Array }
      | { readonly case: "end"; readonly value: true },
    signal: AbortSignal,
  ): Promise<void>;
}

/** A head carries a genesis and handovers; every other part is at most 1 MiB and a little. */
const largestPart = 64 << 20;
const callMs = 5_000;
/** The last part has the whole state checked, executed keys and all. */
const provideMs = 600_000;

export function validatorSource(seat: string, url: string, tls: SourceTls | undefined): Source & Restorable {
  const transport = createConnectTransport({
    httpVersion: "2",
    baseUrl: url,
    nodeOptions: tls ? { cert: readFileSync(tls.cert), key: readFileSync(tls.key), ca: readFileSync(tls.ca) } : {},
    readMaxBytes: largestPart,
  });
  const client = createClient(AdminService, transport);

  async function* read(
    { height, replay }: { readonly height: number; readonly replay: number },
    signal: AbortSignal,
  ): AsyncGenerator<SourcePart> {
    try {
      for await (const { part } of client.readCheckpoint({ height: BigInt(height), replay }, { signal })) {
        if (part.case === "head") yield headOf(part.value, seat);
        else if (part.case === "block") {
          const block = decodeBlock(part.value);
          if (block.kind === "refused") return yield dishonest(seat, block.error.reason);
          yield { kind: "block", block: block.value };
        } else if (part.case !== undefined) yield { kind: part.case, content: part.value };
      }
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      yield failed("NoSource", `${seat}: ${code === Code.Unavailable ? rawMessage : `${Code[code]}: ${rawMessage}`}`);
    }
  }
  return {
    name: seat,
    read,
    async standing(signal) {
      const { role, notReady } = await client.getStatus({}, { signal, timeoutMs: callMs });
      if (role !== "waiting") return "runs";
      return notReady === waitsForState ? "waits-for-state" : "waits-for-genesis";
    },
    async provide(index, part, signal) {
      await client.provideState({ index, part }, { signal, timeoutMs: provideMs });
    },
  };
}

function headOf(
  head: {
    readonly height: bigint;
    readonly genesis: Uint8Array;
    readonly proof?: { readonly header: Uint8Array; readonly body: Uint8Array } | undefined;
    readonly finalization: Uint8Array;
    readonly handovers: readonly Uint8Array[];
    readonly lastFinalization: Uint8Array;
    readonly replayTo: bigint;
  },
  seat: string,
): SourcePart {
  const block = head.proof && decodeBlock(head.proof);
  const finalization = decodeCertificate(head.finalization);
  const lastFinalization = decodeCertificate(head.lastFinalization);
  if (block?.kind !== "ok" || finalization.kind !== "ok" || lastFinalization.kind !== "ok")
    return dishonest(seat, "its head has no proof");
  const { genesis, handovers } = head;
  return {
    kind: "head",
    height: Number(head.height),
    genesis,
    block: block.value,
    finalization: finalization.value,
    handovers,
    lastFinalization: lastFinalization.value,
    replayTo: Number(head.replayTo),
  };
}

const dishonest = (seat: string, reason: string) => failed("Forged", `${seat} sent no checkpoint: ${reason}`);
