/** Amounts as ISO 20022 writes them, as integers. Nothing here is a float. */
import type { Currency } from "./currencies.ts";

/** An amount in units of 10⁻⁵, the finest that ISO 20022 amounts can name. */
export type Scaled = bigint;

const SCALE_DIGITS = 5;
const DECIMAL = /^\+?(\d{0,18})(?:\.(\d{0,17}))?$/;
const POWERS = [1n, 10n, 100n, 1_000n, 10_000n, 100_000n] as const;

/**
 * Reads an XSD decimal of at most 18 digits; undefined when it is none, negative, or finer than 10⁻⁵.
 * White space around it collapses, as XSD says.
 */
export function parseDecimal(text: string): Scaled | undefined {
  const match = DECIMAL.exec(text.trim());
  if (match === null) return undefined;
  const whole = match[1] ?? "";
  const fraction = match[2] ?? "";
  if (whole.length + fraction.length === 0 || whole.length + fraction.length > 18) return undefined;
  if (fraction.length <= SCALE_DIGITS) return BigInt(`${whole}${fraction.padEnd(SCALE_DIGITS, "0")}`);
  if (/[1-9]/.test(fraction.slice(SCALE_DIGITS))) return undefined;
  return BigInt(`${whole}${fraction.slice(0, SCALE_DIGITS)}`);
}

/** The same amount in the currency's minor units; undefined when it is finer than those. */
export function toMinorUnits(amount: Scaled, currency: Currency): bigint | undefined {
  const divisor = POWERS[SCALE_DIGITS - currency.digits]!;
  return amount % divisor === 0n ? amount / divisor : undefined;
}

/** Writes minor units as ISO 20022 does, e.g. `12345n` of EUR as `123.45`. */
export function formatMinorUnits(amount: bigint, digits: number): string {
  if (digits === 0) return amount.toString();
  const text = amount.toString().padStart(digits + 1, "0");
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}
