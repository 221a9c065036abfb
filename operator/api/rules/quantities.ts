/** Kubernetes quantities: text such as `500m` or `4Gi`, compared as the API server compares them. */

const scales: Readonly<Record<string, bigint>> = {
  m: 1n,
  "": 1_000n,
  k: 10n ** 6n,
  M: 10n ** 9n,
  G: 10n ** 12n,
  T: 10n ** 15n,
  P: 10n ** 18n,
  Ki: 1_000n << 10n,
  Mi: 1_000n << 20n,
  Gi: 1_000n << 30n,
  Ti: 1_000n << 40n,
  Pi: 1_000n << 50n,
};

/** In thousandths, rounded up; undefined when it is no quantity. */
export function thousandths(quantity: string | number): bigint | undefined {
  const [, whole, fraction = "", suffix = ""] = /^([0-9]+)(?:\.([0-9]+))?([a-zA-Z]*)$/.exec(String(quantity)) ?? [];
  const scale = scales[suffix];
  if (whole === undefined || scale === undefined) return undefined;
  const divisor = 10n ** BigInt(fraction.length);
  return (BigInt(whole + fraction) * scale + divisor - 1n) / divisor;
}

/** Below, equal or above; equal when either is no quantity, which another rule reports. */
export function compareQuantities(a: string | number, b: string | number): -1 | 0 | 1 {
  const [left, right] = [thousandths(a), thousandths(b)];
  if (left === undefined || right === undefined || left === right) return 0;
  return left < right ? -1 : 1;
}
