/** Certificates that whoever issues them renews in place while a gateway runs. */
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Logger } from "pino";

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What is in them. */
export type TlsTexts = TlsFiles;

/** How often the files are looked at, ms: certificates are renewed weeks before they end. */
const checkMs = 60_000;

export function readTls({ cert, key, ca }: TlsFiles): TlsTexts {
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8"), ca: readFileSync(ca, "utf8") };
}

/** Hands over what was renewed, for new connections. What cannot be used, half of it written say, leaves what was. */
export function followTls(files: TlsFiles, use: (texts: TlsTexts) => void, log: Logger, everyMs = checkMs): () => void {
  let seen = JSON.stringify(readTls(files));
  const looking = setInterval(() => {
    try {
      const texts = readTls(files);
      const now = JSON.stringify(texts);
      if (now === seen) return;
      createSecureContext(texts);
      seen = now;
      use(texts);
      log.info({ file: files.cert }, "certificate renewed");
    } catch (error) {
      log.warn({ err: error, file: files.cert }, "the renewed certificate cannot be used");
    }
  }, everyMs);
  return () => clearInterval(looking);
}
