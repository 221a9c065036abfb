/** An operator for tests: runs one process through the runtime, tells its pid and waits to be killed. */
import { join } from "node:path";
import { createProcessRuntime } from "../process-runtime.ts";

const [directory = ""] = process.argv.slice(2);
const runtime = createProcessRuntime(join(directory, "run"));
runtime.watch((_, state) => {
  if (state.kind === "running") console.log(state.pid);
});
runtime.create({
  name: "child",
  program: join(import.meta.dirname, "program.ts"),
  args: ["run"],
  logFile: join(directory, "child.log"),
});
setInterval(() => {}, 60_000);
