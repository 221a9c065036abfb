/** What an API server's refusals and silences mean to a person and to a script. */
import type { ApiFailure } from "../operator/kube/api-client.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import type { World } from "./world.ts";

/** Why a command did not do what was asked: a sentence, and how to exit. */
export interface Failed {
  readonly kind: "failed";
  readonly code: ExitCode;
  readonly reason: string;
}

export const failed = (code: ExitCode, reason: string): Failed => ({ kind: "failed", code, reason });

/** `what`: the thing asked about, e.g. `swarm quickstart`; it begins the sentence when it is not there. */
export function failureOf({ name, namespace, embedded }: World, failure: ApiFailure, what: string): Failed {
  const { kind, status, message, causes } = failure;
  switch (kind) {
    case "unreachable":
    case "lost":
    case "aborted":
      return failed(
        exitCodes.unreachable,
        `The API server at ${name} does not answer: ${end(message)}${embedded ? " Is npm start running? Another server is chosen with --kubeconfig FILE." : ""}`,
      );
    case "timeout":
      return failed(exitCodes.timeout, `The API server at ${name} is too slow: ${end(message)}`);
    case "malformed":
    case "too-large":
      return failed(exitCodes.failed, `What answers at ${name} is no API server: ${end(message)}`);
    case "refused":
      break;
  }
  const because = [end(message), ...causes.map((cause) => `${cause.field}: ${end(cause.message)}`)];
  switch (status) {
    case 400:
    case 422:
      return failed(exitCodes.usage, because.join("\n  "));
    case 401:
      return failed(exitCodes.refused, `The API server at ${name} does not accept your credentials: ${end(message)}`);
    case 403:
    case 409:
      return failed(exitCodes.refused, because.join("\n  "));
    case 404:
      // Of a type that is not installed the server says so in general words.
      return message.includes(" not found")
        ? failed(exitCodes.notFound, `There is no ${what} in namespace ${namespace} of ${name}.`)
        : failed(
            exitCodes.notFound,
            `The API server at ${name} does not know this: ${end(message)} Are the types of crds/ installed there?`,
          );
    default:
      return failed(
        status === 429 || status >= 500 ? exitCodes.unreachable : exitCodes.failed,
        `The API server at ${name} says ${status}: ${end(message)}`,
      );
  }
}

const end = (message: string) => (/[.!?]$/.test(message) ? message : `${message}.`);
