/** How tools write to a terminal: tables, colours where there are colours, and pictures of a file's outcome. */
import type { FilePayment, FileStatus } from "./gateway-client.ts";

/** Colours only on a terminal that wants them (https://no-color.org). */
export const colourful = process.stdout.isTTY === true && (process.env["NO_COLOR"] ?? "") === "";
const paint = (code: number) => (text: string) => (colourful ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);
export const cyan = paint(36);

/** A column: its heading, and whether its cells stand right. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
const escapes = /\u001b\[\d+m/g;
const width = (text: string) => text.replace(escapes, "").length;

/** Lines of a table with aligned columns. Nothing is cut: a wide terminal is cheaper than a wrong UETR. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => width(row[i] ?? ""))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const padding = " ".repeat((widths[i] ?? 0) - width(cell));
        return columns[i]?.right ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd();
  return [dim(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

/** What the ISO status codes say to a person. */
const statusWords: Readonly<Record<string, (text: string) => string>> = {
  ACSC: green,
  RJCT: red,
  ACSP: cyan,
  ACTC: cyan,
};
const statusNames: Readonly<Record<string, string>> = {
  ACSC: "settled",
  RJCT: "rejected",
  ACSP: "ordered",
  ACTC: "accepted",
};

/** One payment's status: `ACSC settled`, or `RJCT rejected, AM04` with the ledger's words. */
function statusText(status: string, reason: { readonly code: string; readonly message: string } | undefined): string {
  const words = `${status} ${statusNames[status] ?? ""}`.trimEnd();
  const why = reason === undefined ? "" : `, ${reason.code} ${reason.message}`.trimEnd();
  return (statusWords[status] ?? ((text: string) => text))(words + why);
}

/** The table of a file's payments: UETR, from, to, amount, status, and how long it took. */
export function paymentTable(
  payments: readonly FilePayment[],
  status: FileStatus,
  milliseconds: number | undefined,
): readonly string[] {
  const columns: readonly Column[] = [
    { title: "UETR" },
    { title: "from" },
    { title: "to" },
    { title: "amount", right: true },
    { title: "finality ms", right: true },
    { title: "status" },
  ];
  const rows = payments.map(({ uetr, from, to, amount, currency }, i) => {
    const outcome = status.payments[i];
    const settled = outcome?.status === "ACSC" && milliseconds !== undefined;
    return [
      uetr,
      from,
      to,
      `${thousands(amount)} ${currency}`,
      settled ? milliseconds.toFixed(0) : "",
      statusText(outcome?.status ?? status.status, outcome?.reason),
    ];
  });
  return table(columns, rows);
}

/** "1250000.00" is "1,250,000.00". */
export function thousands(amount: string): string {
  const [whole = "", fraction] = amount.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
