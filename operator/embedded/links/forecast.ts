/**
 * The weather that a person or a test wishes for, as the API has it: the ConfigMap `<swarm>-links`, whose entries are
 * `from.to: "cut"`, `"delay=80ms"`, `"rate=250000"` (bytes a second) or several of these with commas. `from` and `to`
 * are a pod's name, a seat, a region or `any`. Deleting the map, or an entry, heals.
 *
 *     kubectl create configmap quickstart-links --from-literal=eu-west.us-east=delay=40ms --from-literal=any.eu-west-0=cut
 */
import { fair, type Weather } from "./lane.ts";
import type { Pair } from "./links.ts";

export interface Member {
  readonly pod: string;
  readonly seat: string;
  readonly region: string;
}

export interface Forecast {
  /** Of a pair: of all entries that speak of it the worst counts. */
  readonly of: (from: Member, to: Member) => Weather;
  /** Sentences about entries that say nothing. */
  readonly problems: readonly string[];
}

interface Rule extends Pair {
  readonly weather: Weather;
}

export const forecastSuffix = "-links";
const longestDelayMs = 600_000;
const mostRate = 1e12;

export function readForecast(data: unknown): Forecast {
  const rules: Rule[] = [];
  const problems: string[] = [];
  for (const [key, text] of Object.entries(typeof data === "object" && data !== null ? data : {})) {
    const [from, to, ...rest] = key.split(".");
    const weather = readWeather(text);
    if (!from || !to || rest.length > 0) problems.push(`"${key}" is no pair: write from.to`);
    else if (typeof weather === "string") problems.push(`"${key}": ${weather}`);
    else rules.push({ from, to, weather });
  }
  const speaksOf = (word: string, { pod, seat, region }: Member) => ["any", pod, seat, region].includes(word);
  return {
    of: (from, to) =>
      rules
        .filter((rule) => speaksOf(rule.from, from) && speaksOf(rule.to, to))
        .reduce((worst, { weather }) => worse(worst, weather), fair),
    problems,
  };
}

/** A sentence when it cannot be read. */
function readWeather(text: unknown): Weather | string {
  if (typeof text !== "string") return "it is no text";
  let weather = fair;
  for (const part of text.split(",").map((one) => one.trim())) {
    const [, name, number] = /^(cut|delay|rate)(?:=(\d{1,15})(?:ms)?)?$/.exec(part) ?? [];
    const value = Number(number);
    if (name === "cut" && number === undefined) weather = { ...weather, cut: true };
    else if (name === "delay" && value <= longestDelayMs) weather = { ...weather, delayMs: value };
    else if (name === "rate" && value >= 1 && value <= mostRate) weather = { ...weather, bytesPerSecond: value };
    else return `"${part.slice(0, 40)}" is not cut, delay=80ms or rate=250000`;
  }
  return weather;
}

function worse(one: Weather, other: Weather): Weather {
  const rates = [one.bytesPerSecond, other.bytesPerSecond].filter((rate) => rate > 0);
  return {
    cut: one.cut || other.cut,
    delayMs: Math.max(one.delayMs, other.delayMs),
    bytesPerSecond: rates.length === 0 ? 0 : Math.min(...rates),
  };
}
