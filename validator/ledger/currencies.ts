/** ISO 4217: alphabetic code, numeric code, digits of the minor unit. */
export interface Currency {
  readonly alpha: string;
  readonly numeric: number;
  readonly minorDigits: number;
}

const rows: readonly (readonly [string, number, number])[] = [
  ["AED", 784, 2],
  ["AUD", 36, 2],
  ["BGN", 975, 2],
  ["BHD", 48, 3],
  ["BRL", 986, 2],
  ["CAD", 124, 2],
  ["CHF", 756, 2],
  ["CNY", 156, 2],
  ["CZK", 203, 2],
  ["DKK", 208, 2],
  ["EUR", 978, 2],
  ["GBP", 826, 2],
  ["HKD", 344, 2],
  ["HUF", 348, 2],
  ["INR", 356, 2],
  ["ISK", 352, 0],
  ["JPY", 392, 0],
  ["KRW", 410, 0],
  ["KWD", 414, 3],
  ["MXN", 484, 2],
  ["NOK", 578, 2],
  ["NZD", 554, 2],
  ["PLN", 985, 2],
  ["RON", 946, 2],
  ["SAR", 682, 2],
  ["SEK", 752, 2],
  ["SGD", 702, 2],
  ["THB", 764, 2],
  ["TRY", 949, 2],
  ["USD", 840, 2],
  ["ZAR", 710, 2],
];

const currencies: readonly Currency[] = rows.map(([alpha, numeric, minorDigits]) => ({
  alpha,
  numeric,
  minorDigits,
}));

const byAlpha = new Map(currencies.map((currency) => [currency.alpha, currency]));
const byNumeric = new Map(currencies.map((currency) => [currency.numeric, currency]));

export function currencyByAlpha(alpha: string): Currency | undefined {
  return byAlpha.get(alpha);
}

export function currencyByNumeric(numeric: number): Currency | undefined {
  return byNumeric.get(numeric);
}
