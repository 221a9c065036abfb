/** The errors that callers see. Retry advice comes as `google.rpc.RetryInfo` and as the header `retry-after-ms`. */
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../proto/google/rpc/error_details_pb.js";

/** Try again after a while: RESOURCE_EXHAUSTED when a bound was reached, UNAVAILABLE when this validator cannot serve now. */
export function retryLater(
  code: typeof Code.ResourceExhausted | typeof Code.Unavailable,
  message: string,
  retryAfterMs: number,
): ConnectError {
  const ms = Math.max(1, Math.ceil(retryAfterMs));
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  return new ConnectError(message, code, { "retry-after-ms": String(ms) }, [
    { desc: RetryInfoSchema, value: { retryDelay } },
  ]);
}

/** The process runs no chain: why, as its status says. */
export function noChain(why: string): ConnectError {
  return retryLater(Code.Unavailable, `this validator ${why}`, 1_000);
}

/** The certificate does not allow this. */
export function forbidden(what: string): ConnectError {
  return new ConnectError(`the client certificate does not allow to ${what}`, Code.PermissionDenied);
}

/** A field that can never be right. */
export function invalid(field: string, rule: string): ConnectError {
  return new ConnectError(`${field}: ${rule}`, Code.InvalidArgument);
}
