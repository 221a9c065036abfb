/** One card per region with its seats. */
import type { ConsoleFigures, ConsoleSeat, ConsoleSwarm } from "../source.ts";
import { byId, html, setText } from "./dom.ts";
import { count, milliseconds, shortHash } from "./format.ts";

const stateNames: Readonly<Record<ConsoleSeat["state"], string>> = {
  voting: "voting",
  "catching-up": "not voting",
  quarantined: "quarantined",
  down: "down",
};

export interface RegionsView {
  readonly showSeat: (seat: ConsoleSeat) => void;
  readonly showFigures: (figures: ConsoleFigures) => void;
}

/** Regions get one of six hues by their order. */
export const hueOf = (swarm: ConsoleSwarm, region: string): number =>
  swarm.regions.findIndex(({ name }) => name === region) % 6;

export function createRegions(swarm: ConsoleSwarm): RegionsView {
  const cards = new Map(
    swarm.regions.map(({ name, power }) => {
      const mode = html("p", { class: "mode" }, "required");
      const seats = html("ul", { class: "seats" });
      const title = `region-${name}`;
      const card = html(
        "section",
        { class: `region hue-${hueOf(swarm, name)}`, "aria-labelledby": title },
        html(
          "header",
          {},
          html("h3", { id: title }, name),
          mode,
          html("p", { class: "note" }, power === 1 ? "1 vote" : `${count(power)} votes`),
        ),
        seats,
      );
      return [name, { card, mode, seats, rows: new Map<string, SeatRow>() }];
    }),
  );
  byId("regions", HTMLElement).replaceChildren(...[...cards.values()].map(({ card }) => card));

  return {
    showSeat: (seat) => {
      const region = cards.get(seat.region);
      if (region === undefined) return;
      let row = region.rows.get(seat.name);
      if (row === undefined) {
        row = createRow(shortName(swarm, seat.name));
        region.rows.set(seat.name, row);
        region.seats.append(row.element);
      }
      row.show(seat);
    },
    showFigures: ({ degradedRegions }) => {
      for (const [name, { card, mode }] of cards) {
        const degraded = degradedRegions.includes(name);
        card.dataset["mode"] = degraded ? "degraded" : "required";
        setText(mode, degraded ? "not waited for" : "required");
      }
    },
  };
}

/** A seat's name without its swarm's. */
export const shortName = (swarm: ConsoleSwarm, seat: string): string =>
  seat.startsWith(`${swarm.name}-`) ? seat.slice(swarm.name.length + 1) : seat;

interface SeatRow {
  readonly element: HTMLLIElement;
  readonly show: (seat: ConsoleSeat) => void;
}

function createRow(name: string): SeatRow {
  const state = html("span", { class: "state" }, "");
  const leader = html("span", { class: "leader" }, "");
  const trouble = html("p", { class: "trouble" }, "");
  const facts = ["Height", "View", "Round trip", "State root"].map((label) => {
    const value = html("dd", label === "State root" ? { class: "root" } : {}, "–");
    return { value, pair: html("div", {}, html("dt", {}, label), value) };
  });
  const element = html(
    "li",
    { class: "seat" },
    html("p", { class: "seat-name" }, html("strong", {}, name), leader, state),
    html("dl", {}, ...facts.map(({ pair }) => pair)),
    trouble,
  );
  return {
    element,
    show: (seat) => {
      element.dataset["state"] = seat.state;
      setText(state, stateNames[seat.state]);
      setText(leader, seat.leader ? "leads" : "");
      setText(trouble, seat.trouble);
      const texts = [
        count(seat.height),
        count(seat.view),
        roundTrip(seat),
        seat.stateRoot === "" ? "–" : shortHash(seat.stateRoot),
      ];
      for (const [i, { value }] of facts.entries()) setText(value, texts[i] ?? "");
    },
  };
}

function roundTrip({ links }: ConsoleSeat): string {
  const known = links.filter(({ connected, rttMs }) => connected && rttMs > 0).map(({ rttMs }) => rttMs);
  return known.length === 0 ? "–" : `${milliseconds(known.reduce((sum, ms) => sum + ms, 0) / known.length)} ms`;
}
