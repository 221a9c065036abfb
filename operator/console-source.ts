/** The page's view of a swarm. */
import type {
  ConsoleBlock,
  ConsoleEvent,
  ConsoleFigures,
  ConsolePayment,
  ConsoleSeat,
  ConsoleSnapshot,
  ConsoleSource,
  ConsoleSwarm,
} from "../console/source.ts";
import type { SeatView } from "./embedded/fleet-state.ts";
import type { Live } from "./embedded/live.ts";
import { hex } from "./embedded/seat-status.ts";
import type { SwarmView } from "./embedded/swarm-view.ts";
import { readPayments } from "./payments.ts";
import { explainProof, proofBytes } from "./proof-view.ts";

/** What a page that opens later gets of the past. */
const kept = { blocks: 48, figures: 600, payments: 12 };
const figuresEveryMs = 500;
const seatsEveryMs = 100;

export interface ClosableSource extends ConsoleSource {
  readonly close: () => void;
}

export function consoleSource(fleet: SwarmView, live: Live): ClosableSource {
  const listeners = new Set<(event: ConsoleEvent) => void>();
  const blocks: ConsoleBlock[] = [];
  const figures: ConsoleFigures[] = [];
  const payments: ConsolePayment[] = [];
  const changed = new Set<string>();

  const tell = (event: ConsoleEvent) => {
    for (const listener of listeners) listener(event);
  };
  const keep = <Item>(list: Item[], item: Item, most: number) => {
    list.push(item);
    if (list.length > most) list.shift();
  };
  const addBlock = (block: Omit<ConsoleBlock, "interval">) => {
    if (blocks.some(({ height }) => height === block.height)) return;
    const before = blocks.find(({ height }) => height === block.height - 1);
    const whole = { ...block, interval: before === undefined ? 0 : block.time - before.time };
    keep(blocks, whole, kept.blocks);
    blocks.sort((a, b) => a.height - b.height);
    tell({ kind: "block", block: whole });
  };

  const stops = [
    fleet.state.watch((event) => {
      if (event.kind === "seat") changed.add(event.view.seat.name);
      else if (event.kind === "seats") tell({ kind: "snapshot", snapshot: snapshot() });
    }),
    live.onFinal(addBlock),
    live.onSettled((block, link) => {
      const all = block.messages.reduce((sum, { settled, rejected }) => sum + settled + rejected, 0);
      addBlock({
        height: Number(block.height),
        view: Number(block.view),
        time: Number(block.time),
        hash: hex(block.block),
        payments: all,
      });
      readPayments(block, link).then(
        (read) => {
          for (const payment of read) {
            keep(payments, payment, kept.payments);
            tell({ kind: "payment", payment });
          }
        },
        // The list of payments is a convenience: the chain has them all.
        () => {},
      );
    }),
  ];
  // Under load a seat changes a hundred times a second: the page sees its newest state ten times a second.
  const seatsTimer = setInterval(() => {
    for (const view of fleet.state.seats())
      if (changed.delete(view.seat.name)) tell({ kind: "seat", seat: describeSeat(view) });
  }, seatsEveryMs);
  seatsTimer.unref();
  const timer = setInterval(() => {
    const current = describeFigures(fleet, live);
    keep(figures, current, kept.figures);
    tell({ kind: "figures", figures: current });
  }, figuresEveryMs);
  timer.unref();

  function snapshot(): ConsoleSnapshot {
    return {
      swarm: describeSwarm(fleet, live),
      seats: fleet.state.seats().map(describeSeat),
      blocks,
      figures: figures.length === 0 ? [describeFigures(fleet, live)] : figures,
      payments,
    };
  }

  return {
    snapshot,
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    proof: (uetr) => explainProof(fleet, uetr),
    proofBytes: (uetr) => proofBytes(fleet, uetr),
    close: () => {
      clearInterval(timer);
      clearInterval(seatsTimer);
      for (const stop of stops) stop();
    },
  };
}

function describeSwarm(fleet: SwarmView, live: Live): ConsoleSwarm {
  const { spec, metadata } = fleet.swarm;
  const { totalPower, faultPower, quorum } = live.figures();
  return {
    name: metadata.name,
    chainId: fleet.endpoints.chainId,
    faultModel: spec.faultModel,
    totalPower,
    faultPower,
    quorum,
    regions: spec.regions.map(({ name, weight }) => ({ name, power: weight })),
    gateway: fleet.endpoints.gateway,
  };
}

function describeSeat({ seat, status, reachable, trouble, process }: SeatView): ConsoleSeat {
  return {
    name: seat.name,
    region: seat.region,
    power: seat.power,
    state: stateOf(status, reachable),
    trouble: reachable ? trouble : status === undefined ? trouble : `not reachable: ${trouble}`,
    leader: reachable && status?.leader === seat.name,
    epoch: status?.epoch ?? 0,
    view: status?.view ?? 0,
    height: status?.finalizedHeight ?? 0,
    settledHeight: status?.settledHeight ?? 0,
    stateRoot: status?.stateRoot ?? "",
    queuedPayments: status?.queuedPayments ?? 0,
    timeouts: status?.timeouts ?? 0,
    restarts: process?.restarts ?? 0,
    links: (status?.peers ?? []).map((peer) => ({ seat: peer.seat, connected: peer.connected, rttMs: peer.rttMs })),
  };
}

function stateOf(status: SeatView["status"], reachable: boolean): ConsoleSeat["state"] {
  if (!reachable || status === undefined) return "down";
  if (status.role === "quarantined") return "quarantined";
  return status.voting ? "voting" : "catching-up";
}

function describeFigures(fleet: SwarmView, live: Live): ConsoleFigures {
  const figures = live.figures();
  return {
    time: figures.time,
    height: figures.height,
    settledHeight: figures.settledHeight,
    paymentsPerSecond: figures.paymentsPerSecond,
    p50: figures.p50 ?? null,
    p99: figures.p99 ?? null,
    settledPayments: figures.settledPayments,
    votingPower: figures.votingPower,
    degradedRegions: figures.degradedRegions,
    agreedHeight: fleet.state.agreedHeight(),
    divergedAt: fleet.state.divergedAt() ?? null,
  };
}
