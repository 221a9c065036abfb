/**
 * The kinds of field that a spec is made of. Each carries what the CRD needs beside what zod checks: a rule about text
 * becomes a CEL rule with the same sentence, because an API server's answer to a `pattern` names no fix.
 */
import { z } from "zod";
import { compareQuantities, maxQuantityLength, quantityShape } from "../rules/quantities.ts";

/** A schema's extra keys that the CRD generator reads. */
export interface CrdMeta {
  readonly "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-preserve-unknown-fields"?: true;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-validations"?: readonly { readonly rule: string; readonly message: string }[];
  readonly maxLength?: number;
  readonly maxProperties?: number;
}

/** Text of one shape: `what` is the sentence that says how it must be, such as "must be upper-case". */
export function text(shape: RegExp, maxLength: number, what: string) {
  const meta: CrdMeta = {
    maxLength,
    "x-kubernetes-validations": [{ rule: `self.matches(${celText(shape.source)})`, message: sentence(what) }],
  };
  // The length first: a shape is never tried on text of any length.
  return z
    .string()
    .refine((value) => value.length <= maxLength && shape.test(value), what)
    .meta({ ...meta });
}

/** Any text up to a length in code points, which are what an API server counts. */
export function anyText(maxLength: number) {
  const fits = (value: string) =>
    value.length <= maxLength || (value.length <= 2 * maxLength && [...value].length <= maxLength);
  return z.string().refine(fits, `must have at most ${maxLength} characters`).meta({ maxLength });
}

/** A list whose entries are told apart by some of their fields; naming one twice is refused. */
export function listMap<Entry extends z.ZodObject>(entry: Entry, keys: readonly string[], maxItems: number) {
  const meta: CrdMeta = { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys };
  return z
    .array(entry)
    .max(maxItems)
    .superRefine((entries, context) => {
      const names = entries.map((each) => keys.map((key) => String(each[key])).join(" "));
      for (const twice of duplicates(names))
        context.addIssue({ code: "custom", message: `"${twice}" is listed twice. Remove one of the two.` });
    })
    .meta({ ...meta });
}

/** Different texts. They have no order, for an API server neither: they are read in ascending order, so that equal sets are equal. */
export function setOf<Item extends z.ZodType<string>>(item: Item, maxItems: number) {
  const meta: CrdMeta = { "x-kubernetes-list-type": "set" };
  return z
    .array(item)
    .max(maxItems)
    .superRefine((items, context) => {
      for (const twice of duplicates(items))
        context.addIssue({ code: "custom", message: `"${twice}" is listed twice. Remove one of the two.` });
    })
    .overwrite((items) => items.toSorted())
    .meta({ ...meta });
}

/** A map of bounded size. An API server bounds no keys: those of the wrong shape are refused offline and by the operator. */
export function mapOf<Value extends z.ZodType>(key: z.ZodType<string, string>, value: Value, maxProperties: number) {
  const meta: CrdMeta = { maxProperties };
  return z
    .record(key, value)
    .refine((entries) => Object.keys(entries).length <= maxProperties, `must have at most ${maxProperties} entries`)
    .meta({ ...meta });
}

/** Key of a label, an annotation or a taint. */
export const labelKey = () =>
  text(
    /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
    317,
    "must be the key of a label, such as topology.kubernetes.io/zone",
  );

/** Value of a label or a taint. */
export const labelValue = () =>
  text(
    /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
    63,
    "must be the value of a label: at most 63 letters, digits, dots, dashes and underscores",
  );

/** Labels. */
export const labels = (maxProperties: number) => mapOf(labelKey(), labelValue(), maxProperties).default({});

/** Annotations. */
export const annotations = (maxProperties: number) => mapOf(labelKey(), anyText(16_384), maxProperties).default({});

/** Deepest nesting inside an embedded type, levels: Kubernetes' own have fewer than 12. */
const maxDepth = 32;
const isWithin = (value: unknown, depth: number): boolean =>
  typeof value !== "object" ||
  value === null ||
  (depth > 0 && Object.values(value).every((each) => isWithin(each, depth - 1)));

/** A Kubernetes type embedded whole: checked by the API server when the pod or service is made. */
export function embedded(type: string) {
  const meta: CrdMeta = { "x-kubernetes-preserve-unknown-fields": true };
  return z
    .record(z.string(), z.unknown())
    .refine((value) => isWithin(value, maxDepth), `must be nested at most ${maxDepth} levels deep`)
    .meta({ ...meta, description: `A Kubernetes ${type}.` });
}

const celQuantity = celText(quantityShape.source);

/** A Kubernetes quantity as text or whole number, such as `500m`. */
export function quantityOrNumber() {
  const what = "must be a quantity such as 500m, 2 or 4Gi";
  const meta: CrdMeta = {
    "x-kubernetes-int-or-string": true,
    "x-kubernetes-validations": [{ rule: `string(self).matches(${celQuantity})`, message: sentence(what) }],
  };
  return z
    .union([z.int(), z.string()])
    .refine((value) => quantityShape.test(String(value)), what)
    .meta({ ...meta });
}

/** Size of a volume: at least 1Gi. */
export function volumeSize() {
  const what = "must be a quantity of at least 1Gi, such as 20Gi";
  const meta: CrdMeta = {
    maxLength: maxQuantityLength,
    "x-kubernetes-validations": [
      {
        rule: `self.matches(${celQuantity}) && quantity(self).compareTo(quantity('1Gi')) >= 0`,
        message: sentence(what),
      },
    ],
  };
  return z
    .string()
    .refine((value) => quantityShape.test(value) && compareQuantities(value, "1Gi") >= 0, what)
    .meta({ ...meta });
}

/** Seconds within bounds. */
export const seconds = (least: number, most: number) => z.int().min(least).max(most);

/** Lower-case name of a swarm or a region. */
export const shortName = () =>
  text(
    /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/,
    40,
    "must be lower-case letters, digits and dashes, start with a letter, and be at most 40 characters",
  );

/** Name of another object of the same namespace (RFC 1123 subdomain). */
export const objectName = () =>
  text(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    253,
    "must be the name of an object: lower-case letters, digits, dots and dashes, at most 253 characters",
  );

/** Residency zone, such as EU. */
export const residencyZone = () => text(/^[A-Z][A-Z0-9-]{0,31}$/, 32, "must be upper-case, such as EU");

/** Public key or proof as lower-case hexadecimal. */
export const hex = (bytes: number, what: string) =>
  text(
    new RegExp(`^[0-9a-f]{${2 * bytes}}$`),
    2 * bytes,
    `must be ${what}, ${2 * bytes} lower-case hexadecimal digits`,
  );

/** TCP multiaddress. */
export const multiaddress = () =>
  text(
    /^\/(ip4|ip6|dns|dns4|dns6)\/[A-Za-z0-9.:-]+\/tcp\/([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$/,
    300,
    "must be a TCP multiaddress such as /dns4/seat.example.org/tcp/7100",
  );

/** "a lower-case sentence" as "A lower-case sentence." */
export function sentence(what: string): string {
  return `${what.charAt(0).toUpperCase()}${what.slice(1)}.`.replace(/\.\.$/, ".");
}

/** A text as a CEL literal. */
function celText(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function duplicates(values: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(values.filter((value) => seen.size === seen.add(value).size));
}
