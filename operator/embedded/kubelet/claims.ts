/**
 * PersistentVolumeClaims as directories. A file in each names the claim it was made for. A directory that disappears,
 * or is not the one that was bound, is a lost volume for ever: what comes back in its place may be a copy, and a copy
 * of a signing key must not run.
 */
import { type FSWatcher, mkdirSync, readFileSync, renameSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../kube/clock.ts";
import { keyOf, type ObjectKey, type StoredObject, textAt } from "../../kube/objects.ts";
import { isSafeName } from "./labels.ts";
import type { KubeletLayout } from "./layout.ts";
import type { ClaimResult } from "./mounts.ts";

/** The file that says whose volume a directory is: the claim's uid. */
export const markerFile = ".volume-claim";

export type ClaimState =
  | { readonly kind: "bound" }
  /** With a sentence for people. */
  | { readonly kind: "lost"; readonly message: string };

/** Of claims whose names are safe in paths. */
export interface Claims {
  /** Makes the claim's directory if it never had one; looks at it if it had. */
  readonly settle: (claim: StoredObject) => ClaimState;
  /** The directory for a pod that is about to run on it, looked at now. */
  readonly use: (claim: StoredObject) => ClaimResult;
  /** Destroys the directory and all that is in it. */
  readonly destroy: (claim: StoredObject) => Promise<void>;
  readonly close: () => void;
}

export interface ClaimsOptions {
  readonly layout: KubeletLayout;
  readonly clock: Clock;
  /** Something may have happened to the directory of this claim: settle it again. */
  readonly onHint: (key: ObjectKey) => void;
  /** How often each directory is looked at when the system tells nothing, ms. */
  readonly pollMs?: number;
}

interface Bound {
  readonly uid: string;
  readonly directory: string;
  /** The directory itself: another one with the same content is a copy. Only within one run: file systems may renumber. */
  readonly inode: bigint | undefined;
  lost: string;
}

export function createClaims({ layout, clock, onHint, pollMs = 5_000 }: ClaimsOptions): Claims {
  const bound = new Map<ObjectKey, Bound>();
  const watchers = new Map<string, FSWatcher>();
  let closed = false;

  /** "" or what is wrong with the directory. */
  function inspect({ uid, directory, inode }: Bound): string {
    const found = inodeOf(directory);
    if (found === undefined) return `the directory ${directory} is gone`;
    const marker = readMarker(directory);
    if (marker === undefined)
      return `the directory ${directory} lost its ${markerFile}: it is not the one that was bound`;
    if (marker !== uid) return `the directory ${directory} belongs to another claim`;
    if (inode !== undefined && inode !== found) return `the directory ${directory} was replaced`;
    return "";
  }

  function look(key: ObjectKey, one: Bound): void {
    if (one.lost === "" && inspect(one) !== "") onHint(key);
  }

  const poll = () => {
    if (closed) return;
    for (const [key, one] of bound) look(key, one);
    watchFolders();
    cancelPoll = clock.after(pollMs, poll);
  };
  let cancelPoll = clock.after(pollMs, poll);

  /** Hears of directories that come and go. A folder that went takes its watcher along: the poll makes another. */
  function watchFolders(): void {
    const folders = new Set([...bound.values()].map(({ directory }) => dirname(directory)));
    for (const [folder, watcher] of watchers)
      if (!folders.has(folder)) {
        watcher.close();
        watchers.delete(folder);
      }
    for (const folder of folders) if (!watchers.has(folder)) watchFolder(folder);
  }

  function watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        for (const [key, one] of bound) if (dirname(one.directory) === folder) look(key, one);
        if (inodeOf(folder) === undefined) forget();
      });
      const forget = () => {
        watcher.close();
        if (watchers.get(folder) === watcher) watchers.delete(folder);
      };
      watcher.on("error", forget);
      watchers.set(folder, watcher);
    } catch {
      // Out of watches, or no such folder: the poll finds out.
    }
  }

  function bind(key: ObjectKey, claim: StoredObject, directory: string): Bound {
    const one: Bound = { uid: claim.metadata.uid, directory, inode: inodeOf(directory), lost: "" };
    bound.set(key, one);
    watchFolders();
    return one;
  }

  function settle(claim: StoredObject): ClaimState {
    const { uid } = claim.metadata;
    const key = keyOf(claim);
    const directory = layout.volumeOf(claim);
    const phase = textAt(claim["status"], "phase");
    if (phase === "Lost") return { kind: "lost", message: "it was lost before" };
    let one = bound.get(key);
    if (one?.uid !== uid) {
      if (phase !== "Bound") provide(directory, uid);
      one = bind(key, claim, directory);
    }
    if (one.lost === "") one.lost = inspect(one);
    return one.lost === "" ? { kind: "bound" } : { kind: "lost", message: one.lost };
  }

  return {
    settle,
    use(claim) {
      if (claim.metadata.deletionTimestamp !== undefined) return unusable(claim, "it is being deleted");
      if (!isSafeName(claim.metadata.name)) return unusable(claim, "its name cannot be part of a path");
      // Not before the API has it: after a crash nobody could tell a used directory from one that never was.
      if (textAt(claim["status"], "phase") === "") return unusable(claim, "it is not bound yet");
      const state = settle(claim);
      if (state.kind !== "bound") return unusable(claim, state.message, true);
      return { kind: "bound", key: keyOf(claim), directory: layout.volumeOf(claim) };
    },
    async destroy(claim) {
      const key = keyOf(claim);
      bound.delete(key);
      watchFolders();
      const directory = layout.volumeOf(claim);
      const marker = readMarker(directory);
      // Never what another claim of the same name has.
      if (marker !== undefined && marker !== claim.metadata.uid) return;
      const doomed = `${directory}.deleted-${claim.metadata.uid}`;
      // Gone at once under its name; its content may take longer.
      if (inodeOf(directory) !== undefined) renameSync(directory, doomed);
      await rm(doomed, { recursive: true, force: true });
    },
    close() {
      closed = true;
      cancelPoll();
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function unusable({ metadata }: StoredObject, why: string, lost = false): ClaimResult {
  return { kind: "unusable", message: `persistentvolumeclaim "${metadata.name}": ${why}`, lost };
}

/** A directory for a claim that never had one. What stands in its place is set aside, not used and not destroyed. */
function provide(directory: string, uid: string): void {
  // Made before a crash, for this very claim.
  if (readMarker(directory) === uid) return;
  const fresh = `${directory}.new-${uid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  writeFileSync(join(fresh, markerFile), `${uid}\n`, { mode: 0o600, flush: true });
  if (inodeOf(directory) !== undefined) renameSync(directory, `${directory}.set-aside-for-${uid}`);
  renameSync(fresh, directory);
}

function readMarker(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, markerFile), "utf8").trim();
  } catch {
    return undefined;
  }
}

function inodeOf(directory: string): bigint | undefined {
  try {
    const found = statSync(directory, { bigint: true, throwIfNoEntry: false });
    return found?.isDirectory() ? found.ino : undefined;
  } catch {
    return undefined;
  }
}
