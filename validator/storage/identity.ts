/**
 * The seat's secret keys: made in the volume that holds its votes, at first boot, and never leaving it. Nothing else
 * opens these files.
 */
import { randomBytes } from "node:crypto";
import type { Disk } from "./disk.ts";
import { asStorageFault } from "./log.ts";
import type { StorageFault } from "./types.ts";
import { loadSecret } from "./vault.ts";

/** Both are secret: hand them to `crypto/` and nowhere else. */
export interface Identity {
  /** 32 random bytes: the key material the BLS signing key is derived from. */
  readonly blsSecret: Uint8Array;
  /** 32 random bytes: the ed25519 seed of the libp2p identity. */
  readonly peerSecret: Uint8Array;
  /** Made by this call: nothing was ever signed with it. */
  readonly made: boolean;
}

export type IdentityOpening =
  | { readonly kind: "ok"; readonly identity: Identity }
  /** The keys are there and the log they voted under is not: they must never vote again, and only say who it was. */
  | { readonly kind: "retired"; readonly fault: StorageFault; readonly identity: Identity }
  /** Among others: a log is there and its keys are not. */
  | { readonly kind: "fault"; readonly fault: StorageFault };

/**
 * Loads the keys, or makes them (files 0600, created exclusively, durable) when the volume is fresh. Call it before
 * `openStore`, which leaves a mark beside them: keys with the mark and without the log are retired.
 */
export async function openIdentity(
  disk: Disk,
  directory: string,
  random: (bytes: number) => Uint8Array = randomBytes,
): Promise<IdentityOpening> {
  const folder = `${directory}/identity`;
  const voted = `${folder}/voted`;
  try {
    await disk.makeDirectory(folder);
    await disk.syncDirectory(directory);
    const log = (await disk.list(`${directory}/log`)).length > 0;
    const orphaned = (await disk.exists(voted)) && !log;
    const mayMake = !log && !orphaned;
    const bls = await loadSecret(disk, `${folder}/bls.key`, mayMake, () => random(32));
    if (bls.kind === "fault") return bls;
    const peer = await loadSecret(disk, `${folder}/peer.key`, mayMake, () => random(32));
    if (peer.kind === "fault") return peer;
    const identity = { blsSecret: bls.secret, peerSecret: peer.secret, made: bls.made };
    if (orphaned) return retired(`${directory}/log`, "the keys have voted and their log is gone", identity);
    return { kind: "ok", identity };
  } catch (error) {
    return { kind: "fault", fault: asStorageFault(error, folder).fault };
  }
}

/** Leaves the mark that a log stands beside these keys: from now on, without it they are retired. `openStore` calls it. */
export async function markVoting(disk: Disk, directory: string): Promise<void> {
  const path = `${directory}/identity/voted`;
  if (await disk.exists(path)) return;
  const file = await disk.open(path, { create: true, mode: 0o600 });
  await file.append([new Uint8Array([1])]);
  await file.sync();
  await file.close();
  await disk.syncDirectory(`${directory}/identity`);
}

function retired(path: string, message: string, identity: Identity): IdentityOpening {
  return { kind: "retired", fault: { kind: "missing", path, offset: undefined, message }, identity };
}
