/**
 * Loaded before a process that the runtime starts (`node --import`): ends it when its parent is gone, even by kill -9.
 * The parent holds the only other end of a pipe and never writes to it; the kernel closes it with the parent.
 */
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

const graceMs = 5_000;
const descriptor = process.env["SWARM_LIFELINE"];

// Worker threads and grandchildren inherit the flag, but not the pipe.
if (isMainThread && descriptor !== undefined) {
  delete process.env["SWARM_LIFELINE"];
  const pipe = new Socket({ fd: Number(descriptor), readable: true, writable: false });
  pipe.on("error", () => {});
  pipe.once("close", () => {
    process.kill(process.pid, "SIGTERM");
    setTimeout(() => process.exit(1), graceMs).unref();
  });
  pipe.resume();
  pipe.unref();
}
