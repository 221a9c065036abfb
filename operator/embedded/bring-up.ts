/** Waits until a swarm takes payments, and tells a person what happens meanwhile. */
import { join } from "node:path";
import { logTail } from "./log-tail.ts";
import type { OpenedView } from "./swarm-view.ts";

export type BringUp =
  | { readonly kind: "ready" }
  /** A sentence a person can act on. */
  | { readonly kind: "failed"; readonly reason: string };

/** A process that ends this often before the swarm is ready will not get better. */
const startAttempts = 4;
/** Without anything new for so long nothing will come by itself, ms. */
const patienceMs = 60_000;
/** Nodes are made of the spec's regions within this time, ms: what cannot be placed then never can. */
const placementMs = 3_000;

export async function awaitReady(
  { view, status, pods, gatewayReady, watch, onCrash }: OpenedView,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<BringUp> {
  const { promise, resolve } = Promise.withResolvers<BringUp>();
  const fail = (reason: string) => resolve({ kind: "failed", reason });
  const told = new Set<string>();
  const tell = (milestone: string, line: string) => {
    if (told.has(milestone)) return;
    told.add(milestone);
    progress(line);
    patience.refresh();
  };
  const condition = (type: string) => status()?.conditions.find((each) => each.type === type);
  const patience = setTimeout(() => {
    const why = ["PlacementSatisfied", "Ready"].flatMap((type) => {
      const found = condition(type);
      return found && found.status !== "True" ? [found.message] : [];
    });
    fail(`Nothing has moved for ${patienceMs / 1_000} s. ${why[0] ?? "The gateway does not answer."}`);
  }, patienceMs);

  let goesOn: boolean | undefined;
  let misplaced: NodeJS.Timeout | undefined;
  const look = () => {
    const now = status();
    if (!now) return;
    const refused = condition("PlacementSatisfied");
    if (refused?.status !== "False") clearTimeout(misplaced);
    else if (now.chainId === "") misplaced ??= setTimeout(() => fail(refused.message), placementMs);
    const { replicas, regions } = view.swarm.spec;
    const validators = view.seats.filter(({ identity }) => pods().includes(identity)).length;
    if (validators >= replicas) tell("pods", `${validators} validators start in ${regions.length} regions`);
    goesOn ??= now.chainId !== "";
    if (now.chainId !== "")
      tell(
        "genesis",
        goesOn
          ? `the chain ${now.chainId.slice(0, 16)}… goes on`
          : `genesis of the keys that each made in its own volume: ${now.chainId.slice(0, 16)}…`,
      );
    // Conditions may still be those that an earlier operator wrote.
    const answer = view.state.seats().every((seat) => seat.reachable && seat.status?.notReady === "");
    if (!answer || condition("Ready")?.status !== "True") return;
    tell("quorum", `a quorum formed: every validator is ready, in epoch ${now.epoch}`);
    if (!gatewayReady()) return;
    if (view.swarm.spec.gateway.replicas > 0)
      tell("gateway", `the gateway takes ISO 20022 files at ${view.endpoints.gateway}/iso20022`);
    resolve({ kind: "ready" });
  };
  const stops = [
    watch(look),
    view.state.watch(look),
    onCrash(({ pod, how, restarts }) => {
      if (restarts < startAttempts) return;
      fail(`${pod} does not start (${how}). Its last words:\n${logTail(join(view.layout.logs, `${pod}.log`))}`);
    }),
  ];
  const abort = () => fail("It was stopped while it started.");
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  look();
  const outcome = await promise;
  clearTimeout(patience);
  clearTimeout(misplaced);
  signal.removeEventListener("abort", abort);
  for (const stop of stops) stop();
  return outcome;
}
