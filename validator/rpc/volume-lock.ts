/** One process per volume: two that sign with one key would equivocate. */
import { createServer } from "node:net";

/**
 * Holds a volume for the life of this process, by its file system's number for it; undefined when another process of
 * this machine (more exactly: of this network namespace) holds it. The kernel lets go when the process ends, however
 * it ends. Only Linux has such names; elsewhere nothing is held.
 */
export function holdVolume(volume: { readonly dev: number; readonly ino: number }): Promise<(() => void) | undefined> {
  if (process.platform !== "linux") return Promise.resolve(() => {});
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    // A leading zero byte: a name in the abstract namespace, not a file.
    server.listen(`\0validator-swarm/volume/${volume.dev}/${volume.ino}`, () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}
