/** Keeps dialling the peers that are allowed and not connected, each on its own backoff. */
import type { PeerAddress, PeerName } from "../driver/ports.ts";
import type { NetworkLimits } from "./limits.ts";

export interface Dialling {
  /** Replaces who is dialled and where. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** A connection that was ready ended: dial at once, then ever less often. */
  lost(peer: PeerName): void;
  stop(): void;
}

export interface DiallingOptions {
  readonly self: PeerName;
  readonly limits: NetworkLimits;
  /** "ready": nothing to do. "connecting": a connection stands, but it is not agreed yet by both sides. */
  readonly state: (peer: PeerName) => "none" | "connecting" | "ready";
  /** Not to be dialled now. */
  readonly banned: (peer: PeerName) => boolean;
  /** One attempt at all addresses; resolves when it is over, however it ended. */
  readonly dial: (peer: PeerAddress) => Promise<void>;
}

interface Target {
  peer: PeerAddress;
  delay: number;
  timer: NodeJS.Timeout | undefined;
  dialling: boolean;
}

export function createDialling(options: DiallingOptions): Dialling {
  const { self, limits } = options;
  const targets = new Map<PeerName, Target>();

  function schedule(target: Target, delay: number): void {
    clearTimeout(target.timer);
    target.timer = setTimeout(() => void attempt(target), delay);
  }

  /** Two members that dial each other would make two connections: the smaller id goes first. */
  function grace(target: Target): number {
    return self < target.peer.peer ? 0 : limits.dialGraceMs;
  }

  async function attempt(target: Target): Promise<void> {
    if (target.dialling) return;
    const state = options.state(target.peer.peer);
    if (state === "ready") return;
    if (state === "none" && !options.banned(target.peer.peer)) {
      target.dialling = true;
      await options.dial(target.peer);
      target.dialling = false;
    }
    // Also after success: the other side may refuse once it knows who called, and each refusal must wait longer.
    if (targets.get(target.peer.peer) !== target) return;
    const jitter = 1 + Math.random() / 2;
    schedule(target, target.delay * jitter);
    target.delay = Math.min(target.delay * 2, limits.redialMaxMs);
  }

  function begin(target: Target): void {
    target.delay = limits.redialMs;
    schedule(target, grace(target));
  }

  return {
    setPeers(peers) {
      const wanted = new Map(peers.filter((peer) => peer.addresses.length > 0).map((peer) => [peer.peer, peer]));
      for (const [name, target] of targets) {
        if (wanted.has(name)) continue;
        clearTimeout(target.timer);
        targets.delete(name);
      }
      for (const peer of wanted.values()) {
        const known = targets.get(peer.peer);
        if (known) {
          known.peer = peer;
          continue;
        }
        const target: Target = { peer, delay: limits.redialMs, timer: undefined, dialling: false };
        targets.set(peer.peer, target);
        begin(target);
      }
    },
    lost(peer) {
      const target = targets.get(peer);
      if (target) begin(target);
    },
    stop() {
      for (const target of targets.values()) clearTimeout(target.timer);
      targets.clear();
    },
  };
}
