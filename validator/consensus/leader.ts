/** Who leads a view: a draw weighted by power from the epoch's beacon (consensus.md, Leaders). */
import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import type { EpochConfig, SeatIndex, View } from "./types.ts";
import { seatIndex } from "./types.ts";

/** The draws of an epoch asked for lately: every rule asks again, and a hash costs as much as the rule. */
const drawnOf = new WeakMap<EpochConfig, Map<View, SeatIndex>>();
const mostDrawn = 1_024;

/** The member whose slice of the power line holds `H(beacon ‖ view) mod W`. */
export function leader(config: EpochConfig, view: View): SeatIndex {
  const drawn = drawnOf.get(config) ?? new Map<View, SeatIndex>();
  const known = drawn.get(view);
  if (known !== undefined) return known;
  if (drawn.size >= mostDrawn) drawn.clear();
  const seat = draw(config, view);
  drawnOf.set(config, drawn.set(view, seat));
  return seat;
}

function draw(config: EpochConfig, view: View): SeatIndex {
  const seed = new Uint8Array(40);
  seed.set(hexToBytes(config.beacon), 0);
  new DataView(seed.buffer).setBigUint64(32, BigInt(view), true);
  const drawn = new DataView(sha256(seed).buffer);
  // 48 bits over a total power far below 2^24: the bias of the remainder is under one in sixteen million.
  const point = drawn.getUint32(0, true) * 0x10000 + drawn.getUint16(4, true);
  const total = config.members.reduce((sum, member) => sum + member.power, 0);
  let rest = point % total;
  for (const [index, member] of config.members.entries()) {
    rest -= member.power;
    if (rest < 0) return seatIndex(index);
  }
  throw new Error("the draw fell outside the power line");
}
