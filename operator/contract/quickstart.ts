/** The manifest of the quickstart, which every world admits. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { JsonRecord } from "../kube/objects.ts";

export const quickstart = parse(
  readFileSync(join(import.meta.dirname, "../../manifests/quickstart.yaml"), "utf8"),
) as JsonRecord;
