/** `deno task chaos --table`: the rows of the fault table that real processes are put through. */
import { UsageError } from "../../launch/flags.ts";
import { formatTable } from "../../report/table.ts";
import { judgeKills } from "../kill_target.ts";
import { percentile } from "../turns.ts";
import { churn } from "./churn.ts";
import { killAllWorkers } from "./all_workers_killed.ts";
import { breakBroker } from "./broker_broken.ts";
import { blockEventLoops } from "./event_loop_blocked.ts";
import { killCoordinators } from "./coordinator_killed.ts";
import type { TableSetting } from "./endless_run.ts";
import { killLaunchers } from "./launcher_killed.ts";
import { partition } from "./partitioned.ts";
import { slowWorkers } from "./slow_worker.ts";
import type { Trial } from "./trial.ts";
import { startTwins } from "./twins.ts";
import { killWorkers } from "./worker_killed.ts";
import { stopAndGoOn } from "./zombie.ts";

const rows: Readonly<Record<number, (setting: TableSetting) => AsyncGenerator<Trial[]>>> = {
  1: killWorkers,
  2: killAllWorkers,
  3: killCoordinators,
  4: breakBroker,
  5: slowWorkers,
  6: stopAndGoOn,
  7: partition,
  15: startTwins,
  18: churn,
  19: blockEventLoops,
  20: killLaunchers,
};

const killedWorkers = 1;
export const tableRows = Object.keys(rows).map(Number);

/** @throws {UsageError} for a row that is not tested here */
export function readRows(text: string | undefined): number[] {
  const wanted = text === undefined ? tableRows : text.split(",").map(Number);
  const unknown = wanted.find((row) => !tableRows.includes(row));
  if (unknown === undefined) return wanted;
  throw new UsageError(`--rows must be among ${tableRows.join(",")}: found "${text}"`);
}

export async function runFaultTable(setting: TableSetting, wanted: readonly number[]) {
  const trials: Trial[] = [];
  for (const row of wanted) {
    for await (const found of rows[row](setting)) trials.push(...found);
  }
  const summary = summarizeTrials(trials);
  console.error(formatTable(
    ["row", "fault", "trials", "survived", "detected p50 ms", "p95", "next step p50 ms", "p95"],
    summary.map((line) => [
      line.row,
      line.fault,
      line.trials,
      line.survivals,
      ...[line.detectedP50Ms, line.detectedP95Ms, line.resumedP50Ms, line.resumedP95Ms]
        .map((ms) => ms ?? "–"),
    ]),
  ));
  for (const { row, fault, victim, figures } of trials) {
    if (figures) console.error(`row ${row}, ${fault}, ${victim}: ${JSON.stringify(figures)}`);
  }
  for (const { row, fault, victim, problem } of trials) {
    if (problem !== "") console.error(`row ${row}, ${fault}, ${victim}: ${problem}`);
  }
  const killed = trials.filter(({ row }) => row === killedWorkers);
  return {
    survived: trials.every(({ problem }) => problem === ""),
    target: judgeKills(killed.map(({ resumedMs }) => resumedMs)),
    table: summary,
    trials,
  };
}

/** One line for each fault of each row, in the order of their first trials. */
export function summarizeTrials(trials: readonly Trial[]) {
  const groups = Map.groupBy(trials, ({ row, fault }) => `${row} ${fault}`);
  return [...groups.values()].map((own) => {
    const share = (field: "detectedMs" | "resumedMs", share: number) => {
      const found = own.map((trial) => trial[field]).filter((ms) => ms !== null);
      return found.length === 0 ? null : percentile(found, share);
    };
    return {
      row: own[0].row,
      fault: own[0].fault,
      trials: own.length,
      survivals: own.filter(({ problem }) => problem === "").length,
      detectedP50Ms: share("detectedMs", 0.5),
      detectedP95Ms: share("detectedMs", 0.95),
      resumedP50Ms: share("resumedMs", 0.5),
      resumedP95Ms: share("resumedMs", 0.95),
    };
  });
}
