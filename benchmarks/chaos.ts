/**
 * `deno task chaos`: a real run of real processes whose processes and connections are broken again
 * and again, by a seed. It must end with the weights of the run that nothing disturbed.
 *
 * `--kills N` instead runs `train` N times and kills one worker at a random moment of each, and
 * `--matrix` kills each worker at each moment that is special. `--table` goes through the table of
 * faults in ARCHITECTURE.md. Where kills are timed the last line says whether the next step came soon
 * enough (`kill_target.ts`); the exit code is about the weights and the processes alone.
 */
import { runCommand } from "../launch/exit_codes.ts";
import { type FlagTable, helpText, parseFlags } from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { setUp } from "../launch/setup.ts";
import { delay, systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { formatTable } from "../report/table.ts";
import { clockSeed } from "./clock_seed.ts";
import { readRows, runFaultTable, tableRows } from "./fault_table/fault_table.ts";
import { judgeKills, type KillTarget, targetInWords } from "./kill_target.ts";
import { type KillResult, killRuns } from "./kill_runs.ts";
import { markDescendants, markedProcesses } from "./marked_processes.ts";
import { sufferMixedFaults } from "./mixed_faults.ts";

const flags = {
  faults: {
    kind: "integer",
    value: "N",
    min: 0,
    max: 100_000,
    help: "mixed faults within one run",
    defaultText: "25",
  },
  kills: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 100_000,
    help: "in place of that: runs, in each of which a worker is killed at a random moment",
  },
  table: { kind: "switch", help: "in place of that: the table of faults in ARCHITECTURE.md" },
  rows: {
    kind: "text",
    value: "N,N,...",
    help: "of that table, these rows alone",
    defaultText: tableRows.join(","),
  },
  matrix: { kind: "switch", help: "in place of that: kill each worker at each special moment" },
  seed: {
    ...runFlags.seed,
    help: "seed of the faults",
    defaultText: "drawn from the clock, and printed",
  },
  schedule: runFlags.schedule,
  optimizer: runFlags.optimizer,
  workers: { ...runFlags.workers, defaultText: "4" },
  engine: { ...runFlags.engine, choices: ["tensorflow", "wasm"], defaultText: "the faster" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** A small run, with a shard for each of more workers than there are at first. */
const runArgs = [
  ...["--size", "32", "--filters", "4", "--lanes", "8", "--shards", "8", "--window", "5"],
  ...["--sequence-frames", "21", "--sequences", "64"],
  ...["--validation-sequences", "4", "--test-sequences", "4"],
];
const killRunSteps = 100;
const leftMsMax = 5_000;

if (import.meta.main) {
  await runCommand(async () => {
    const given = parseFlags(Deno.args, flags);
    if (given.help) {
      console.log(helpText("Usage: deno task chaos [flags]", flags));
      return 0;
    }
    const { natsServer, tensorflow, problems } = await setUp();
    if (!natsServer) throw new Error(problems.join("; "));
    const mark = secretToken(8);
    markDescendants(mark);
    const seed = given.seed as number | undefined ?? clockSeed();
    console.error(`Faults of seed ${seed}: the same ones come with --seed ${seed}`);
    const training = (["schedule", "optimizer"] as const).flatMap((name) =>
      given[name] === undefined ? [] : [`--${name}`, `${given[name]}`]
    );
    const workers = given.workers as number | undefined ?? 4;
    // Said by name: a coordinator does not look for a library.
    const engine = given.engine as string | undefined ?? (tensorflow ? "tensorflow" : "wasm");
    const setting = {
      natsServer: natsServer.path,
      libraryPath: tensorflow?.path,
      args: [...runArgs, ...training, "--engine", engine],
      workers,
      clock: systemClock,
    };
    const folder = await Deno.makeTempDir({ prefix: "lockstep-chaos-" });
    let result: Record<string, unknown> & { survived: boolean; target: KillTarget };
    try {
      if (given.table) {
        const rows = readRows(given.rows as string | undefined);
        result = await runFaultTable({ ...setting, seed, mark, folder }, rows);
      } else if (given.kills !== undefined || given.matrix) {
        const kills = await killRuns({
          ...setting,
          seed,
          mark,
          folder,
          runs: given.kills as number | undefined ?? "matrix",
          steps: killRunSteps,
        });
        result = reportKills(kills);
      } else {
        const count = given.faults as number | undefined ?? 25;
        result = await sufferMixedFaults(setting, folder, { count, seed });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const processesLeft = await waitUntilNoneLeft(mark);
    if (given.json) console.log(JSON.stringify({ seed, workers, ...result, processesLeft }));
    for (const line of processesLeft) console.error(`Left behind: ${line}`);
    console.error(targetInWords(result.target));
    return result.survived && processesLeft.length === 0 ? 0 : 1;
  });
}

function reportKills(kills: readonly KillResult[]) {
  const survivals = kills.filter(({ survived }) => survived).length;
  const moments = [...new Set(kills.map(({ moment }) => moment))];
  console.error(formatTable(
    ["moment", "kills", "survived", "restarts"],
    moments.map((moment) => {
      const own = kills.filter((kill) => kill.moment === moment);
      return [
        moment,
        own.length,
        own.filter(({ survived }) => survived).length,
        own.reduce((sum, { restarts }) => sum + restarts, 0),
      ];
    }),
  ));
  console.error(`${survivals} of ${kills.length} runs ended with the undisturbed run's weights`);
  return {
    survived: survivals === kills.length,
    // These runs are watched to their ends only.
    target: judgeKills([]),
    kills: kills.length,
    survivals,
    results: kills,
  };
}

async function waitUntilNoneLeft(mark: string): Promise<string[]> {
  if (Deno.build.os !== "linux") return [];
  const deadline = systemClock.nowMs() + leftMsMax;
  while (markedProcesses(mark).size > 0 && systemClock.nowMs() < deadline) {
    await delay(systemClock, 50);
  }
  return [...markedProcesses(mark).values()];
}
