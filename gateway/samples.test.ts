/** The samples pass this gateway's own checks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readDirectory } from "./directory.ts";
import { parseCreditTransfer } from "./iso20022/parse.ts";
import { validate } from "./iso20022/validate.ts";
import { testDirectory } from "./testing/swarm.ts";

const folder = join(import.meta.dirname, "../manifests/samples");

test.each(readdirSync(folder).filter((name) => name.endsWith(".xml")))(
  "%s is well-formed, consistent, and for known accounts",
  (name) => {
    const parsed = parseCreditTransfer(readFileSync(join(folder, name)));
    if (parsed.kind === "refused") throw new Error(parsed.finding.message);
    const checked = validate(parsed.transfer, "QSWADEFFXXX", readDirectory(testDirectory()));
    expect(checked).toMatchObject({ kind: "checked", refused: [] });
  },
);
