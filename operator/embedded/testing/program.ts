/** A process for tests: says what it is told to on standard output, then does what it is told to. */
const [what, value = ""] = process.argv.slice(2);

console.log(`started ${process.pid}`);
switch (what) {
  case "exit":
    process.exitCode = Number(value);
    break;
  case "where":
    console.log(`in ${process.cwd()} with ${Object.keys(process.env).sort().join(" ")}`);
    break;
  case "run":
    setInterval(() => {}, 60_000);
    break;
  case "hoard": {
    const kept: Buffer[] = [];
    setInterval(() => kept.push(Buffer.alloc(8 << 20, 1)), 10);
    break;
  }
  case "stubborn":
    process.on("SIGTERM", () => console.log("asked to end"));
    console.log("ready");
    setInterval(() => {}, 60_000);
    break;
}
