/** Counts every call by method and code, and keeps bugs from leaking: the caller gets INTERNAL, the log gets the stack. */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Log } from "./logging.ts";
import type { Metrics } from "./metrics.ts";

type Unary<Request, Response> = (request: Request, context: HandlerContext) => Promise<Response> | Response;
type Stream<Request, Response> = (request: Request, context: HandlerContext) => AsyncIterable<Response>;

export interface Calls {
  readonly unary: <Request, Response>(implementation: Unary<Request, Response>) => Unary<Request, Response>;
  readonly stream: <Request, Response>(implementation: Stream<Request, Response>) => Stream<Request, Response>;
}

/** Wrappers for the methods of all services. */
export function createCalls(metrics: Metrics, log: Log): Calls {
  const ended = (context: HandlerContext, code: string): void =>
    metrics.count("rpc_requests_total", { method: context.method.name, code });
  const failed = (context: HandlerContext, error: unknown): ConnectError => {
    if (error instanceof ConnectError) {
      ended(context, nameOf(error.code));
      return error;
    }
    ended(context, "internal");
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    log("rpc-failed", { method: context.method.name, error: message, stack: stack ?? "" });
    return new ConnectError("internal error", Code.Internal);
  };
  return {
    unary: (implementation) => async (request, context) => {
      try {
        const response = await implementation(request, context);
        ended(context, "ok");
        return response;
      } catch (error) {
        throw failed(context, error);
      }
    },
    stream: (implementation) =>
      async function* (request, context) {
        try {
          yield* implementation(request, context);
          // Ended because the call was: the client went away, or the validator stops and says so.
          context.signal.throwIfAborted();
          ended(context, "ok");
        } catch (error) {
          throw failed(context, error);
        }
      },
  };
}

/** `ResourceExhausted` as `resource_exhausted`. */
function nameOf(code: Code): string {
  return (Code[code] ?? "unknown").replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
