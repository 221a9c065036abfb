/** The drawing of seats and the links between them. */
import type { ConsoleSeat, ConsoleSwarm } from "../source.ts";
import { byId, setText, svg } from "./dom.ts";
import { milliseconds } from "./format.ts";
import { hueOf, shortName } from "./regions.ts";

const centre = { x: 180, y: 150 };
const radius = { x: 128, y: 104 };
/** Beyond this many seats names and round trips would hide the drawing. */
const mostLabelled = 8;

export interface TopologyView {
  readonly showSeat: (seat: ConsoleSeat) => void;
  /** A block became final. */
  readonly pulse: () => void;
}

export function createTopology(swarm: ConsoleSwarm, seats: readonly ConsoleSeat[]): TopologyView {
  const drawing = byId("topology", SVGSVGElement);
  const labelled = seats.length <= mostLabelled;
  const points = new Map(
    seats.map(({ name }, i) => {
      const angle = (2 * Math.PI * i) / seats.length - Math.PI / 2;
      return [name, { x: centre.x + radius.x * Math.cos(angle), y: centre.y + radius.y * Math.sin(angle) }];
    }),
  );
  const links = svg("g", { class: "links" });
  const lines = new Map<string, { readonly line: SVGLineElement; readonly label: SVGTextElement }>();
  seats.forEach(({ name: a }, i) => {
    for (const { name: b } of seats.slice(i + 1)) {
      const from = points.get(a) ?? centre;
      const to = points.get(b) ?? centre;
      const line = svg("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y });
      // Off the middle: the long diagonals cross there.
      const along = (i % 2 === 0 ? 0.36 : 0.64) as number;
      const label = svg("text", {
        class: "rtt",
        x: from.x + (to.x - from.x) * along,
        y: from.y + (to.y - from.y) * along + 3,
      });
      lines.set(pair(a, b), { line, label });
      links.append(line);
    }
  });
  const wave = svg("circle", { class: "wave", cx: centre.x, cy: centre.y, r: 20 });
  const nodes = new Map(
    seats.map((seat) => {
      const at = points.get(seat.name) ?? centre;
      const group = svg(
        "g",
        { class: `node hue-${hueOf(swarm, seat.region)}` },
        svg("circle", { class: "halo", cx: at.x, cy: at.y, r: 19 }),
        svg("circle", { class: "dot", cx: at.x, cy: at.y, r: 11 }),
      );
      if (labelled) {
        const below = at.y > centre.y - 1;
        group.append(
          svg("text", { class: "name", x: at.x, y: at.y + (below ? 35 : -26) }, shortName(swarm, seat.name)),
        );
      }
      return [seat.name, group];
    }),
  );
  drawing.replaceChildren(
    links,
    wave,
    ...(labelled ? [...lines.values()].map(({ label }) => label) : []),
    ...nodes.values(),
  );

  return {
    showSeat: (seat) => {
      const node = nodes.get(seat.name);
      if (node === undefined) return;
      node.dataset["state"] = seat.state;
      node.dataset["leader"] = String(seat.leader);
      for (const { seat: other, connected, rttMs } of seat.links) {
        const link = lines.get(pair(seat.name, other));
        if (link === undefined) continue;
        link.line.dataset["connected"] = String(connected && seat.state !== "down");
        setText(link.label, connected && rttMs > 0 ? milliseconds(rttMs) : "");
      }
    },
    pulse: () => {
      wave.classList.remove("go");
      // Reading the box makes the browser see the class gone, so that adding it starts the animation again.
      wave.getBBox();
      wave.classList.add("go");
    },
  };
}

const pair = (a: string, b: string): string => [a, b].sort().join(" ");
