/** After everything but the Byzantine healed, the swarm goes on. */
import { type History, short, type Violation } from "../history.ts";

/** The message submitted after healing is settled on every correct member within the bound (virtual milliseconds). */
export function checkLiveness({ facts, correct }: History, boundMs: number): readonly Violation[] {
  const healed = facts.find((fact) => fact.kind === "healed");
  if (!healed) return [{ rule: "liveness", detail: "the world never healed", at: facts.at(-1)?.at ?? 0 }];
  const height = facts.find(
    (fact) => fact.kind === "settled" && fact.messages.some(({ hash }) => hash === healed.message),
  );
  const late = healed.at + boundMs;
  if (height?.kind !== "settled" || height.at > late)
    return [
      {
        rule: "liveness",
        detail: `message ${short(healed.message)} did not settle in ${boundMs} ms after healing`,
        at: late,
      },
    ];
  return correct.flatMap((node) => {
    // A member that went on from a checkpoint tells later blocks than the message's.
    const there = facts.some(
      (fact) => fact.kind === "caught-up" && fact.node === node && fact.height >= height.height && fact.at <= late,
    );
    return there
      ? []
      : [
          {
            rule: "liveness",
            detail: `${node} is not at block ${height.height} ${boundMs} ms after healing`,
            at: late,
          },
        ];
  });
}
