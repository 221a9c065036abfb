/** The strip of blocks, newest first. */
import type { ConsoleBlock, ConsoleFigures } from "../source.ts";
import { byId, html, setText } from "./dom.ts";
import { clockTime, count, shortHash } from "./format.ts";

const mostShown = 48;

export interface BlocksView {
  readonly show: (block: ConsoleBlock) => void;
  readonly showFigures: (figures: ConsoleFigures) => void;
}

export function createBlocks(): BlocksView {
  const list = byId("blocks", HTMLOListElement);
  list.replaceChildren();
  let settled = 0;
  const mark = (tile: HTMLElement) => {
    const isSettled = heightOf(tile) <= settled;
    tile.dataset["settled"] = String(isSettled);
    const status = tile.querySelector(".block-state");
    if (status) setText(status, isSettled ? "settled" : "final");
  };
  return {
    show: (block) => {
      // Most come in order; one that was settled before it was seen final may come late.
      const older = [...list.children].find((tile) => heightOf(tile) <= block.height);
      if (older !== undefined && heightOf(older) === block.height) return;
      const tile = html(
        "li",
        { class: "block", "data-height": block.height, "data-full": block.payments > 0 ? "yes" : "no" },
        html("p", { class: "block-height" }, `#${count(block.height)}`),
        html("p", { class: "block-payments" }, paymentsText(block.payments)),
        html("p", { class: "block-facts" }, `view ${count(block.view)} · ${clockTime(block.time)}`),
        html("p", { class: "block-facts" }, html("code", {}, shortHash(block.hash))),
        html("p", { class: "block-state" }, "final"),
      );
      mark(tile);
      list.insertBefore(tile, older ?? null);
      while (list.childElementCount > mostShown) list.lastElementChild?.remove();
    },
    showFigures: ({ settledHeight }) => {
      if (settledHeight === settled) return;
      settled = settledHeight;
      for (const tile of list.children) if (tile instanceof HTMLElement) mark(tile);
    },
  };
}

const heightOf = (tile: Element): number => (tile instanceof HTMLElement ? Number(tile.dataset["height"]) : 0);

function paymentsText(payments: number): string {
  if (payments === 0) return "empty";
  return payments === 1 ? "1 payment" : `${count(payments)} payments`;
}
