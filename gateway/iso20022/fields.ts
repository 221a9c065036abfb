/** Checks of single values: dates, texts, bank identifiers. Each is asked the same few questions thousands of times. */
import { isValidBIC } from "ibantools";

const BIC = /^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/;
const MAX_REMEMBERED = 4096;
const checked = new Map<string, string>();

/** The eleven-letter form of a BIC (ISO 9362; eight letters mean the head office, `XXX`); undefined when it is none. */
export function normalizeBic(text: string): string | undefined {
  const known = checked.get(text);
  if (known !== undefined) return known;
  if (!BIC.test(text) || !isValidBIC(text)) return undefined;
  const bic = text.length === 8 ? `${text}XXX` : text;
  if (checked.size >= MAX_REMEMBERED) checked.clear();
  checked.set(text, bic);
  return bic;
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:Z|[+-]\d{2}:\d{2})?$/;

/** An ISO date as yyyymmdd; undefined when there is no such day. A time zone is allowed and has no say. */
export function parseDate(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || year < 1970) return undefined;
  return year * 10_000 + month * 100 + day;
}

/** yyyymmdd as an ISO date. */
export function formatDate(date: number): string {
  const text = String(date).padStart(8, "0");
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`;
}

const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?$/;

/** True for an ISO date and time that exists. */
export function isDateTime(text: string): boolean {
  const match = DATE_TIME.exec(text);
  return match !== null && parseDate(match[1]!) !== undefined;
}

/** True for a text of one to `max` characters, counted as XML Schema does. */
export function isText(text: string, max: number): boolean {
  if (text.length === 0) return false;
  return text.length <= max || [...text].length <= max;
}
