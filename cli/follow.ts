/** Waits for a swarm to become what a command asked for. */
import { systemClock } from "../operator/kube/clock.ts";
import { validatorSwarms } from "../operator/kube/kinds.ts";
import { type Observation, startListWatch } from "../operator/kube/list-watch.ts";
import type { StoredObject } from "../operator/kube/objects.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

export type Followed<T> =
  | { readonly kind: "reached"; readonly value: T }
  /** The time is over. `last`: the swarm as it was seen last. */
  | { readonly kind: "timeout"; readonly last: StoredObject | undefined };

/** Calls `look` with every state of the swarm, undefined when there is none, until it says something. */
export async function followSwarm<T>(
  world: World,
  name: string,
  timeoutMs: number,
  output: Output,
  look: (swarm: StoredObject | undefined) => T | undefined,
): Promise<Followed<T>> {
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Followed<T>>();
  const key = `${world.namespace}/${name}`;
  const cancel = systemClock.after(timeoutMs, () => resolve({ kind: "timeout", last: watch.store.get(key) }));
  const see = () => {
    const value = look(watch.store.get(key));
    if (value !== undefined) resolve({ kind: "reached", value });
  };
  const watch = startListWatch({
    api: world.api,
    selection: { kind: validatorSwarms, namespace: world.namespace, fieldSelector: `metadata.name=${name}` },
    clock: systemClock,
    random: Math.random,
    signal: stop.signal,
    onChange: (change) => {
      if (change.key === key) see();
    },
    onObservation: sayTrouble(world, output),
  });
  // A swarm that is not there changes nothing.
  void watch.synced.then(see);
  const followed = await promise;
  cancel();
  stop.abort();
  await watch.done;
  return followed;
}

/** Says once that the server is away, and once that it is back. */
export function sayTrouble({ name }: World, output: Output): (observation: Observation) => void {
  let away = false;
  return ({ kind, ...rest }) => {
    if (kind === "failed" && !away && "failure" in rest) {
      away = true;
      output.error(`The API server at ${name} does not answer: ${rest.failure.message}. Trying again.`);
    } else if (away && (kind === "listed" || kind === "watching")) {
      away = false;
      output.error("It answers again.");
    }
  };
}
