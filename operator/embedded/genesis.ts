/** Genesis of a swarm on one machine: what the manifest says and what the validators report about their own keys. */
import { join } from "node:path";
import { currencyOf } from "../../gateway/iso20022/currencies.ts";
import { verifyPossession } from "../../validator/crypto/bls.ts";
import { canonicalJson, type GenesisDocument, parseGenesis } from "../../validator/ledger/genesis.ts";
import type { Account, Institution } from "../api/spec/genesis.ts";
import type { ValidatorSwarm } from "../api/validator-swarm.ts";
import { developmentKey } from "./keys.ts";
import { hex } from "./seat-status.ts";
import type { Seat } from "./seats.ts";
import type { Identity } from "./validator-link.ts";
import type { SwarmLayout } from "./volumes.ts";

export type AssembledGenesis =
  | { readonly kind: "ok"; readonly bytes: Uint8Array }
  | { readonly kind: "invalid"; readonly reason: string };

/** Makes the document's canonical bytes. Development keys are made for institutions and governance that bring none. */
export function assembleGenesis(
  swarm: ValidatorSwarm,
  seats: readonly Seat[],
  identities: ReadonlyMap<string, Identity>,
  layout: SwarmLayout,
): AssembledGenesis {
  const { faultModel, genesis, consensus } = swarm.spec;
  const impostor = seats.find(({ name }) => !provesPossession(identities.get(name)));
  if (impostor) return { kind: "invalid", reason: `${impostor.identity} does not prove that it holds its key.` };

  const accounts = genesis.accounts.map(toGenesisAccount);
  const wrong = accounts.find((account) => account.kind === "invalid");
  if (wrong) return wrong;

  const { keys, threshold } = genesis.governance;
  const { coverage, ...parameters } = consensus;
  const { requiredRegions } = coverage;
  const document: GenesisDocument = {
    chainName: swarm.metadata.name,
    time: Date.now(),
    faultModel,
    members: seats.map(({ name, power, region, zones }) => {
      const identity = identities.get(name);
      if (identity === undefined) throw new Error(`no identity of ${name}`);
      return {
        id: name,
        power,
        region,
        zones: [...zones],
        blsKey: hex(identity.blsKey),
        peerKey: hex(identity.peerKey),
        proofOfPossession: hex(identity.proofOfPossession),
      };
    }),
    ...(requiredRegions === undefined ? {} : { requiredRegions }),
    parameters,
    governance: { threshold, keys: keys.length > 0 ? keys : [developmentKey(join(layout.governance, "key.hex"))] },
    zones: [...new Set(swarm.spec.regions.flatMap(({ zones }) => zones))].sort(),
    institutions: genesis.institutions.map((institution) => ({
      bic: institution.bic,
      key: institution.key ?? developmentKey(institutionKeyFile(layout, institution)),
    })),
    accounts: accounts.flatMap((account) => (account.kind === "ok" ? [account.account] : [])),
    expiryWindow: genesis.expiryWindowSeconds * 1_000,
  };
  const bytes = Buffer.from(canonicalJson(document), "utf8");
  const parsed = parseGenesis(document);
  return parsed.kind === "ok" ? { kind: "ok", bytes } : { kind: "invalid", reason: parsed.reasons.join(" ") };
}

export type CheckedGenesis =
  | { readonly kind: "ok"; readonly chainId: string }
  | { readonly kind: "invalid"; readonly reason: string };

/** Does the chain's document still fit the volumes? A volume that was lost brings another key. */
export function checkGenesis(
  document: Uint8Array,
  seats: readonly Seat[],
  identities: ReadonlyMap<string, Identity>,
): CheckedGenesis {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(document).toString("utf8"));
  } catch {
    return { kind: "invalid", reason: "The genesis document is damaged." };
  }
  const parsed = parseGenesis(json);
  if (parsed.kind === "refused")
    return { kind: "invalid", reason: `The genesis document is wrong: ${parsed.reasons[0]}.` };
  const members = new Map(parsed.genesis.members.map((member) => [member.id, member.blsKey]));
  const lost = seats.find(({ name }) => members.get(name) !== hex(identities.get(name)?.blsKey ?? new Uint8Array()));
  if (members.size !== seats.length)
    return {
      kind: "invalid",
      reason: `The chain has ${members.size} seats, the manifest asks for ${seats.length}: seats change through governance.`,
    };
  if (lost)
    return { kind: "invalid", reason: `${lost.identity} has another key than the chain knows: its volume was lost.` };
  return { kind: "ok", chainId: parsed.chainId };
}

/** Where the development key of an institution is kept. */
export function institutionKeyFile(layout: SwarmLayout, { bic }: Pick<Institution, "bic">): string {
  return join(layout.institutions, `${bic}.hex`);
}

function provesPossession(identity: Identity | undefined): boolean {
  return identity !== undefined && verifyPossession(identity.blsKey, identity.peerKey, identity.proofOfPossession);
}

type GenesisAccount = NonNullable<GenesisDocument["accounts"]>[number];

type ConvertedAccount =
  | { readonly kind: "ok"; readonly account: GenesisAccount }
  | { readonly kind: "invalid"; readonly reason: string };

function toGenesisAccount(account: Account): ConvertedAccount {
  const { institution, currency } = account;
  const digits = currencyOf(currency)?.digits;
  if (digits === undefined)
    return {
      kind: "invalid",
      reason: `${institution} has an account in ${currency}, which is no ISO 4217 currency.`,
    };
  const minor = (amount: string) => minorUnits(amount, digits);
  const amounts = [account.balance, account.debitCap, account.paymentLimit, account.dayLimit];
  const wrong = amounts.find((amount) => amount !== undefined && minor(amount) === undefined);
  if (wrong !== undefined)
    return { kind: "invalid", reason: `${institution} ${currency}: ${wrong} has more than ${digits} decimals.` };
  const limit = (amount: string | undefined) => (amount === undefined ? undefined : minor(amount));
  const perPaymentLimit = limit(account.paymentLimit);
  const perDayLimit = limit(account.dayLimit);
  return {
    kind: "ok",
    account: {
      institution,
      currency,
      openingBalance: minor(account.balance) ?? "0",
      debitCap: minor(account.debitCap) ?? "0",
      ...(perPaymentLimit === undefined ? {} : { perPaymentLimit }),
      ...(perDayLimit === undefined ? {} : { perDayLimit }),
    },
  };
}

/** "12.5" in a currency of two digits is "1250"; `undefined` when it has more digits than the currency. */
export function minorUnits(amount: string, digits: number): string | undefined {
  const [whole = "0", fraction = ""] = amount.split(".");
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > digits) return undefined;
  return (whole + kept.padEnd(digits, "0")).replace(/^0+(?=\d)/, "");
}
