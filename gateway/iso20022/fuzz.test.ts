/** Mutated files never crash the reader, and whatever is refused is refused with a code. `FUZZ_FRAMES` sets how many. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readDirectory } from "../directory.ts";
import { writeFile } from "../testing/files.ts";
import { testDirectory } from "../testing/swarm.ts";
import { parseCreditTransfer } from "./parse.ts";
import { REASONS } from "./reasons.ts";
import { validate } from "./validate.ts";

const frames = Number(process.env["FUZZ_FRAMES"] ?? "5000");
const directory = readDirectory(testDirectory());
const seeds = [writeFile(), writeFile({ version: 2 }), writeFile({ payments: [{}, { currency: "USD" }] })].map((text) =>
  Buffer.from(text),
);
seeds.push(Buffer.from(`\ufeff${writeFile({ head: "" })}`, "utf16le"));
const tokens = [
  "<",
  ">",
  "&",
  "]]>",
  "<!--",
  "<![CDATA[",
  "<?x ",
  "<!DOCTYPE a [",
  "&#x0;",
  "&#38;",
  "</Document>",
  "<Nm>",
  'xmlns:p=""',
  "\u0000",
  "\ufffe",
  '"',
  "'",
  "=",
  "CdtTrfTxInf",
  "-",
  "9".repeat(40),
  "\ud800",
];

const mutation = fc.oneof(
  fc.record({ kind: fc.constant("byte" as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), length: fc.nat(200) }),
  fc.record({ kind: fc.constant("copy" as const), at: fc.nat(), from: fc.nat(), length: fc.nat(200) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.nat(),
    text: fc.oneof(fc.constantFrom(...tokens), fc.string({ unit: "binary", maxLength: 12 })),
  }),
);

test(`${frames} mutated files are parsed or refused`, { timeout: 600_000 }, () => {
  let refusedFiles = 0;
  fc.assert(
    fc.property(fc.nat(seeds.length - 1), fc.array(mutation, { minLength: 1, maxLength: 6 }), (seed, mutations) => {
      let bytes: Uint8Array = Uint8Array.from(seeds[seed]!);
      for (const one of mutations) {
        const at = one.at % (bytes.length + 1);
        const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
        if (one.kind === "byte") bytes = Buffer.concat([before, Buffer.from([one.value]), after.subarray(1)]);
        else if (one.kind === "cut") bytes = Buffer.concat([before, after.subarray(one.length)]);
        else if (one.kind === "insert") bytes = Buffer.concat([before, Buffer.from(one.text), after]);
        else bytes = Buffer.concat([before, bytes.subarray(one.from % bytes.length).subarray(0, one.length), after]);
      }
      const parsed = parseCreditTransfer(bytes);
      const findings = [];
      if (parsed.kind === "refused") findings.push(parsed.finding);
      else {
        const checked = validate(parsed.transfer, "QSWADEFFXXX", directory);
        findings.push(
          ...(checked.kind === "refused" ? checked.findings : checked.refused.map(({ finding }) => finding)),
        );
      }
      if (findings.length > 0) refusedFiles += 1;
      for (const { code, message } of findings) {
        expect(Object.keys(REASONS)).toContain(code);
        expect(message).not.toMatch(/\n| at .*:\d+/);
      }
    }),
    { numRuns: frames },
  );
  // The mutations must bite, or this test could not fail.
  expect(refusedFiles).toBeGreaterThan(frames / 2);
});
