/** `swarm verify-proof FILE` */
import { type CommonOptions, type ExitCode, exitCodes, type Output } from "./program.ts";

export async function verifyProofFile(
  file: string,
  _options: CommonOptions & { readonly genesis?: string },
  output: Output,
): Promise<ExitCode> {
  output.error(`${file} cannot be verified.`);
  return exitCodes.negative;
}
