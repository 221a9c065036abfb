/** Submits prepared bodies over one HTTP/2 connection a validator: the Connect protocol without its encoding work. */
import { type ClientHttp2Session, connect, constants } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { SubmitResponse_Outcome as Outcome, SubmitResponseSchema } from "../../proto/validator/v1/validator_pb.js";

export type Answer =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused"; readonly reason: string }
  /** Busy, not ready or gone: the same bytes may go to another. */
  | { readonly kind: "later"; readonly afterMs: number; readonly reason: string };

export interface Submitter {
  readonly submit: (body: Uint8Array, answered: (answer: Answer) => void) => void;
  readonly close: () => void;
}

const path = "/validator.v1.SettlementService/Submit";
/** Before the next try at a validator that is gone, ms. */
const goneMs = 20;
const windowBytes = 16 * 1024 * 1024;

export function createSubmitter(url: string): Submitter {
  let session: ClientHttp2Session | undefined;
  let closed = false;

  const open = (): ClientHttp2Session => {
    const opened = connect(url);
    opened.once("connect", () => opened.setLocalWindowSize(windowBytes));
    opened.on("error", () => {});
    opened.on("close", () => {
      if (session === opened) session = undefined;
    });
    session = opened;
    return opened;
  };

  return {
    submit(body, answered) {
      const current = session === undefined || session.destroyed || session.closed ? open() : session;
      let done = false;
      const answer = (value: Answer): void => {
        if (!done) answered(value);
        done = true;
      };
      const lost = (reason: string): void => answer({ kind: "later", afterMs: goneMs, reason });
      const stream = current.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: path,
        "content-type": "application/proto",
        "connect-protocol-version": "1",
      });
      let status = 0;
      let retryAfter = goneMs;
      const chunks: Buffer[] = [];
      stream.on("response", (headers) => {
        status = headers[":status"] ?? 0;
        retryAfter = Number(headers["retry-after-ms"] ?? goneMs);
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", (error) => lost(error.message));
      stream.on("close", () => lost("the stream closed without an answer"));
      stream.on("end", () => {
        // A stream that was reset ends too, without an answer: the message may have arrived, and the same bytes may go again.
        if (status === 0) return lost("the stream ended without an answer");
        const bytes = Buffer.concat(chunks);
        if (status !== 200) return answer(failure(status, retryAfter, bytes.toString("utf8")));
        const response = fromBinary(SubmitResponseSchema, bytes);
        answer(
          response.outcome === Outcome.ACCEPTED
            ? { kind: "accepted" }
            : { kind: "refused", reason: `${response.reasonCode} ${response.reason}` },
        );
      });
      stream.end(body);
    },
    close() {
      if (closed) return;
      closed = true;
      session?.destroy();
    },
  };
}

/** 429 and 503 ask to come again (Connect's RESOURCE_EXHAUSTED and UNAVAILABLE); 504 is a deadline. Others are bugs. */
function failure(status: number, afterMs: number, text: string): Answer {
  return status === 429 || status === 503 || status === 504
    ? { kind: "later", afterMs, reason: text }
    : { kind: "refused", reason: `HTTP ${status}: ${text}` };
}
