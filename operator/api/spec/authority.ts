/** In whose name the operator acts on chain. Not part of genesis: keys are replaced while a chain lives. */
import { z } from "zod";
import { hex, objectName } from "./fields.ts";

/** `spec.authority`. */
export const authority = z
  .strictObject({
    keySecretName: objectName().optional().meta({
      description:
        "Secret whose `key` is the ed25519 seed the operator signs with: one of the governance set's, or the delegate of its seats. Absent: `<swarm>-governance`, made by the operator when it is missing.",
    }),
    seatOwner: hex(32, "an ed25519 public key").optional().meta({
      description:
        "Key of the institution whose seats are run from here, hexadecimal. The operator's key is then their delegate: it rotates and repairs them, and everything else takes the governance set. Absent: the seats have no owner.",
    }),
  })
  .prefault({});
