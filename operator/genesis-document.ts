/** The genesis document of a swarm: what the spec says, and the members with the keys that their volumes made. */
import { currencyOf } from "../gateway/iso20022/currencies.ts";
import { verifyPossession } from "../validator/crypto/bls.ts";
import { canonicalJson, type GenesisDocument, parseGenesis, type Recovery } from "../validator/ledger/genesis.ts";
import type { Account } from "./api/spec/genesis.ts";
import type { ValidatorSwarmSpec } from "./api/validator-swarm.ts";
import type { MemberChange } from "./plan/transactions.ts";

export type GenesisResult =
  | { readonly kind: "ok"; readonly bytes: Uint8Array; readonly chainId: string }
  /** A sentence that names what to change in the spec. */
  | { readonly kind: "invalid"; readonly reason: string };

export interface GenesisOrder {
  readonly name: string;
  readonly spec: ValidatorSwarmSpec;
  readonly members: readonly MemberChange[];
  /** Members that are run from here: the operator acts for their seats. */
  readonly managed: ReadonlySet<string>;
  /** ed25519 public key with which the operator signs, hexadecimal. */
  readonly operatorKey: string;
  /** ed25519 public keys of institutions, by BIC, hexadecimal: where the spec has none. */
  readonly institutionKeys: ReadonlyMap<string, string>;
  /** The chain goes on from another one: institutions, accounts and governance are that one's. */
  readonly restored?: Recovery | undefined;
  /** ms since the Unix epoch: the chain's time starts with it. */
  readonly time: number;
}

/** The document's canonical bytes. Without governance keys in the spec the operator governs alone. */
export function genesisDocument(order: GenesisOrder): GenesisResult {
  const { name, spec, members, managed, operatorKey, institutionKeys, time, restored } = order;
  const { faultModel, genesis, consensus, authority } = spec;
  const impostor = members.find((member) => !provesPossession(member));
  if (impostor) return invalid(`${impostor.id} does not prove that it holds its key.`);

  const accounts = genesis.accounts.map(accountOf);
  const wrong = accounts.find((account) => account.kind === "invalid");
  if (wrong) return wrong;
  const { keys, threshold } = genesis.governance;
  // Seats of an institution are its own, and the operator's to rotate and repair; seats of nobody take the governance set.
  const { seatOwner } = authority;
  const ownership = seatOwner === undefined ? {} : { owner: seatOwner, delegate: operatorKey };

  const { coverage, ...parameters } = consensus;
  const { requiredRegions } = coverage;
  const owners = new Map(spec.members.map(({ id, owner }) => [id, owner]));
  const document: GenesisDocument = {
    chainName: name,
    time,
    faultModel,
    members: members.map((member) => {
      const owner = owners.get(member.id);
      return {
        id: member.id,
        power: member.power,
        region: member.region,
        zones: [...member.zones],
        blsKey: member.keys.blsKey,
        peerKey: member.keys.peerKey,
        proofOfPossession: member.proofOfPossession ?? "",
        ...(managed.has(member.id) ? ownership : owner === undefined ? {} : { owner }),
      };
    }),
    ...(requiredRegions === undefined ? {} : { requiredRegions }),
    parameters,
    governance: { threshold, keys: keys.length > 0 ? [...keys] : [operatorKey] },
    zones: [...new Set([...spec.regions, ...spec.members].flatMap(({ zones }) => zones))].sort(),
    ...(restored
      ? { restored }
      : {
          institutions: genesis.institutions.map(({ bic, key = institutionKeys.get(bic) ?? "" }) => ({ bic, key })),
          accounts: accounts.flatMap((account) => (account.kind === "ok" ? [account.account] : [])),
        }),
    expiryWindow: genesis.expiryWindowSeconds * 1_000,
  };
  const parsed = parseGenesis(document);
  if (parsed.kind === "refused") return invalid(parsed.reasons.join(" "));
  return { kind: "ok", bytes: Buffer.from(canonicalJson(document), "utf8"), chainId: parsed.chainId };
}

/** Names the chain of a document that `genesisDocument` made, hexadecimal; "" when it is none. */
export function chainIdOf(document: Uint8Array): string {
  try {
    const parsed = parseGenesis(JSON.parse(Buffer.from(document).toString("utf8")));
    return parsed.kind === "ok" ? parsed.chainId : "";
  } catch {
    return "";
  }
}

const invalid = (reason: string) => ({ kind: "invalid", reason }) as const;

function provesPossession({ keys, proofOfPossession }: MemberChange): boolean {
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  return (
    proofOfPossession !== undefined &&
    verifyPossession(bytes(keys.blsKey), bytes(keys.peerKey), bytes(proofOfPossession))
  );
}

type GenesisAccount = NonNullable<GenesisDocument["accounts"]>[number];

type ConvertedAccount =
  | { readonly kind: "ok"; readonly account: GenesisAccount }
  | { readonly kind: "invalid"; readonly reason: string };

function accountOf(account: Account): ConvertedAccount {
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
