/**
 * Prometheus' text format, as far as prom-client writes it: one sample a line, `name{labels} value`. What a validator
 * serves is its own claim: a text that breaks the format, or is too long, is refused whole.
 */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Exposition =
  | { readonly kind: "samples"; readonly samples: readonly Sample[] }
  | { readonly kind: "refused"; readonly reason: string };

/** Most lines of one text: a validator of a hundred seats has some thousand. */
const mostLines = 20_000;
const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/s;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)",?/y;

/** The samples of the metrics asked for; other lines are looked at no further than their names. */
export function parseExposition(text: string, wanted: ReadonlySet<string>): Exposition {
  const lines = text.split("\n");
  if (lines.length > mostLines) return { kind: "refused", reason: `more than ${mostLines} lines` };
  const samples: Sample[] = [];
  for (const [i, each] of lines.entries()) {
    const name = /^[^{ #]*/.exec(each)?.[0] ?? "";
    if (!wanted.has(name)) continue;
    const sample = sampleOf(each);
    if (!sample) return { kind: "refused", reason: `line ${i + 1} is no sample` };
    samples.push(sample);
  }
  return { kind: "samples", samples };
}

function sampleOf(text: string): Sample | undefined {
  const [, name, inBraces = "", number = ""] = line.exec(text) ?? [];
  const value = numberOf(number);
  const labels = labelsOf(inBraces);
  return name === undefined || value === undefined || !labels ? undefined : { name, labels, value };
}

/** Undefined for what is no finite number: nothing that is counted or timed is infinite. */
export function numberOf(text: string): number | undefined {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function labelsOf(text: string): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = Object.create(null);
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const [, name, value] = label.exec(text) ?? [];
    if (name === undefined || value === undefined) return undefined;
    labels[name] = value.replaceAll(/\\(["\\n])/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}
