/** The newest payments, each with a way to its proof. */
import type { ConsolePayment } from "../source.ts";
import { byId, html } from "./dom.ts";
import { count, money } from "./format.ts";

const mostShown = 12;

export interface PaymentsView {
  readonly show: (payment: ConsolePayment) => void;
}

/** `prove` is called with the UETR whose proof is asked for. */
export function createPayments(prove: (uetr: string) => void): PaymentsView {
  const body = byId("payments", HTMLTableSectionElement);
  const empty = byId("no-payments", HTMLElement);
  const shown = new Set<string>();
  body.replaceChildren();
  return {
    show: (payment) => {
      const key = `${payment.uetr} ${payment.from} ${payment.height}`;
      if (shown.has(key)) return;
      shown.add(key);
      empty.hidden = true;
      body.prepend(row(payment, prove));
      while (body.rows.length > mostShown) body.rows[body.rows.length - 1]?.remove();
      if (shown.size > 10_000) shown.clear();
    },
  };
}

function row(payment: ConsolePayment, prove: (uetr: string) => void): HTMLTableRowElement {
  const status = payment.settled
    ? html("span", { class: "status settled" }, "settled")
    : html("span", { class: "status rejected" }, `rejected: ${payment.reason}`);
  const cells = [
    html("th", { scope: "row" }, html("code", {}, payment.uetr)),
    html("td", {}, payment.from),
    html("td", {}, payment.to),
    html("td", { class: "number" }, `${money(payment.amount)} `, html("span", { class: "unit" }, payment.currency)),
    html("td", {}, status),
    html("td", { class: "number" }, count(payment.height)),
  ];
  const last = html("td", {});
  if (payment.settled) {
    const button = html(
      "button",
      { type: "button", class: "quiet", "aria-label": `Proof of ${payment.uetr}` },
      "Proof",
    );
    button.addEventListener("click", () => prove(payment.uetr));
    last.append(button);
  }
  return html("tr", {}, ...cells, last);
}
