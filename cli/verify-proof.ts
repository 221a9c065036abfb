/** `swarm verify-proof FILE`: offline, from the genesis document alone. */
import { readFileSync } from "node:fs";
import { currencyByNumber } from "../gateway/iso20022/currencies.ts";
import { formatMinorUnits } from "../gateway/iso20022/money.ts";
import { uuidFromBytes } from "../gateway/iso20022/uetr.ts";
import { bold, dim, green, red, thousands } from "../operator/terminal.ts";
import { type TrustedGenesis, trustGenesis, verifyOffline } from "../operator/verification.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { failed } from "./failures.ts";
import { findGenesis, type OpenWorld } from "./find.ts";
import { type Output, writeJson } from "./output.ts";
import type { VerifyResult } from "./shapes.ts";

export interface VerifyOptions {
  readonly swarm?: string;
  /** File of the document that is trusted. */
  readonly genesis?: string;
}

export async function verifyProofFile(
  open: OpenWorld,
  file: string,
  options: VerifyOptions,
  output: Output,
): Promise<ExitCode> {
  const fail = (code: ExitCode, reason: string): ExitCode => {
    output.error(reason);
    return code;
  };
  const proof = read(file === "-" ? 0 : file);
  if (proof === undefined) return fail(exitCodes.usage, `${file} cannot be read.`);
  const found =
    options.genesis === undefined ? await findGenesis(open, options.swarm) : readGenesisFile(options.genesis);
  if (found.kind === "failed") return fail(found.code, found.reason);
  const trusted = trustGenesis(found.document);
  if (trusted.kind === "invalid") return fail(exitCodes.usage, `${found.name}: ${trusted.reason}.`);
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

function readGenesisFile(file: string): Awaited<ReturnType<typeof findGenesis>> {
  const document = read(file)?.toString("utf8");
  return document === undefined
    ? failed(exitCodes.usage, `${file} cannot be read.`)
    : { kind: "found", document, name: file };
}

function read(file: string | number): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
