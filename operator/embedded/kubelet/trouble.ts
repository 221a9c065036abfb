/** Exceptions that are no bugs: what the machine refuses, such as ENOSPC, EMFILE or EACCES. */

/** A sentence for people; undefined for a bug, which belongs to whoever catches it next. */
export function troubleOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code)
    ? error.message
    : undefined;
}
