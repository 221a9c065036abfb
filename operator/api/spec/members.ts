/** Seats that other institutions run: counted, never managed. */
import { z } from "zod";
import { hex, listMap, multiaddress, residencyZone, setOf, shortName, text } from "./fields.ts";

/** One entry of `spec.members`. */
export const member = z.strictObject({
  id: text(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    63,
    "must be lower-case letters, digits and dashes, at most 63 characters",
  ).meta({ description: "The seat's name on chain." }),
  power: z.int().min(1).max(1_000_000).meta({ description: "Its voting power." }),
  region: shortName().meta({
    description: "Region it is in. It may be one that `regions` does not list, where no seat is run from here.",
  }),
  zones: setOf(residencyZone(), 8).default([]).meta({ description: "Residency zones whose private data it may hold." }),
  blsKey: hex(48, "a BLS12-381 public key").meta({ description: "Key it votes with, hexadecimal." }),
  peerKey: hex(32, "an ed25519 public key").meta({ description: "Key its peers know it by, hexadecimal." }),
  proofOfPossession: hex(96, "a BLS12-381 proof of possession").meta({
    description: "Proves that it holds the secret half of `blsKey`.",
  }),
  owner: hex(32, "an ed25519 public key").optional().meta({
    description: "Key of the institution whose seat it is, hexadecimal. Absent: only the governance set acts for it.",
  }),
  addresses: setOf(multiaddress(), 8).min(1).meta({ description: "Where to dial it, multiaddresses." }),
});

/** `spec.members`. */
export const members = listMap(member, ["id"], 64).default([]);
