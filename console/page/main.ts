/** The page: hears the swarm's events and hands each to the part that shows it. */
import type { ConsoleEvent, ConsoleFigures, ConsoleSeat, ConsoleSnapshot } from "../source.ts";
import { createBlocks } from "./blocks.ts";
import { createCharts } from "./charts.ts";
import { byId, html, setText } from "./dom.ts";
import { createFigures } from "./figures.ts";
import { count, shortHash } from "./format.ts";
import { createPayments } from "./payments.ts";
import { createProof } from "./proof.ts";
import { createRegions } from "./regions.ts";
import { createTopology } from "./topology.ts";

const health = byId("health", HTMLElement);
const proof = createProof();
const charts = createCharts();
let show: ((event: ConsoleEvent) => void) | undefined;

/** Builds the page for a snapshot; the result shows what follows. */
function start(snapshot: ConsoleSnapshot, first: boolean): (event: ConsoleEvent) => void {
  const { swarm } = snapshot;
  const seats = new Map(snapshot.seats.map((seat) => [seat.name, seat]));
  document.title = `${swarm.name} · Validator Swarm`;
  setText(byId("swarm-name", HTMLElement), swarm.name);
  const chain = byId("chain-id", HTMLElement);
  setText(chain, shortHash(swarm.chainId));
  chain.title = swarm.chainId;
  setText(byId("fault-model", HTMLElement), swarm.faultModel);
  setText(byId("quorum", HTMLElement), `${count(swarm.quorum)} of ${count(swarm.totalPower)} votes`);
  byId("gateway-line", HTMLElement).replaceChildren(
    "Send a pacs.008 file: ",
    html("code", {}, "npx swarm submit FILE"),
    ", or POST it to ",
    html("code", {}, `${swarm.gateway}/iso20022`),
  );

  const figures = createFigures(swarm);
  const regions = createRegions(swarm);
  const topology = createTopology(swarm, snapshot.seats);
  const blocks = createBlocks();
  const payments = createPayments(proof.ask);
  const agreement = byId("agreement", HTMLElement);

  const showSeat = (seat: ConsoleSeat) => {
    seats.set(seat.name, seat);
    regions.showSeat(seat);
    topology.showSeat(seat);
  };
  const showFigures = (current: ConsoleFigures) => {
    figures.show(current);
    regions.showFigures(current);
    blocks.showFigures(current);
    setText(agreement, agreementText(current));
    const { level, text } = judge(current, [...seats.values()], swarm.quorum);
    health.dataset["level"] = level;
    setText(health, text);
  };

  for (const seat of snapshot.seats) showSeat(seat);
  for (const block of snapshot.blocks) blocks.show(block);
  for (const payment of snapshot.payments) payments.show(payment);
  const last = snapshot.figures.at(-1);
  if (last) showFigures(last);
  // After a reconnection the curves go on; the snapshot's past is theirs already.
  charts.show(first ? snapshot.figures : snapshot.figures.slice(-1));

  return (event) => {
    switch (event.kind) {
      case "snapshot":
        return;
      case "seat":
        return showSeat(event.seat);
      case "block":
        topology.pulse();
        return blocks.show(event.block);
      case "payment":
        return payments.show(event.payment);
      case "figures":
        showFigures(event.figures);
        return charts.show([event.figures]);
    }
  };
}

function agreementText({ agreedHeight, divergedAt }: ConsoleFigures): string {
  if (divergedAt !== null) return `state roots differ at block ${count(divergedAt)}`;
  return agreedHeight > 0 ? `every seat has the same state root at block ${count(agreedHeight)}` : "";
}

function judge(
  figures: ConsoleFigures,
  seats: readonly ConsoleSeat[],
  quorum: number,
): { readonly level: "good" | "warn" | "bad"; readonly text: string } {
  if (figures.divergedAt !== null) return { level: "bad", text: "State roots differ" };
  if (figures.votingPower < quorum) return { level: "bad", text: "No quorum: nothing settles" };
  const silent = seats.filter(({ state }) => state !== "voting").length;
  if (silent > 0) return { level: "warn", text: `Settling, ${silent} of ${seats.length} seats not voting` };
  return { level: "good", text: "Settling, every seat votes" };
}

const events = new EventSource("/events");
events.addEventListener("message", ({ data }: MessageEvent<string>) => {
  const event: ConsoleEvent = JSON.parse(data);
  if (event.kind === "snapshot") show = start(event.snapshot, show === undefined);
  else show?.(event);
});
events.addEventListener("error", () => {
  health.dataset["level"] = "bad";
  setText(health, "Disconnected, trying again");
});
