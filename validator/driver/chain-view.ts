/** What the driver reads of the executed state between two blocks. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { totals } from "../consensus/power.ts";
import { currencyByNumeric } from "../ledger/currencies.ts";
import type { SettlementLedger } from "../ledger/execute.ts";
import type { Directory, DirectoryInstitution } from "./services.ts";

export interface ChainView {
  /** The institution's ed25519 key; undefined when there is no such institution or it is suspended. */
  activeKey(institution: number): Uint8Array | undefined;
  /** Its key even while suspended: what execution compares signatures with. */
  key(institution: number): Uint8Array | undefined;
  /** Name of a zone by its index in messages: 0 is "". Undefined when the chain has no such zone. */
  zoneName(index: number): string | undefined;
  /** Longest life of a message, ms of block time. */
  readonly expiryWindow: number;
  /** Time of the newest executed block, or the anchor's. */
  readonly time: number;
  directory(): Directory;
}

export function chainViewOf(ledger: () => SettlementLedger, time: () => number): ChainView {
  let source: SettlementLedger["state"]["institutions"] | undefined;
  let institutions: readonly DirectoryInstitution[] = [];
  let directory: { readonly height: number; readonly value: Directory } | undefined;

  /** Keys are parsed again only when governance changed an institution: the ledger then has another array. */
  function parsed(): readonly DirectoryInstitution[] {
    const now = ledger().state.institutions;
    if (now === source) return institutions;
    source = now;
    institutions = now.map(({ bic, key, certificateSubject, suspended }, index) => ({
      index,
      bic,
      key: hexToBytes(key),
      certificateSubject,
      suspended,
    }));
    return institutions;
  }

  return {
    activeKey(institution) {
      const found = parsed()[institution];
      return found && !found.suspended ? found.key : undefined;
    },
    key: (institution) => parsed()[institution]?.key,
    zoneName: (index) => (index === 0 ? "" : ledger().state.zones[index - 1]),
    get expiryWindow() {
      return ledger().state.expiryWindow;
    },
    get time() {
      return time();
    },
    directory() {
      const { height } = ledger().executed;
      if (directory?.height !== height) directory = { height, value: directoryOf(ledger(), parsed()) };
      return directory.value;
    },
  };
}

function directoryOf({ state, accounts }: SettlementLedger, institutions: readonly DirectoryInstitution[]): Directory {
  const { members, faultModel } = state.set;
  return {
    chainId: state.chainId,
    institutions,
    accounts: Array.from({ length: accounts.count }, (_, index) => {
      const { institution, currency, balance, debitCap } = accounts.fields(index);
      return {
        index,
        institution,
        currency: currencyByNumeric(currency)?.alpha ?? "",
        balance: BigInt(balance),
        debitCap: BigInt(debitCap),
      };
    }),
    zones: state.zones,
    expiryWindow: state.expiryWindow,
    members: members.map(({ id, power, region }) => ({ seat: id, power, region })),
    faultPower: totals(members, faultModel).fault,
  };
}
