/** What decoding gives: a value, or why the bytes are none. */

/** `malformed`: not the layout. `not-canonical`: another spelling of a value. `too-large`: beyond the shape's bound. */
export interface DecodeError {
  readonly kind: "malformed" | "not-canonical" | "too-large";
  /** Names the shape and the field. */
  readonly reason: string;
}

export type Decoded<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "refused"; readonly error: DecodeError };

export const decoded = <T>(value: T): Decoded<T> => ({ kind: "ok", value });

export function refused(
  reason: string,
  kind: DecodeError["kind"] = "malformed",
): { readonly kind: "refused"; readonly error: DecodeError } {
  return { kind: "refused", error: { kind, reason } };
}
