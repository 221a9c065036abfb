/** Latency and throughput over the last minutes. */
import uPlot from "uplot";
import type { ConsoleFigures } from "../source.ts";
import { byId, setText } from "./dom.ts";
import { milliseconds, perSecond } from "./format.ts";

const mostPoints = 600;
const height = 200;

export interface ChartsView {
  readonly show: (figures: readonly ConsoleFigures[]) => void;
}

interface Line {
  readonly label: string;
  /** Custom property that holds its colour. */
  readonly colour: string;
  readonly value: (figures: ConsoleFigures) => number | null;
  readonly fill: boolean;
}

export function createCharts(): ChartsView {
  const points: ConsoleFigures[] = [];
  const charts = [
    createChart("latency-plot", [
      { label: "p99", colour: "--p99", value: ({ p99 }) => p99, fill: true },
      { label: "p50", colour: "--p50", value: ({ p50 }) => p50, fill: false },
    ]),
    createChart("throughput-plot", [
      { label: "payments/s", colour: "--rate", value: ({ paymentsPerSecond }) => paymentsPerSecond, fill: true },
    ]),
  ];
  const latencyText = byId("latency-text", HTMLElement);
  const throughputText = byId("throughput-text", HTMLElement);
  return {
    show: (figures) => {
      points.push(...figures);
      points.splice(0, points.length - mostPoints);
      for (const draw of charts) draw(points);
      const last = points.at(-1);
      if (last === undefined) return;
      setText(latencyText, `Now p50 ${milliseconds(last.p50)} ms, p99 ${milliseconds(last.p99)} ms.`);
      setText(throughputText, `Now ${perSecond(last.paymentsPerSecond)} payments per second.`);
    },
  };
}

/** Draws into the element and follows its width and the colour scheme. */
function createChart(id: string, lines: readonly Line[]): (points: readonly ConsoleFigures[]) => void {
  const holder = byId(id, HTMLElement);
  let data: uPlot.AlignedData = [[], ...lines.map(() => [])];
  const build = () => {
    const colour = (name: string) => getComputedStyle(holder).getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return new uPlot(
      {
        width: Math.max(200, holder.clientWidth),
        height,
        legend: { show: false },
        cursor: { show: false },
        padding: [12, 28, 0, 0],
        scales: { y: { range: (_, __, top) => [0, top > 0 ? top * 1.2 : 10] } },
        axes: [
          { ...axis, size: 30, grid: { show: false }, values: (_, times) => times.map(clock), space: 90 },
          { ...axis, size: 46, space: 36, values: (_, values) => values.map((value) => perSecond(value)) },
        ],
        series: [
          {},
          ...lines.map(({ label, colour: name, fill }) => ({
            label,
            stroke: colour(name),
            width: 2,
            points: { show: false },
            ...(fill ? { fill: colour(`${name}-fill`) } : {}),
          })),
        ],
      },
      data,
      holder,
    );
  };
  let plot = build();
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, holder.clientWidth), height })).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plot.destroy();
    plot = build();
  });
  return (points) => {
    data = [points.map(({ time }) => time / 1000), ...lines.map(({ value }) => points.map(value))];
    plot.setData(data);
  };
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}
