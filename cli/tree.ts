/** A swarm as lines for a terminal: what it is, then its regions with their seats beneath them. */
import { bold, cyan, dim, green, red, table, yellow } from "../operator/terminal.ts";
import type { RegionReport, SeatReport, SwarmReport } from "./shapes.ts";

/** One swarm with everything, or all of a namespace a line each. */
export function statusLines(
  swarms: readonly SwarmReport[],
  name: string | undefined,
  where: { readonly namespace: string; readonly name: string },
): readonly string[] {
  if (name !== undefined) return swarms.flatMap(swarmLines);
  return swarms.length > 0 ? swarmTable(swarms) : [`No swarms in namespace ${where.namespace} of ${where.name}.`];
}

/** Everything about one swarm. */
function swarmLines(swarm: SwarmReport): readonly string[] {
  const { name, namespace, chainId, epoch, power, replicas, conditions } = swarm;
  const chain = chainId === "" ? "no chain yet" : `chain ${chainId.slice(0, 16)}…`;
  const title = `${bold(name)}  ${dim(`namespace ${namespace}  ${chain}  epoch ${epoch}`)}`;
  return [
    swarm.deleting ? `${title}  ${red("being deleted")}` : title,
    ...(swarm.observed ? [] : [yellow("The operator has not looked at the newest spec yet.")]),
    power
      ? `power   ${power.available} of ${power.total} votes, F = ${power.fault}, ${budget(power.faultBudgetLeft)} may still fail; seats ${replicas.inForce} of ${replicas.wanted}`
      : `seats   ${replicas.inForce} of ${replicas.wanted}`,
    ...stages(swarm),
    ...regionLines(swarm.regions),
    ...swarm.gateways.map(
      (pod) => `gateway ${pod.name}  ${pod.ready ? green(pod.state) : yellow(pod.state)}${restarts(pod.restarts)}`,
    ),
    ...conditionLines(conditions),
  ];
}

const budget = (left: number) => (left === 0 ? red("nothing") : String(left));
const restarts = (count: number) => (count === 0 ? "" : `  ${count} restarts`);

function stages({ rollout, canary, permit, membershipChange, lastCheckpoint }: SwarmReport): readonly string[] {
  const waits = rollout && rollout.waitingFor !== "" ? `, waits for ${rollout.waitingFor}` : "";
  return [
    ...(rollout && (rollout.stage !== "Idle" || waits !== "")
      ? [`rollout ${cyan(rollout.stage)}, ${rollout.updatedSeats} seats with power ${rollout.updatedPower}${waits}`]
      : []),
    ...(canary ? canaryLines(canary) : []),
    permit
      ? `permit  ${cyan(permit.id)}, ${permit.purpose} of ${permit.seats.join(", ")}, ${permit.power} power, since ${permit.takenAt}`
      : `permit  ${dim("free")}`,
    ...(membershipChange
      ? [
          `change  ${cyan(membershipChange.id)}, ${membershipChange.kind} in epoch ${membershipChange.epoch}, moves ${membershipChange.powerMoved} power`,
        ]
      : []),
    ...(lastCheckpoint
      ? [
          `checkpoint ${lastCheckpoint.name} at height ${lastCheckpoint.height}${lastCheckpoint.verified ? ", verified" : ""}`,
        ]
      : []),
  ];
}

function canaryLines({ stage, seats, until, analysis, message, waitingFor }: NonNullable<SwarmReport["canary"]>) {
  const colour = { Promoted: green, Aborted: red, Inconclusive: yellow }[stage] ?? cyan;
  const due = stage === "Watching" && until !== undefined ? ` until ${until}` : "";
  const where = seats.length === 0 ? "" : ` on ${seats.join(", ")}${due}`;
  // While it is watched, what is measured is what it waits for.
  const findings = analysis.map(
    ({ verdict, message }) => `        ${findingColours[verdict]?.(verdict) ?? verdict}  ${message}`,
  );
  const said = findings.length > 0 ? "" : message || waitingFor;
  return [`canary  ${colour(stage)}${where}${said === "" ? "" : `: ${said}`}`, ...findings];
}

