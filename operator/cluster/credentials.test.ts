import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Issued, issue, makeAuthority } from "../../validator/rpc/testing/certificates.ts";
import { openCredentials } from "./credentials.ts";

const directory = mkdtempSync(join(tmpdir(), "credentials-"));
afterAll(() => rmSync(directory, { recursive: true }));
const files = { ca: join(directory, "ca.crt"), cert: join(directory, "tls.crt"), key: join(directory, "tls.key") };
let first: Issued;
let second: Issued;
let ca: string;

beforeAll(async () => {
  const authority = await makeAuthority("CN=authority");
  ca = authority.cert;
  [first, second] = await Promise.all([issue(authority, "CN=first"), issue(authority, "CN=second")]);
});

/** As a kubelet renews a Secret: a new directory, and one rename. */
function renew({ cert, key }: Issued, generation: number): void {
  const made = join(directory, `..${generation}`);
  mkdirSync(made);
  for (const [name, text] of Object.entries({ "ca.crt": ca, "tls.crt": cert, "tls.key": key }))
    writeFileSync(join(made, name), text);
  symlinkSync(made, join(directory, "..next"));
  renameSync(join(directory, "..next"), join(directory, "..data"));
}

test("a certificate that is renewed is shown from then on; one that cannot be used is not", () => {
  const problems: string[] = [];
  expect(openCredentials(files, () => {})).toMatchObject({ kind: "failed", reason: expect.stringContaining("ca.crt") });
  renew(first, 1);
  for (const name of ["ca.crt", "tls.crt", "tls.key"]) symlinkSync(`..data/${name}`, join(directory, name));
  const opened = openCredentials(files, (reason) => problems.push(reason));
  if (opened.kind !== "open") throw new Error(opened.reason);
  expect(opened.current().cert).toBe(first.cert);

  renew({ ...second, key: first.key }, 2);
  expect(opened.current()).toMatchObject({ cert: first.cert, key: first.key });
  expect(opened.current().cert).toBe(first.cert);
  expect(problems).toHaveLength(1);

  renew(second, 3);
  expect(opened.current()).toEqual({ ca, cert: second.cert, key: second.key });
  expect(problems).toHaveLength(1);
});
