/** What can go wrong between a client and an API server. */

export type Verb = "list" | "watch" | "get" | "create" | "update" | "patch" | "delete";

/** `afterLines` counts lines of a watch; answers that are no watch behave as if it were 0. */
export type Fault =
  /** The connection is reset before any answer. */
  | { readonly kind: "reset" }
  /** Performed, then the connection is reset before the answer. */
  | { readonly kind: "lost-answer" }
  | { readonly kind: "status"; readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number }
  /** Half a line or body, then a reset. */
  | { readonly kind: "cut"; readonly afterLines: number }
  /** A line, or a body, that is no JSON. */
  | { readonly kind: "garbled"; readonly afterLines: number }
  /** Nothing more arrives; the connection stays. */
  | { readonly kind: "stall"; readonly afterLines: number }
  /** The watch ends properly. */
  | { readonly kind: "end"; readonly afterLines: number }
  /** An ERROR event with this code; the watch then ends. */
  | { readonly kind: "error-event"; readonly afterLines: number; readonly status: number; readonly reason: string }
  /** Every event comes twice, behind all that the history still has. */
  | { readonly kind: "repeat" }
  /** A line without an end. */
  | { readonly kind: "long-line"; readonly afterLines: number; readonly bytes: number }
  /** The answer waits for `release`. */
  | { readonly kind: "hold" };

export const linesBefore = (fault: Fault | undefined): number =>
  fault && "afterLines" in fault ? fault.afterLines : Number.POSITIVE_INFINITY;