const findingColours: Readonly<Record<string, (text: string) => string>> = {
  NotWorse: green,
  Worse: red,
  Unclear: dim,
};

/** Regions with their seats beneath them; columns are aligned over all of them. */
function regionLines(regions: readonly RegionReport[]): readonly string[] {
  const rows = regions.flatMap(({ seats }) => seats).map(seatCells);
  const cells = table(
    Array.from({ length: Math.max(0, ...rows.map((row) => row.length)) }, () => ({ title: "" })),
    rows,
  ).slice(1);
  let next = 0;
  return regions.flatMap(({ name, power, required, degraded, seats }, i) => {
    const last = i === regions.length - 1;
    const mode = degraded ? yellow("not waited for") : required > 0 ? `${required} required` : "not required";
    return [
      `${last ? "└" : "├"}─ ${bold(name)}  power ${power}, ${mode}`,
      ...seats.map((_, n) => `${last ? " " : "│"}  ${n === seats.length - 1 ? "└" : "├"}─ ${cells[next++] ?? ""}`),
    ];
  });
}

const seatCells = (seat: SeatReport): readonly string[] => [
  seat.name,
  seat.identity === "" ? "-" : `g${seat.generation}`,
  `power ${seat.power}`,
  seat.role,
  seat.height === null ? "height ?" : `height ${seat.height}`,
  seat.lag === null ? "lag ?" : `lag ${seat.lag}`,
  healthText(seat),
  seat.managed ? podText(seat.pod) : dim("run elsewhere"),
  seat.trouble === "" ? "" : yellow(seat.trouble),
];

function podText(pod: SeatReport["pod"]): string {
  if (pod === null) return "";
  return `${pod.state}${restarts(pod.restarts)}${pod.node === "" ? "" : dim(`  ${pod.node}`)}`;
}

const healthColours: Readonly<Record<SeatReport["health"], (text: string) => string>> = {
  healthy: green,
  joining: cyan,
  silent: red,
  missed: red,
  unseen: yellow,
  absent: yellow,
};

function healthText({ health, replacedAt }: SeatReport): string {
  const left = replacedAt === null ? 0 : Math.ceil((Date.parse(replacedAt) - Date.now()) / 1_000);
  return healthColours[health](left > 0 && left < 3_600 ? `${health}, ${left} s left` : health);
}

/** All of them, each with its sentence; the colour says whether it is as hoped. */
function conditionLines(conditions: SwarmReport["conditions"]): readonly string[] {
  const hoped = ({ type, status }: SwarmReport["conditions"][number]) =>
    type === "Degraded" || type === "Progressing" ? status === "False" : status === "True";
  return table(
    [{ title: "condition" }, { title: "" }, { title: "" }],
    conditions.map((each) => [
      each.type,
      hoped(each) ? green(each.status) : each.status === "Unknown" ? dim(each.status) : yellow(each.status),
      `${each.reason}: ${each.message}`,
    ]),
  );
}

/** All swarms, a line each. */
function swarmTable(swarms: readonly SwarmReport[]): readonly string[] {
  return table(
    [
      { title: "name" },
      { title: "ready" },
      { title: "seats", right: true },
      { title: "power", right: true },
      { title: "F", right: true },
      { title: "may fail", right: true },
      { title: "epoch", right: true },
      { title: "progress" },
    ],
    swarms.map(({ name, ready, deleting, replicas, power, epoch, conditions }) => [
      bold(name),
      deleting ? red("deleting") : ready ? green("yes") : yellow("no"),
      `${replicas.inForce}/${replicas.wanted}`,
      power ? `${power.available}/${power.total}` : "-",
      power ? String(power.fault) : "-",
      power ? String(power.faultBudgetLeft) : "-",
      String(epoch),
      conditions.find(({ type }) => type === "Progressing")?.message ?? "",
    ]),
  );
}
