/** Patches that fit the source exactly, or not at all. */

/** One place of one file: `search` occurs there exactly once. */
export interface Edit {
  /** From the repository's root. */
  readonly file: string;
  readonly search: string;
  readonly replace: string;
}

export type Patched =
  /** New contents by path. */
  | { readonly kind: "patched"; readonly files: ReadonlyMap<string, string> }
  /** The source has moved on: the mutant must be written anew. */
  | { readonly kind: "stale"; readonly reason: string };

/** Applies the edits one after the other. */
export function patch(edits: readonly Edit[], read: (file: string) => string): Patched {
  const files = new Map<string, string>();
  for (const { file, search, replace } of edits) {
    const text = files.get(file) ?? read(file);
    const parts = text.split(search);
    if (parts.length !== 2)
      return { kind: "stale", reason: `${file} has ${parts.length - 1} times, not once: ${search}` };
    files.set(file, parts.join(replace));
  }
  return { kind: "patched", files };
}
