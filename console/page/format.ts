/** How numbers and names are written on the page. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (value: number): string => whole.format(value);

/** Milliseconds: one decimal below ten, none above. */
export const milliseconds = (value: number | null): string =>
  value === null ? "–" : value < 10 ? tenth.format(value) : whole.format(value);

export const perSecond = (value: number): string =>
  value > 0 && value < 10 ? tenth.format(value) : whole.format(value);

/** The first and last digits of a hash. */
export const shortHash = (hash: string): string => (hash.length > 14 ? `${hash.slice(0, 8)}…${hash.slice(-4)}` : hash);

/** Decimal text with thousands set apart: "1250000.00" is "1,250,000.00". */
export const money = (amount: string): string =>
  amount.replace(/\B(?=(\d{3})+(?!\d)(?=\.|$))/g, ",").replace(/(\.\d*),/g, "$1");

export const clockTime = (time: number): string =>
  new Date(time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
