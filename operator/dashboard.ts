/** The live view in the terminal: redrawn in place on a terminal, a plain line now and then elsewhere. */

import type { Live, LiveFigures } from "./embedded/live.ts";
import type { SwarmView } from "./embedded/swarm-view.ts";
import { bold, colourful, cyan, dim, green, red, table, yellow } from "./terminal.ts";

const redrawMs = 500;
const plainMs = 5_000;

/** Shows the fleet until the result is called. */
export function showDashboard(fleet: SwarmView, live: Live): () => void {
  const terminal = process.stdout.isTTY === true;
  let drawn = 0;
  const draw = () => {
    if (!terminal) return console.log(plainLine(live.figures()));
    const lines = picture(fleet, live.figures());
    const clear = drawn > 0 ? `\u001b[${drawn}A\u001b[0J` : "";
    process.stdout.write(`${clear}${lines.join("\n")}\n`);
    drawn = lines.length;
  };
  draw();
  const timer = setInterval(draw, terminal ? redrawMs : plainMs);
  return () => clearInterval(timer);
}

/** One line for a log. */
export function plainLine(figures: LiveFigures): string {
  const { view, height, settledHeight, p50, p99, paymentsPerSecond, votingPower, totalPower, degradedRegions } =
    figures;
  return [
    `view ${view}`,
    `height ${height}`,
    `settled ${settledHeight}`,
    `finality p50 ${milliseconds(p50)} p99 ${milliseconds(p99)}`,
    `${paymentsPerSecond.toFixed(0)} payments/s`,
    `voting ${votingPower}/${totalPower}`,
    ...(degradedRegions.length > 0 ? [`not waiting for ${degradedRegions.join(", ")}`] : []),
  ].join("  ");
}

/** The lines of one picture. */
export function picture(fleet: Pick<SwarmView, "state" | "endpoints">, figures: LiveFigures): readonly string[] {
  const { view, height, settledHeight, p50, p99, paymentsPerSecond, blocksPerSecond, degradedRegions } = figures;
  const rows = fleet.state.seats().map(({ seat, status, reachable, trouble }) => {
    const state = !reachable ? red("down") : status?.voting ? green("voting") : yellow(status?.role ?? "starting");
    const mode = degradedRegions.includes(seat.region) ? yellow("not waited for") : "required";
    return [
      seat.region,
      mode,
      seat.name,
      String(seat.power),
      state,
      String(status?.view ?? ""),
      String(status?.finalizedHeight ?? ""),
      dim((status?.stateRoot ?? "").slice(0, 12)),
      trouble === "" ? "" : yellow(trouble.slice(0, 60)),
    ];
  });
  return [
    "",
    `${bold("views")} ${view}   ${bold("height")} ${height}, settled ${settledHeight}   ${bold("blocks/s")} ${blocksPerSecond.toFixed(1)}   ` +
      `${bold("finality")} p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}   ${bold("payments/s")} ${paymentsPerSecond.toFixed(0)}`,
    "",
    ...table(
      [
        { title: "region" },
        { title: "settlement" },
        { title: "seat" },
        { title: "power", right: true },
        { title: "state" },
        { title: "view", right: true },
        { title: "height", right: true },
        { title: "state root" },
        { title: "" },
      ],
      rows,
    ),
    "",
    `${cyan(fleet.endpoints.console)}  the page      ${dim(colourful ? "npx swarm submit FILE · Ctrl-C ends it all" : "")}`,
  ];
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}
