/** Which institution a request speaks for: its client certificate says so, in development a header may. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Gateway, Institution } from "./gateway.ts";
import { normalizeBic } from "./iso20022/fields.ts";

export type Caller =
  | { readonly kind: "institution"; readonly institution: Institution; readonly index: number }
  /** 401, 403 or 503, and why. */
  | { readonly kind: "refused"; readonly status: 401 | 403 | 503; readonly reason: string };

/** Finds the caller of a request. */
export function callerOf(gateway: Gateway, request: IncomingMessage): Caller {
  const directory = gateway.directory();
  if (directory === undefined)
    return { kind: "refused", status: 503, reason: "the chain's directory is not agreed on yet" };
  const named = request.headers["x-institution"];
  const bic = typeof named === "string" ? normalizeBic(named) : undefined;
  const subject = certificateSubject(request);
  if (subject === undefined && !gateway.config.allowInsecureInstitutionHeader) {
    return { kind: "refused", status: 401, reason: "a client certificate is needed" };
  }
  if (subject === undefined && bic === undefined)
    return { kind: "refused", status: 401, reason: "the header x-institution names no BIC" };
  for (const { index, bic: one, certificateSubject: registered } of directory.institutions.values()) {
    // A certificate registered for several institutions speaks for the one that the header names.
    const speaks =
      subject === undefined
        ? one === bic
        : registered !== "" && registered === subject && (bic === undefined || bic === one);
    const institution = speaks ? gateway.institutions.get(one) : undefined;
    if (institution !== undefined) return { kind: "institution", institution, index };
  }
  return { kind: "refused", status: 403, reason: "this gateway serves no such institution" };
}

/** The verified certificate's subject as RFC 4514 writes it; undefined without one. */
function certificateSubject(request: IncomingMessage): string | undefined {
  const socket = request.socket as Partial<TLSSocket>;
  if (socket.encrypted !== true || socket.authorized !== true) return undefined;
  return socket.getPeerX509Certificate?.()?.subject.split("\n").reverse().join(",");
}
