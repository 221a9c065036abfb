/** The load generator's process, as the benchmark sees it. */
import { fork } from "node:child_process";
import { join } from "node:path";
import type { LoadCommand, LoadEvent, LoadResult, LoadTarget } from "./protocol.ts";

export interface LoadGenerator {
  /** Makes messages; resolves when they are ready. */
  readonly prepare: (messages: number, payments: number) => Promise<void>;
  /** Offers a load. The hooks run when the measured interval begins and ends. */
  readonly run: (command: LoadRun, hooks?: IntervalHooks) => Promise<LoadResult>;
  readonly close: () => Promise<void>;
}

export type LoadRun = Extract<LoadCommand, { readonly kind: "closed" | "open" | "alone" }>;

export interface IntervalHooks {
  readonly measuring?: () => void;
  readonly measured?: () => void;
}

export interface GeneratorOptions {
  /** Settlements are heard from so many validators, the first ones; at least `target.settledBy`. */
  readonly watch?: number;
  /** Follow finality too: costs the validators a status stream. */
  readonly finality?: boolean;
  /** Aborting it ends the process, and with it what it does. */
  readonly signal?: AbortSignal;
}

/** Starts the process and connects it. */
export async function startGenerator(target: LoadTarget, options: GeneratorOptions = {}): Promise<LoadGenerator> {
  const child = fork(join(import.meta.dirname, "main.ts"), {
    serialization: "advanced",
    execArgv: ["--max-old-space-size=8192"],
    ...(options.signal && { signal: options.signal }),
  });
  let listener: (event: LoadEvent) => void = () => {};
  let broke: (error: Error) => void = () => {};
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.on("message", (event: LoadEvent) => {
    if (event.kind === "failed") broke(new Error(`load generator: ${event.reason}`));
    else listener(event);
  });
  child.once("error", (error) => broke(error));
  child.once("exit", (code, signal) => broke(new Error(`the load generator ended (${signal ?? code})`)));

  const say = <Event extends LoadEvent["kind"]>(command: LoadCommand, until: Event, hooks: IntervalHooks = {}) =>
    new Promise<Extract<LoadEvent, { kind: Event }>>((resolve, reject) => {
      broke = reject;
      listener = (event) => {
        if (event.kind === "measuring") hooks.measuring?.();
        if (event.kind === "measured") hooks.measured?.();
        if (isKind(event, until)) resolve(event);
      };
      child.send(command);
    });

  const { watch = target.system === "cometbft" ? 0 : target.settledBy, finality = false } = options;
  await say({ kind: "connect", target, watch, finality }, "ready");
  return {
    async prepare(messages, payments) {
      await say({ kind: "prepare", messages, payments }, "ready");
    },
    run: async (command, hooks) => (await say(command, "result", hooks)).result,
    async close() {
      broke = () => {};
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function isKind<Kind extends LoadEvent["kind"]>(
  event: LoadEvent,
  kind: Kind,
): event is Extract<LoadEvent, { kind: Kind }> {
  return event.kind === kind;
}
