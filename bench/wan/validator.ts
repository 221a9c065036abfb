/** The shipped validator, one of whose seats misbehaves: `BENCH_FAULT=<seat>=<fault>`. For this benchmark alone. */
import { main } from "../../validator/main.ts";
import { type Fault, faults, misbehaving } from "./faults.ts";

const [faulty = "", fault = ""] = (process.env["BENCH_FAULT"] ?? "").split("=");
const isFault = (text: string): text is Fault => faults.some((known) => known === text);

main({
  network: (network, { seat }) => (seat === faulty && isFault(fault) ? misbehaving(network, fault) : network),
});
