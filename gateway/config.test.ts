/** A configuration that cannot work says why. */
import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";

const good = {
  listen: { port: 8443 },
  validators: [{ seat: "a", url: "http://127.0.0.1:7000" }],
  institutions: [{ bic: "QSWADEFF", keyFile: "key" }],
  dataDir: "data",
};

test("defaults are filled in, an eight-letter BIC is its head office", () => {
  expect(parseConfig(good)).toMatchObject({
    kind: "ok",
    config: {
      listen: { host: "127.0.0.1" },
      institutions: [{ bic: "QSWADEFFXXX" }],
      allowInsecureInstitutionHeader: false,
      limits: { maxFileBytes: 67_108_864 },
    },
  });
});

test.each([
  ["no validators", { ...good, validators: [] }],
  ["an address that is none", { ...good, validators: [{ seat: "a", url: "127.0.0.1:7000" }] }],
  ["a BIC that is none", { ...good, institutions: [{ bic: "nonsense", keyFile: "key" }] }],
  ["an institution twice", { ...good, institutions: [...good.institutions, { bic: "QSWADEFFXXX", keyFile: "other" }] }],
  ["an unknown field", { ...good, dataDirectory: "x" }],
  ["a port that is none", { ...good, listen: { port: 70_000 } }],
  ["nothing", undefined],
])("%s is refused", (_, value) => {
  expect(parseConfig(value)).toMatchObject({ kind: "invalid", message: expect.stringMatching(/\S/) });
});
