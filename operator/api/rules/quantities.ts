/** Kubernetes quantities: text such as `500m` or `4Gi`, compared as an API server compares them. */

/**
 * No sign, no exponent, and only as many digits as both sides compute exactly: above 2^63 and below a billionth an API
 * server rounds.
 */
export const quantityShape = /^([0-9]{1,15}|[0-9]{1,6}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?)$/;
/** Of the longest such text, characters. */
export const maxQuantityLength = 15;

const scales: Readonly<Record<string, bigint>> = {
  m: 10n ** 3n,
  "": 10n ** 6n,
  k: 10n ** 9n,
  M: 10n ** 12n,
  G: 10n ** 15n,
  T: 10n ** 18n,
  Ki: (10n ** 6n) << 10n,
  Mi: (10n ** 6n) << 20n,
  Gi: (10n ** 6n) << 30n,
  Ti: (10n ** 6n) << 40n,
};

/** In millionths, exactly; undefined when it is no quantity. */
export function millionths(quantity: string | number): bigint | undefined {
  const text = String(quantity);
  if (!quantityShape.test(text)) return undefined;
  const [, whole = "", fraction = "", suffix = ""] = /^([0-9]+)(?:\.([0-9]+))?([a-zA-Z]*)$/.exec(text) ?? [];
  return (BigInt(whole + fraction) * (scales[suffix] ?? 0n)) / 10n ** BigInt(fraction.length);
}

/** Below, equal or above; equal when either is no quantity, which another rule reports. */
export function compareQuantities(a: string | number, b: string | number): -1 | 0 | 1 {
  const [left, right] = [millionths(a), millionths(b)];
  if (left === undefined || right === undefined || left === right) return 0;
  return left < right ? -1 : 1;
}
