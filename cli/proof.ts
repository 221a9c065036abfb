/** `swarm proof UETR` */
import { writeFileSync } from "node:fs";
import { normalizeUuid } from "../gateway/iso20022/uetr.ts";
import { fetchProof } from "../operator/proofs.ts";
import { connectSettlement } from "./connect.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { findValidators, type OpenWorld, type ValidatorOptions } from "./find.ts";
import { type Output, writeJson } from "./output.ts";
import type { ProofResult } from "./shapes.ts";

export interface ProofOptions extends ValidatorOptions {
  readonly out?: string;
}

/** Fetches the proof from any validator and writes it to a file, or to standard output for `-`. */
export async function showProof(
  open: OpenWorld,
  text: string,
  options: ProofOptions,
  output: Output,
): Promise<ExitCode> {
  const uetr = normalizeUuid(text);
  if (uetr === undefined) {
    output.error(`${text} is no UETR: it has 36 characters, such as 8a562c67-ca16-48ba-b074-65581be6f001.`);
    return exitCodes.usage;
  }
  const found = await findValidators(open, options);
  if (found.kind === "failed") {
    output.error(found.reason);
    return found.code;
  }
  const proof = await fetchProof(found.urls.map(connectSettlement), found.institutions, uetr);
  switch (proof.kind) {
    case "unreachable":
      output.error("No validator answers. Is the swarm still running?");
      return exitCodes.unreachable;
    case "none":
      output.error(`There is no proof: ${proof.reason}`);
      return exitCodes.notFound;
    case "proof": {
      const file = options.out ?? `${uetr}.proof`;
      if (file === "-") {
        process.stdout.write(proof.bytes);
        return exitCodes.ok;
      }
      try {
        writeFileSync(file, proof.bytes);
      } catch (error) {
        output.error(`${file} cannot be written: ${error instanceof Error ? error.message : error}.`);
        return exitCodes.usage;
      }
      const { length } = proof.bytes;
      if (output.json) writeJson(output, { uetr, file, bytes: length } satisfies ProofResult);
      else output.line(`${file}: ${length} bytes. Verify it with: swarm verify-proof ${file}`);
      return exitCodes.ok;
    }
  }
}
