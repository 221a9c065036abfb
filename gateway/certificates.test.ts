import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { followTls, readTls, type TlsTexts } from "./certificates.ts";
import { authority, issue } from "./testing/certificates.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gateway-certificates-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string) => {
  writeFileSync(join(folder, `${name}.new`), text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
  return join(folder, name);
};

test("what was renewed is handed over whole; half of a renewal is not", async () => {
  const root = await authority();
  const [first, second] = [await issue(root, "CN=first"), await issue(root, "CN=second")];
  const files = { cert: put("cert", first.cert), key: put("key", first.key), ca: put("ca", root.cert) };
  const heard = Promise.withResolvers<TlsTexts>();
  const said: string[] = [];
  const warned = new EventTarget();
  const write = (line: string) => {
    said.push(line);
    warned.dispatchEvent(new Event("line"));
  };
  const log = pino({}, { write });
  const stop = followTls(files, heard.resolve, log, 5);
  try {
    const half = once(warned, "line");
    put("cert", second.cert);
    await half;
    expect(said[0]).toContain("cannot be used");
    put("key", second.key);
    expect(await heard.promise).toEqual(readTls(files));
    expect(said.join("")).not.toContain("PRIVATE KEY");
  } finally {
    stop();
  }
});
