/** One request to a gateway, with a client certificate where the gateway wants to know who asks. */
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { readBounded } from "./kube/lines.ts";

/** A gateway's URL; where certificates are needed, through which agent it is asked. */
export type GatewayAddress = string | { readonly url: string; readonly agent: Agent };

/** PEM. */
export interface ClientTls {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Who vouches for the gateway; absent: the authorities of this machine. */
  readonly ca?: Buffer;
}

/** Throws when certificate and key are none or do not belong together. */
export function gatewayWithTls(url: string, tls: ClientTls): GatewayAddress {
  const agent = new Agent({ keepAlive: true, ...tls });
  return { url, agent };
}

export interface GatewayRequest {
  readonly method: "GET" | "POST";
  /** With a leading slash, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs: number;
}

export interface GatewayAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Undefined when it is no JSON. */
  readonly body: unknown;
}

const maxAnswerBytes = 64 << 20;

/** Rejects with the system's error when there is no whole answer in time. */
export async function askGateway(address: GatewayAddress, asked: GatewayRequest): Promise<GatewayAnswer> {
  const { method, path, headers, body, timeoutMs } = asked;
  const base = typeof address === "string" ? address : address.url;
  const url = new URL(base.replace(/\/$/, "") + path);
  const secure = url.protocol === "https:";
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const call = (secure ? httpsRequest : httpRequest)(url, {
    method,
    headers: { accept: "application/json", ...headers, ...(body ? { "content-length": body.length } : {}) },
    signal: AbortSignal.timeout(timeoutMs),
    ...(secure && typeof address !== "string" ? { agent: address.agent } : {}),
  });
  call.on("response", resolve);
  call.on("error", reject);
  call.end(body);
  const response = await promise;
  const read = await readBounded(response, maxAnswerBytes);
  if (read.kind !== "whole") throw new Error(read.kind === "broken" ? read.message : "the answer is too large");
  return { status: response.statusCode ?? 0, headers: response.headers, body: parse(read.text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
