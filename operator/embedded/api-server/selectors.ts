/** Label and field selectors as kubectl writes them. */
import { isObject, type Json, type JsonObject, objectAt } from "./json.ts";
import type { Resource } from "./resources.ts";

export type Matches = (object: JsonObject) => boolean;

export type Selector =
  | { readonly kind: "selector"; readonly matches: Matches; readonly empty: boolean }
  | { readonly kind: "invalid"; readonly message: string };

const maxLength = 8_192;
const everything: Selector = { kind: "selector", matches: () => true, empty: true };

/** Both at once: an object is selected when it fits both. */
export function selector(resource: Resource, labels: string, fields: string): Selector {
  if (labels.length > maxLength || fields.length > maxLength)
    return { kind: "invalid", message: `a selector has more than ${maxLength} characters` };
  const byLabels = labels === "" ? everything : labelSelector(labels);
  if (byLabels.kind === "invalid") return byLabels;
  const byFields = fields === "" ? everything : fieldSelector(resource, fields);
  if (byFields.kind === "invalid" || byLabels.empty) return byFields;
  if (byFields.empty) return byLabels;
  return {
    kind: "selector",
    empty: false,
    matches: (object) => byLabels.matches(object) && byFields.matches(object),
  };
}

const key = "([A-Za-z0-9./_-]+)";
const inSet = new RegExp(`^${key}\\s+(in|notin)\\s+\\(([^()]*)\\)$`);
const compared = new RegExp(`^${key}\\s*(==|=|!=)\\s*([A-Za-z0-9._-]*)$`);
const present = new RegExp(`^(!?)\\s*${key}$`);

function labelSelector(text: string): Selector {
  const rules: ((value: string | undefined) => boolean)[] = [];
  const keys: string[] = [];
  // Commas inside parentheses part values, not requirements.
  for (const each of text.split(/,(?![^()]*\))/)) {
    const part = each.trim();
    const set = inSet.exec(part);
    const equal = compared.exec(part);
    const exists = present.exec(part);
    if (set) {
      const values = new Set(set[3]!.split(",").map((value) => value.trim()));
      const wanted = set[2] === "in";
      keys.push(set[1]!);
      rules.push((value) => (value === undefined ? !wanted : values.has(value) === wanted));
    } else if (equal) {
      keys.push(equal[1]!);
      rules.push((value) => (value === equal[3]) === (equal[2] !== "!="));
    } else if (exists) {
      keys.push(exists[2]!);
      rules.push((value) => (value !== undefined) === (exists[1] === ""));
    } else return { kind: "invalid", message: `unable to parse requirement: ${JSON.stringify(part)}` };
  }
  return {
    kind: "selector",
    empty: false,
    matches(object) {
      const labels = objectAt(objectAt(object, "metadata"), "labels");
      return rules.every((rule, at) => {
        const name = keys[at]!;
        const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
        return rule(typeof value === "string" ? value : undefined);
      });
    },
  };
}

function fieldSelector(resource: Resource, text: string): Selector {
  const rules: Matches[] = [];
  const selectable = ["metadata.name", "metadata.namespace", ...resource.selectable];
  for (const part of text.split(",")) {
    const found = /^([A-Za-z.]+)(==|=|!=)(.*)$/.exec(part.trim());
    if (!found) return { kind: "invalid", message: `invalid field selector: ${JSON.stringify(part)}` };
    const [, field = "", operator, value] = found;
    if (!selectable.includes(field)) return { kind: "invalid", message: `field label not supported: ${field}` };
    rules.push((object) => (fieldText(object, field) === value) === (operator !== "!="));
  }
  return { kind: "selector", empty: false, matches: (object) => rules.every((rule) => rule(object)) };
}

function fieldText(object: JsonObject, path: string): string {
  let value: Json | undefined = object;
  for (const part of path.split(".")) value = isObject(value) ? value[part] : undefined;
  return value === undefined || value === null ? "" : String(value);
}
