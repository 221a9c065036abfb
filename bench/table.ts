/** Rows as a Markdown table: it reads well in a terminal too. */
import type { Goal } from "./figures/figure.ts";
import type { Row } from "./report.ts";
import type { Spread } from "./statistics.ts";

/** A line a row; one a row and peer when a peer was measured. Spreads are min / median / max over the runs. */
export function table(rows: readonly Row[]): string {
  const compared = rows.some(({ peers }) => peers.length > 0);
  const head = ["", "figure", "unit", "ours, min / median / max", "goal"];
  const peerHead = ["peer", "its min / median / max", "ours ÷ peer, min / median / max"];
  const body = rows.flatMap(({ figure, name, unit, goal, spread, peers }) => {
    const own = [figure, name, unit, spreadCell(spread), goal === undefined ? "" : goalCell(goal, spread.median)];
    if (!compared) return [own];
    if (peers.length === 0) return [[...own, "", "", ""]];
    return peers.map((peer) => [...own, peer.system, spreadCell(peer.spread), spreadCell(peer.ratio)]);
  });
  return align([compared ? [...head, ...peerHead] : head, ...body]);
}

/** A Markdown table of cells; the first row is its head. */
export function align(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = cells;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body.map(line)].join("\n");
}

function spreadCell({ min, median, max }: Spread): string {
  return [min, median, max].map(number).join(" / ");
}

/** A goal is held against the median. */
function goalCell({ bound, value }: Goal, median: number): string {
  const met = bound === "at-least" ? median >= value : median <= value;
  return `${bound === "at-least" ? "≥" : "≤"} ${number(value)}, ${met ? "met" : "missed"}`;
}

/** Three significant digits, all digits of larger whole numbers. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
