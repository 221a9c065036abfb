/** `swarm verify-proof FILE`: offline, from the genesis document alone. */
import { readFileSync } from "node:fs";
import { currencyByNumber } from "../gateway/iso20022/currencies.ts";
import { formatMinorUnits } from "../gateway/iso20022/money.ts";
import { uuidFromBytes } from "../gateway/iso20022/uetr.ts";
import { findEndpoints } from "../operator/embedded/endpoints.ts";
import { bold, dim, green, red, thousands } from "../operator/terminal.ts";
import { type TrustedGenesis, trustGenesis, verifyOffline } from "../operator/verification.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { type Output, writeJson } from "./output.ts";
import type { VerifyResult } from "./shapes.ts";

export async function verifyProofFile(
  file: string,
  options: { readonly swarm?: string; readonly genesis?: string },
  output: Output,
): Promise<ExitCode> {
  const found = options.genesis === undefined ? findEndpoints(options.swarm) : undefined;
  if (found?.kind === "none") {
    output.error(`${found.reason} Or name the genesis document that you trust with --genesis FILE.`);
    return exitCodes.usage;
  }
  const genesisFile = options.genesis ?? found?.endpoints.genesis ?? "";
  const proof = read(file === "-" ? 0 : file);
  const document = read(genesisFile);
  const missing = proof === undefined ? file : document === undefined ? genesisFile : undefined;
  if (proof === undefined || document === undefined) {
    output.error(`${missing} cannot be read.`);
    return exitCodes.usage;
  }
  const trusted = trustGenesis(document.toString("utf8"));
  if (trusted.kind === "invalid") {
    output.error(`${genesisFile}: ${trusted.reason}.`);
    return exitCodes.usage;
  }
  return show(proof, trusted.genesis, output);
}

function show(proof: Uint8Array, genesis: TrustedGenesis, output: Output): ExitCode {
  const verdict = verifyOffline(proof, genesis);
  const { chainName, chainId } = genesis;
  if (verdict.kind === "refused") {
    if (output.json) writeJson(output, { valid: false, reason: verdict.reason, chainId } satisfies VerifyResult);
    else output.line(`${red("NOT VALID")} for ${chainName}: ${verdict.reason}.`);
    return exitCodes.failed;
  }
  const { payment, institution, height, time, steps } = verdict;
  const currency = currencyByNumber(payment.currency);
  const bic = (account: number) => genesis.institutions[genesis.accounts[account] ?? -1] ?? `account ${account}`;
  const facts = {
    uetr: uuidFromBytes(payment.uetr),
    instructing: genesis.institutions[institution] ?? String(institution),
    from: bic(payment.debtor),
    to: bic(payment.creditor),
    amount: formatMinorUnits(BigInt(payment.amount), currency?.digits ?? 0),
    currency: currency?.code ?? String(payment.currency),
    height,
    time: new Date(time).toISOString(),
  };
  if (output.json) {
    writeJson(output, { valid: true, ...facts, chainId, steps } satisfies VerifyResult);
    return exitCodes.ok;
  }
  output.line(`${green("VALID")} for ${chainName}: payment ${bold(facts.uetr)} is settled.`);
  output.line(`${thousands(facts.amount)} ${facts.currency} from ${facts.from} to ${facts.to}, in block ${height}`);
  for (const { name, detail } of steps) output.line(`  ${name.padEnd(14)} ${dim(detail)}`);
  return exitCodes.ok;
}

function read(file: string | number): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
