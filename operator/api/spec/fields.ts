/**
 * The kinds of field that a spec is made of. Each carries what the CRD needs beside what zod checks: a rule about text
 * becomes a CEL rule with the same sentence, because an API server's answer to a `pattern` names no fix.
 */
import { z } from "zod";

/** A schema's extra keys that the CRD generator reads. */
export interface CrdMeta {
  readonly "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-preserve-unknown-fields"?: true;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-validations"?: readonly { readonly rule: string; readonly message: string }[];
  readonly maxProperties?: number;
}

/** Text of one shape: `what` is the sentence that says how it must be, such as "must be upper-case". */
export function text(shape: RegExp, maxLength: number, what: string) {
  const meta: CrdMeta = {
    "x-kubernetes-validations": [{ rule: `self.matches(${celText(shape.source)})`, message: sentence(what) }],
  };
  // One problem at a time: what has the wrong shape is not also too long.
  return z
    .string()
    .regex(shape, { error: what, abort: true })
    .max(maxLength)
    .meta({ ...meta });
}

/** Any text up to a length, characters. */
export const anyText = (maxLength: number) => z.string().max(maxLength);

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

/** A list of different texts, in no order. */
export function setOf<Item extends z.ZodType<string>>(item: Item, maxItems: number) {
  const meta: CrdMeta = { "x-kubernetes-list-type": "set" };
  return z
    .array(item)
    .max(maxItems)
    .superRefine((items, context) => {
      for (const twice of duplicates(items))
        context.addIssue({ code: "custom", message: `"${twice}" is listed twice. Remove one of the two.` });
    })
    .meta({ ...meta });
}

/** A map of bounded size from any text. */
export function mapOf<Value extends z.ZodType>(value: Value, maxProperties: number) {
  const meta: CrdMeta = { maxProperties };
  return z
    .record(z.string().max(317), value)
    .refine((entries) => Object.keys(entries).length <= maxProperties, `must have at most ${maxProperties} entries`)
    .meta({ ...meta });
}

/** A Kubernetes type embedded whole: checked by the API server when the pod or service is made. */
export function embedded(type: string) {
  const meta: CrdMeta = { "x-kubernetes-preserve-unknown-fields": true };
  return z.record(z.string(), z.json()).meta({ ...meta, description: `A Kubernetes ${type}.` });
}

const quantityShape = /^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;
const quantitySentence = "must be a quantity such as 500m, 2 or 4Gi";

/** A Kubernetes quantity as text, such as `20Gi`: no sign, no exponent. */
export const quantity = () => text(quantityShape, 24, quantitySentence);

/** A Kubernetes quantity as text or whole number. */
export function quantityOrNumber() {
  const meta: CrdMeta = {
    "x-kubernetes-int-or-string": true,
    "x-kubernetes-validations": [
      { rule: `string(self).matches(${celText(quantityShape.source)})`, message: sentence(quantitySentence) },
    ],
  };
  return z.union([z.int().min(0), z.string().max(24).regex(quantityShape, quantitySentence)]).meta({ ...meta });
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
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
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
    /^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/[0-9]{1,5}$/,
    300,
    "must be a TCP multiaddress such as /dns4/seat.example.org/tcp/7100",
  );

/** "a lower-case sentence" as "A lower-case sentence." */
export const sentence = (what: string) => `${what.charAt(0).toUpperCase()}${what.slice(1)}.`.replace(/\.\.$/, ".");

/** A text as a CEL literal. */
export const celText = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

const duplicates = (values: readonly string[]) => [
  ...new Set(values.filter((value, i) => values.indexOf(value) !== i)),
];
