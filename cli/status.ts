/** `swarm status` */
import { type SeatStatus, seatStatus } from "../operator/embedded/seat-status.ts";
import { bold, dim, green, red, yellow } from "../operator/terminal.ts";
import { connectAdmin } from "./connect.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import type { Found } from "./find.ts";
import type { Output } from "./output.ts";

/** One seat as it answered. */
export interface SeatReport {
  readonly seat: string;
  readonly region: string;
  readonly power: number;
  /** Absent when it did not answer. */
  readonly status?: SeatStatus;
}

const callMs = 3_000;

/** Asks every seat and draws the tree; healthy means that each answers, votes and is ready. */
export async function showStatus({ endpoints }: Found, output: Output): Promise<ExitCode> {
  const reports = await Promise.all(
    endpoints.seats.map(async ({ seat, region, power, rpc }): Promise<SeatReport> => {
      try {
        const response = await connectAdmin(rpc).getStatus({}, { timeoutMs: callMs });
        return { seat, region, power, status: seatStatus(response) };
      } catch {
        return { seat, region, power };
      }
    }),
  );
  if (output.json) output.line(JSON.stringify({ ...endpoints, seats: reports }));
  else {
    const { swarm, chainId, gateway, console: page } = endpoints;
    output.line(`${bold(swarm)}  ${dim(`chain ${chainId.slice(0, 16)}…  gateway ${gateway}  page ${page}`)}`);
    for (const line of statusTree(reports)) output.line(line);
  }
  if (reports.every(({ status }) => status === undefined)) return exitCodes.unreachable;
  return reports.every(isHealthy) ? exitCodes.ok : exitCodes.failed;
}

const isHealthy = ({ status }: SeatReport) => status?.notReady === "" && status.voting;

/** Regions with their seats beneath them. */
export function statusTree(reports: readonly SeatReport[]): readonly string[] {
  const newest = Math.max(0, ...reports.map(({ status }) => status?.finalizedHeight ?? 0));
  const degraded = new Set(reports.flatMap(({ status }) => status?.degradedRegions ?? []));
  const regions = [...new Set(reports.map(({ region }) => region))];
  return regions.flatMap((region, i) => {
    const seats = reports.filter((report) => report.region === region);
    const lastRegion = i === regions.length - 1;
    const power = seats.reduce((sum, each) => sum + each.power, 0);
    const mode = degraded.has(region) ? yellow("not waited for") : "required";
    return [
      `${lastRegion ? "└" : "├"}─ ${bold(region)}  power ${power}, ${mode}`,
      ...seats.map((seat, n) => {
        const branch = `${lastRegion ? " " : "│"}  ${n === seats.length - 1 ? "└" : "├"}─`;
        return `${branch} ${seat.seat}  ${describeSeat(seat, newest)}`;
      }),
    ];
  });
}

function describeSeat(report: SeatReport, newest: number): string {
  const { power, status } = report;
  if (status === undefined) return `power ${power}  ${red("does not answer")}`;
  const lag = newest - status.finalizedHeight;
  const health = isHealthy(report) ? green("healthy") : yellow(status.notReady === "" ? "not voting" : status.notReady);
  return `power ${power}  ${status.role}  height ${status.finalizedHeight}  lag ${lag}  root ${status.stateRoot.slice(0, 12)}  ${health}`;
}
