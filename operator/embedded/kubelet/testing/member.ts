/**
 * A pod's program for tests: serves /readyz and /healthz as files in its volume say, notes in the volume that it began,
 * and shouts when another process is on it.
 */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { identifyProcess } from "../../process-identity.ts";

interface Config {
  readonly dataDir: string;
  readonly port: number;
  readonly exit?: number;
  readonly stubborn?: boolean;
}

const { dataDir, port, exit, stubborn }: Config = JSON.parse(readFileSync(process.argv[3] ?? "", "utf8"));
console.log(`started with ${process.argv.slice(2).join(" ")}`);
if (exit !== undefined) process.exit(exit);

const at = (name: string) => join(dataDir, name);
const lock = at("pid");
const other = existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
if (other !== 0 && identifyProcess(other)) appendFileSync(at("two"), `${other} and ${process.pid}\n`);
writeFileSync(lock, String(process.pid));
appendFileSync(at("starts"), `${process.pid}\n`);

const serverPort = Number(process.env["PORT_METRICS"] ?? port);
createServer((request, response) => {
  const failing = existsSync(at(request.url === "/readyz" ? "unready" : "sick"));
  response.writeHead(failing ? 503 : 200).end(failing ? "not yet" : "fine");
}).listen(serverPort, "127.0.0.1");

process.on("SIGTERM", () => {
  console.log("asked to end");
  if (stubborn) return;
  // The volume may be gone: then there is nothing to let go of.
  rmSync(lock, { force: true });
  process.exit(0);
});
