/** What governance may do to the chain: each action is granted or refused with a reason; both are receipts. */
import type { Accounts } from "./accounts.ts";
import { maxBalance } from "./accounts.ts";
import type { ChainState, ValidatorSet } from "./chain-state.ts";
import { currencyByAlpha } from "./currencies.ts";
import { maxAccounts, maxInstitutions, parametersSchema } from "./genesis.ts";
import type { Action } from "./governance.ts";
import {
  addLearner,
  delegateSeat,
  type Granted,
  grant,
  type ProvesPossession,
  refuse,
  removeLearner,
  rotateSeat,
  setLearners,
  setMembers,
} from "./membership.ts";

/**
 * Executes an action whose signatures were found good. Changes `accounts` only when it grants. `before` is the set of
 * the epoch under way: all changes of one block together move at most F power from it.
 */
export function govern(
  state: ChainState,
  accounts: Accounts,
  action: Action,
  before: ValidatorSet,
  possesses: ProvesPossession,
): Granted {
  switch (action.kind) {
    case "add-institution": {
      if (findInstitution(state, action.institution.bic) >= 0)
        return refuse(`${action.institution.bic} is already on the chain`);
      if (state.institutions.length >= maxInstitutions) return refuse("the chain's table of institutions is full");
      return grant({ ...state, institutions: [...state.institutions, { ...action.institution, suspended: false }] });
    }
    case "suspend-institution":
    case "resume-institution": {
      const index = findInstitution(state, action.bic);
      if (index < 0) return refuse(`${action.bic} is not on the chain`);
      const suspended = action.kind === "suspend-institution";
      return grant({
        ...state,
        institutions: state.institutions.map((other, i) => (i === index ? { ...other, suspended } : other)),
      });
    }
    case "open-account": {
      const { account } = action;
      const institution = findInstitution(state, account.institution);
      const currency = currencyByAlpha(account.currency);
      if (institution < 0 || !currency) return refuse(`${account.institution} is not on the chain`);
      if (findAccount(state, accounts, account.institution, account.currency) >= 0)
        return refuse("the institution has an account in this currency");
      if (accounts.count >= maxAccounts) return refuse("the chain's table of accounts is full");
      const funded = issue(state, account.currency, account.openingBalance);
      if (!funded) return refuse("the money in this currency would not fit");
      accounts.open({
        ...limitsOf(account),
        institution,
        currency: currency.numeric,
        balance: account.openingBalance,
        day: 0,
        dayTotal: 0,
      });
      return grant(funded);
    }
    case "fund":
    case "withdraw": {
      const index = findAccount(state, accounts, action.institution, action.currency);
      if (index < 0) return refuse(`${action.institution} has no account in ${action.currency}`);
      const moved = action.kind === "fund" ? action.amount : -action.amount;
      const balance = (accounts.balance[index] ?? 0) + moved;
      if (balance > maxBalance) return refuse("the balance would not fit");
      if (balance < -(accounts.debitCap[index] ?? 0)) return refuse("the balance would fall below its debit cap");
      const next = issue(state, action.currency, moved);
      if (!next) return refuse("the money in this currency would not fit");
      accounts.balance[index] = balance;
      accounts.touch(index);
      return grant(next);
    }
    case "relimit": {
      const index = findAccount(state, accounts, action.institution, action.currency);
      if (index < 0) return refuse(`${action.institution} has no account in ${action.currency}`);
      if (action.debitCap !== undefined && (accounts.balance[index] ?? 0) < -action.debitCap)
        return refuse("the balance is already below the new debit cap");
      if (action.debitCap !== undefined) accounts.debitCap[index] = action.debitCap;
      if (action.perPaymentLimit !== undefined) accounts.perPaymentLimit[index] = action.perPaymentLimit;
      if (action.perDayLimit !== undefined) accounts.perDayLimit[index] = action.perDayLimit;
      accounts.touch(index);
      return grant(state);
    }
    case "set-members":
      return setMembers(state, action, before, possesses);
    case "rotate-seat":
      return rotateSeat(state, action, before, possesses);
    case "delegate-seat":
      return delegateSeat(state, action);
    case "add-learner":
      return addLearner(state, action);
    case "remove-learner":
      return removeLearner(state, action);
    case "set-learners":
      return setLearners(state, action.learners);
    case "set-parameters": {
      const parsed = parametersSchema(false).safeParse({ ...state.set.parameters, ...action.parameters });
      if (!parsed.success)
        return refuse(
          `parameters: ${parsed.error.issues.map((found) => `${found.path.join(".")} ${found.message}`).join("; ")}`,
        );
      return grant({ ...state, set: { ...state.set, parameters: parsed.data } });
    }
    case "set-governance": {
      if (action.threshold > action.keys.length) return refuse("the threshold is above the number of keys");
      if (new Set(action.keys).size !== action.keys.length) return refuse("a key is named twice");
      return grant({ ...state, governance: { ...state.governance, threshold: action.threshold, keys: action.keys } });
    }
  }
}

/** Money put in or taken out, recorded by currency: the sum that all its accounts hold must stay a safe integer. */
function issue(state: ChainState, currency: string, amount: number): ChainState | undefined {
  const total = (state.issued[currency] ?? 0) + amount;
  return Number.isSafeInteger(total) ? { ...state, issued: { ...state.issued, [currency]: total } } : undefined;
}

export function limitsOf(account: {
  readonly debitCap: number;
  readonly perPaymentLimit?: number | undefined;
  readonly perDayLimit?: number | undefined;
}) {
  return {
    debitCap: account.debitCap,
    perPaymentLimit: account.perPaymentLimit ?? Number.POSITIVE_INFINITY,
    perDayLimit: account.perDayLimit ?? Number.POSITIVE_INFINITY,
  };
}

function findInstitution(state: ChainState, bic: string): number {
  return state.institutions.findIndex((institution) => institution.bic === bic);
}

function findAccount(state: ChainState, accounts: Accounts, bic: string, alpha: string): number {
  const institution = findInstitution(state, bic);
  const numeric = currencyByAlpha(alpha)?.numeric;
  for (let i = 0; i < accounts.count; i++)
    if (accounts.institution[i] === institution && accounts.currency[i] === numeric) return i;
  return -1;
}
