/**
 * `node e2e/control-plane/main.ts up | down | build`: a Kubernetes API for development, without nodes. `up` prints how
 * to reach it and returns; it runs until `down` or the machine's end. One at a time.
 */
import { fork } from "node:child_process";
import { mkdirSync, openSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { buildBinary, cacheDirectory } from "./build.ts";
import { startControlPlane } from "./control-plane.ts";

const socketPath = join(cacheDirectory, "control.sock");
const logPath = join(cacheDirectory, "control-plane.log");

switch (process.argv[2]) {
  case "build":
    console.log((await buildBinary(console.error)).path);
    break;
  case "up":
    await up();
    break;
  case "down":
    await down();
    break;
  case "serve":
    await serve();
    break;
  default:
    console.error("usage: node e2e/control-plane/main.ts up | down | build");
    process.exitCode = 2;
}

async function up(): Promise<void> {
  const running = await reach();
  if (running) {
    running.destroy();
    console.error("it is up already; `down` ends it");
    process.exitCode = 1;
    return;
  }
  mkdirSync(cacheDirectory, { recursive: true });
  await buildBinary(console.error);
  const log = openSync(logPath, "w");
  const server = fork(import.meta.filename, ["serve"], { detached: true, stdio: ["ignore", log, log, "ipc"] });
  const said = await new Promise<unknown>((resolve) => {
    server.once("message", resolve);
    server.once("exit", () => resolve(undefined));
  });
  if (typeof said !== "string") {
    console.error(`it did not start: see ${logPath}`);
    process.exitCode = 1;
    return;
  }
  console.log(said);
  server.disconnect();
  server.unref();
}

async function down(): Promise<void> {
  const socket = await reach();
  if (!socket) {
    console.error("it is not up");
    return;
  }
  // The other side closes when everything has ended.
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  socket.write("down\n");
  await closed;
}

/** The process in the background. */
async function serve(): Promise<void> {
  const binary = await buildBinary(console.error);
  const plane = await startControlPlane(binary);
  rmSync(socketPath, { force: true });
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => void end());
  });
  listener.listen(socketPath);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end());
  process.send?.(`export KUBECONFIG=${plane.kubeconfig} PATH=${join(binary.kubectl, "..")}:$PATH`);

  async function end(): Promise<void> {
    await plane.stop();
    rmSync(socketPath, { force: true });
    process.exit(0);
  }
}

/** The running one, or undefined. */
function reach(): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
