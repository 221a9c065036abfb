/** `swarm proof UETR` */
import { writeFileSync } from "node:fs";
import { normalizeUuid } from "../gateway/iso20022/uetr.ts";
import { fetchProof } from "../operator/proofs.ts";
import { connectSettlement } from "./connect.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import type { Found } from "./find.ts";
import type { Output } from "./output.ts";

/** Fetches the proof from any validator and writes it to a file, or to standard output for `-`. */
export async function showProof(
  { endpoints }: Found,
  text: string,
  out: string | undefined,
  output: Output,
): Promise<ExitCode> {
  const uetr = normalizeUuid(text);
  if (uetr === undefined) {
    output.error(`${text} is no UETR: it has 36 characters, such as 8a562c67-ca16-48ba-b074-65581be6f001.`);
    return exitCodes.usage;
  }
  const proof = await fetchProof(
    endpoints.seats.map(({ rpc }) => connectSettlement(rpc)),
    endpoints.institutions.length,
    uetr,
  );
  switch (proof.kind) {
    case "unreachable":
      output.error("No validator answers. Is the swarm still running?");
      return exitCodes.unreachable;
    case "none":
      output.error(`There is no proof: ${proof.reason}`);
      return exitCodes.failed;
    case "proof": {
      const file = out ?? `${uetr}.proof`;
      if (file === "-") process.stdout.write(proof.bytes);
      else {
        writeFileSync(file, proof.bytes);
        const { length } = proof.bytes;
        output.line(
          output.json
            ? JSON.stringify({ uetr, file, bytes: length })
            : `${file}: ${length} bytes. Verify it with: swarm verify-proof ${file}`,
        );
      }
      return exitCodes.ok;
    }
  }
}
