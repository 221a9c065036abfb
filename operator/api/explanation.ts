/**
 * What the operator would do next with a swarm, as it publishes it: the ConfigMap `<swarm>-explain`. It is written after
 * a plan when it differs from what stands there; tools show it.
 */
import { z } from "zod";

const count = z.int().min(0);
const sentence = z.string().max(32_768);

/** Unknown fields are left out: a newer operator may write more. */
const schema = z.object({
  /** Generation of the spec that was planned for. */
  generation: count,
  epoch: count,
  power: z.object({ total: count, available: count, fault: count, budgetLeft: count }),
  /** The disruption the permit is held for; "" when it is free. */
  underWay: z.string().max(1_024),
  /** In their order. */
  next: z.array(z.object({ what: sentence, reason: z.string().max(1_024), message: sentence })).max(10_000),
  /** What is not done, and what blocks it. */
  waits: z.array(z.object({ topic: z.string().max(63), reason: z.string().max(1_024), message: sentence })).max(10_000),
});

/** One plan without its moment: equal plans have equal explanations. */
export type Explanation = z.infer<typeof schema>;

const key = "plan.json";

/** Name of the ConfigMap. */
export const explanationName = (swarm: string): string => `${swarm}-explain`;

/** `data` of the ConfigMap. */
export const explanationData = (explanation: Explanation): Readonly<Record<string, string>> => ({
  [key]: JSON.stringify(explanation),
});

/** From the `data` of a ConfigMap; undefined when there is no explanation in it. */
export function readExplanation(data: unknown): Explanation | undefined {
  const parsed = z.object({ [key]: z.string() }).safeParse(data);
  try {
    return schema.safeParse(JSON.parse(parsed.data?.[key] ?? "")).data;
  } catch {
    return undefined;
  }
}

/** Lines for a terminal, without a final line break. */
export function explanationText({ power, epoch, underWay, next, waits }: Explanation): string {
  const { total, available, fault, budgetLeft } = power;
  const blocked = waits.map(({ topic, reason, message }) => `  ${topic}, ${reason}\n    ${message}`);
  return [
    `Power: ${available} of ${total} votes, F = ${fault}, ${budgetLeft} may still be taken. Epoch ${epoch}.`,
    ...(underWay === "" ? [] : [`Under way: ${underWay}.`]),
    next.length > 0 ? "Next:" : "Next: nothing.",
    ...next.map(({ what, reason, message }) => `  ${what}\n    ${reason}: ${message}`),
    ...(blocked.length > 0 ? ["Waits:", ...new Set(blocked)] : []),
  ].join("\n");
}
