/** The row of figures under the header. */
import type { ConsoleFigures, ConsoleSwarm } from "../source.ts";
import { byId, html, setText } from "./dom.ts";
import { count, milliseconds, perSecond } from "./format.ts";

interface Tile {
  readonly label: string;
  readonly unit: string;
  readonly value: (figures: ConsoleFigures, swarm: ConsoleSwarm) => string;
  readonly detail: (figures: ConsoleFigures, swarm: ConsoleSwarm) => string;
}

const tiles: readonly Tile[] = [
  {
    label: "Height",
    unit: "",
    value: ({ height }) => count(height),
    detail: ({ height, settledHeight }) =>
      settledHeight >= height ? "all blocks settled" : `settled up to ${count(settledHeight)}`,
  },
  {
    label: "Finality p50",
    unit: "ms",
    value: ({ p50 }) => milliseconds(p50),
    detail: ({ p50 }) => (p50 === null ? "no payment yet" : "acceptance to settlement"),
  },
  {
    label: "Finality p99",
    unit: "ms",
    value: ({ p99 }) => milliseconds(p99),
    detail: ({ p99 }) => (p99 === null ? "no payment yet" : "slowest validator"),
  },
  {
    label: "Payments",
    unit: "/s",
    value: ({ paymentsPerSecond }) => perSecond(paymentsPerSecond),
    detail: ({ settledPayments }) => `${count(settledPayments)} settled in all`,
  },
  {
    label: "Voting power",
    unit: "",
    value: ({ votingPower }, { totalPower }) => `${count(votingPower)} of ${count(totalPower)}`,
    detail: ({ votingPower }, { quorum }) =>
      votingPower < quorum
        ? `${count(quorum - votingPower)} short of a quorum`
        : `${count(votingPower - quorum)} more may fail`,
  },
];

export interface FiguresView {
  readonly show: (figures: ConsoleFigures) => void;
}

export function createFigures(swarm: ConsoleSwarm): FiguresView {
  const cells = tiles.map(({ label, unit, value, detail }) => {
    const number = html("span", { class: "value" }, "–");
    const small = html("dd", { class: "detail" }, "");
    const tile = html(
      "div",
      { class: "tile" },
      html("dt", {}, label),
      html("dd", {}, number, ...(unit === "" ? [] : [html("span", { class: "unit" }, unit)])),
      small,
    );
    return { tile, number, small, value, detail };
  });
  byId("figures", HTMLDListElement).replaceChildren(...cells.map(({ tile }) => tile));
  return {
    show: (figures) => {
      for (const { number, small, value, detail } of cells) {
        setText(number, value(figures, swarm));
        setText(small, detail(figures, swarm));
      }
    },
  };
}
