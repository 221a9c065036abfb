/**
 * Gossip payloads are sealed under a key of their sender's: key id 8 ‖ counter 8 ‖ ciphertext ‖ tag 16.
 * A process draws its key at boot and hands it to allowed peers over their authenticated streams; see
 * `docs/decisions/network-sender-keys.md`.
 */
import { createSealer, keyLength, open, overhead, type Sealer } from "../crypto/aead.ts";
import { randomBytes, sha256 } from "../crypto/hash.ts";
import type { PeerName } from "../driver/ports.ts";

const keyIdLength = 8;
/** What sealing adds to a message. */
export const sealOverhead = keyIdLength + overhead;
/** Keys kept per sender: the current one and the one before it. */
const keysPerSender = 2;
/** Frames whose key is still on its way, per sender. */
const parkedFrames = 64;
const parkedBytes = 512 * 1024;
/** Messages of one sender may overtake each other by this many. */
const replayWindow = 4_096;

export type Opened =
  | { readonly kind: "ok"; readonly bytes: Uint8Array }
  /** Seen before, or older than the replay window. */
  | { readonly kind: "replayed" }
  /** Its key is not known yet. `ask`: ask the sender for it, once per key. */
  | { readonly kind: "parked"; readonly ask: boolean }
  /** Like parked, with no room for it. */
  | { readonly kind: "dropped"; readonly ask: boolean }
  /** The sender signed bytes that its own key did not seal. */
  | { readonly kind: "forged" };

export interface Sealing {
  seal(bytes: Uint8Array): Uint8Array;
  open(from: PeerName, frame: Uint8Array): Opened;
  /** The current key, as it is handed to peers. */
  readonly ownKey: Uint8Array;
  /** Draws the next key. What was sealed before stays readable to those who had the last one. */
  rotate(): void;
  /** A sender handed over its key; gives what waited for it. Undefined when the bytes are none. */
  learn(from: PeerName, key: Uint8Array): readonly Uint8Array[] | undefined;
  /** The sender is not allowed any more. */
  forget(from: PeerName): void;
}

interface SenderKey {
  readonly id: string;
  readonly key: Uint8Array;
  highest: number;
  /** Bit (counter mod window) is set when that counter came. */
  readonly seen: Uint32Array;
}

interface Sender {
  readonly context: Uint8Array;
  keys: SenderKey[];
  parked: Uint8Array[];
  parkedBytes: number;
  /** The unknown key that was asked for. */
  asked: string | undefined;
}

/** `scope` separates chains; `self` is bound into every seal, so that a frame cannot be claimed by another sender. */
export function createSealing(scope: string, self: PeerName): Sealing {
  const senders = new Map<PeerName, Sender>();
  const ownContext = contextOf(scope, self);
  let ownKey = randomBytes(keyLength);
  let ownId = keyId(ownKey);
  let sealer: Sealer = createSealer(ownKey);

  function senderOf(name: PeerName): Sender {
    const known = senders.get(name);
    if (known) return known;
    const sender = { context: contextOf(scope, name), keys: [], parked: [], parkedBytes: 0, asked: undefined };
    senders.set(name, sender);
    return sender;
  }

  function park(sender: Sender, id: string, frame: Uint8Array): Opened {
    const ask = sender.asked !== id;
    sender.asked = id;
    if (sender.parked.length >= parkedFrames || sender.parkedBytes + frame.length > parkedBytes)
      return { kind: "dropped", ask };
    sender.parked.push(frame);
    sender.parkedBytes += frame.length;
    return { kind: "parked", ask };
  }

  return {
    seal(bytes) {
      const sealed = sealer.seal(bytes, ownContext);
      const frame = Buffer.allocUnsafe(keyIdLength + sealed.length);
      frame.set(ownId);
      frame.set(sealed, keyIdLength);
      return frame;
    },
    open(from, frame) {
      if (frame.length < sealOverhead) return { kind: "forged" };
      const sender = senderOf(from);
      const id = text(frame.subarray(0, keyIdLength));
      const key = sender.keys.find((known) => known.id === id);
      if (!key) return park(sender, id, frame);
      const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
      const counter = view.getUint32(keyIdLength) * 0x1_0000_0000 + view.getUint32(keyIdLength + 4);
      if (isReplay(key, counter)) return { kind: "replayed" };
      const bytes = open(key.key, frame.subarray(keyIdLength), sender.context);
      if (!bytes) return { kind: "forged" };
      remember(key, counter);
      return { kind: "ok", bytes };
    },
    get ownKey() {
      return ownKey;
    },
    rotate() {
      ownKey = randomBytes(keyLength);
      ownId = keyId(ownKey);
      sealer = createSealer(ownKey);
    },
    learn(from, key) {
      if (key.length !== keyLength) return undefined;
      const sender = senderOf(from);
      const id = text(keyId(key));
      // A key that comes again keeps its counters: forgetting them would let its messages be replayed.
      if (!sender.keys.some((known) => known.id === id)) {
        const fresh = { id, key: key.slice(), highest: -1, seen: new Uint32Array(replayWindow / 32) };
        sender.keys = [fresh, ...sender.keys].slice(0, keysPerSender);
      }
      if (sender.asked === id) sender.asked = undefined;
      const waiting = sender.parked;
      sender.parked = [];
      sender.parkedBytes = 0;
      return waiting.filter((frame) => text(frame.subarray(0, keyIdLength)) === id);
    },
    forget(from) {
      senders.delete(from);
    },
  };
}

/** Has the counter come before, or is it too old to tell? (RFC 6479) */
function isReplay(key: SenderKey, counter: number): boolean {
  if (counter > key.highest) return false;
  if (counter <= key.highest - replayWindow) return true;
  const bit = counter % replayWindow;
  return ((key.seen[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
}

function remember(key: SenderKey, counter: number): void {
  if (counter > key.highest) {
    if (counter - key.highest >= replayWindow) key.seen.fill(0);
    else for (let next = key.highest + 1; next < counter; next += 1) setBit(key.seen, next % replayWindow, false);
    key.highest = counter;
  }
  setBit(key.seen, counter % replayWindow, true);
}

function setBit(words: Uint32Array, bit: number, on: boolean): void {
  const word = words[bit >>> 5] ?? 0;
  words[bit >>> 5] = on ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
}

/** Names a key without telling it. */
function keyId(key: Uint8Array): Uint8Array {
  return sha256(Buffer.from("validator-swarm/v1/sender-key"), key).subarray(0, keyIdLength);
}

function contextOf(scope: string, sender: PeerName): Uint8Array {
  return Buffer.from(`${scope} ${sender}`);
}

function text(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}
