/** The operator's certificate towards validators, from files that somebody renews while it runs. */
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";

/** PEM files: who issues validators' certificates, the operator's own certificate, and its key. */
export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Their contents. */
export interface CredentialTexts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export type OpenedCredentials =
  | { readonly kind: "open"; readonly current: () => CredentialTexts }
  /** A sentence that names the file. */
  | { readonly kind: "failed"; readonly reason: string };

/**
 * `current` looks at the files at each call and reads them when one has changed. A renewal that cannot be used, because
 * half of it is written or the key is another's, leaves what was; `onProblem` hears of it once.
 */
export function openCredentials(files: CredentialFiles, onProblem: (reason: string) => void): OpenedCredentials {
  const first = read(files);
  if (first.kind === "failed") return first;
  let { texts, stamp } = first;
  let refused = "";
  return {
    kind: "open",
    current() {
      const now = stampOf(files);
      if (now === stamp || now === refused) return texts;
      const renewed = read(files);
      if (renewed.kind === "failed") {
        refused = now;
        onProblem(renewed.reason);
      } else {
        refused = "";
        ({ texts, stamp } = renewed);
      }
      return texts;
    },
  };
}

type Read =
  | { readonly kind: "read"; readonly texts: CredentialTexts; readonly stamp: string }
  | { readonly kind: "failed"; readonly reason: string };

function read(files: CredentialFiles): Read {
  // The stamp first: what is written meanwhile counts as a change the next time.
  const stamp = stampOf(files);
  try {
    const texts = {
      ca: readFileSync(files.ca, "utf8"),
      cert: readFileSync(files.cert, "utf8"),
      key: readFileSync(files.key, "utf8"),
    };
    createSecureContext(texts);
    return { kind: "read", texts, stamp };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "failed", reason: `${Object.values(files).join(", ")} cannot be used: ${why}.` };
  }
}

/** Changes with every renewal: files of a Secret are links into a directory that is replaced. */
function stampOf(files: CredentialFiles): string {
  return Object.values(files)
    .map((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found ? `${found.ino}:${found.mtimeMs}:${found.size}` : "none";
    })
    .join(" ");
}
