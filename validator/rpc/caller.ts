/** Who calls, and what that allows: decided by the client certificate and chain state (settlement.md, Keys on the wire). */
import { X509Certificate } from "node:crypto";
import type { Http2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Directory } from "../driver/services.ts";

export type Caller =
  /** No TLS: the port is bound to the loopback address, whoever reaches it runs on this machine. */
  | { readonly kind: "local" }
  /** A certificate of the configured authority; `subject` is its distinguished name in RFC 4514's form. */
  | { readonly kind: "certificate"; readonly subject: string };

/** Carries the caller from the connection to the implementation. Its default allows nothing. */
export const callerKey: ContextKey<Caller> = createContextKey<Caller>(
  { kind: "certificate", subject: "" },
  { description: "caller" },
);

/** The caller behind a connection that TLS has authenticated already. Costs a certificate's parsing: once per session. */
export function callerOf(session: Http2Session): Caller {
  const socket = session.socket as Partial<TLSSocket>;
  if (socket.encrypted !== true) return { kind: "local" };
  const raw = socket.getPeerX509Certificate?.()?.raw;
  return { kind: "certificate", subject: raw ? subjectOf(raw) : "" };
}

/** The subject of a DER certificate as RFC 4514 writes it, most specific part first: `CN=gateway,O=Bank A,C=DE`. */
export function subjectOf(certificate: Uint8Array): string {
  // Node prints one part per line, escaped by RFC 2253's rules, in the certificate's order.
  return new X509Certificate(certificate).subject.split("\n").reverse().join(",");
}

/** May the caller do what only an operator may? */
export function mayOperate(caller: Caller, operators: readonly string[]): boolean {
  return caller.kind === "local" || operators.includes(caller.subject);
}

/** May the caller act for one of these institutions? A suspended one may still read. */
export function mayActFor(caller: Caller, institutions: readonly number[], directory: Directory): boolean {
  if (caller.kind === "local") return true;
  if (caller.subject === "") return false;
  return institutions.some((index) => directory.institutions[index]?.certificateSubject === caller.subject);
}
