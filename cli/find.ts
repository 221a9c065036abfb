/** The running swarm that a command talks to. */
import { type Endpoints, findEndpoints } from "../operator/embedded/endpoints.ts";

export interface Found {
  readonly kind: "found";
  readonly endpoints: Endpoints;
}

export function findSwarm(name: string | undefined): Found | { readonly kind: "none"; readonly reason: string } {
  const found = findEndpoints(name);
  return found.kind === "found" ? { kind: "found", endpoints: found.endpoints } : found;
}
