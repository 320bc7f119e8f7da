/**
 * `deno task simulate`: many runs under many faults in virtual time, on all cores; see `simulation.ts`.
 * A seed that breaks a promise is printed with the command that replays it.
 */
import { availableParallelism } from "node:os";
import { clockSeed } from "../../benchmarks/clock_seed.ts";
import { runCommand } from "../../launch/exit_codes.ts";
import { type FlagTable, helpText, parseFlags, UsageError } from "../../launch/flags.ts";
import { searchDefects } from "./defect_search.ts";
import { defects } from "./defects.ts";
import type { SeedReport, SeedRequest } from "./seed_worker.ts";
import { faultCountMin, faultPoints, rareFaults, seedsForCoverage } from "./fault_coverage.ts";
import { seedSecondsMax } from "./seed_limit.ts";
import { differenceOf, simulate } from "./simulation.ts";

const seedMax = 2 ** 32 - 1;
const flags = {
  seeds: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 10_000_000,
    help: "how many seeds",
    defaultText: "1000",
  },
  first: {
    kind: "integer",
    value: "SEED",
    min: 0,
    max: seedMax,
    help: "the first one",
    defaultText: "drawn from the clock, and printed",
  },
  seed: {
    kind: "integer",
    value: "SEED",
    min: 0,
    max: seedMax,
    help: "one seed, with everything that happens in it",
  },
  once: { kind: "switch", help: "each seed once, without comparing the traces of two runs" },
  "until-violation": { kind: "switch", help: "stop at the first seed that fails" },
  threads: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1024,
    help: "how many seeds at a time",
    defaultText: "one for each core",
  },
  json: { kind: "switch", help: "one line of JSON at the end" },
  defects: {
    kind: "switch",
    help: "break the program in many ways, one at a time, and show which ways are found",
  },
  defect: {
    kind: "text",
    value: "TEXT",
    help: "as --defects, those whose description contains the text",
  },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

const unended = {
  hangs: true as const,
  violation: `it is not over after ${seedSecondsMax} s of real time`,
  trace: "",
  virtualMs: 0,
  events: 0,
  counts: {},
  milliseconds: seedSecondsMax * 1000,
};

if (import.meta.main) await runCommand(main);

async function main(): Promise<number> {
  const given = parseFlags(Deno.args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task simulate [flags]", flags));
    return 0;
  }
  if (given.defects || given.defect !== undefined) {
    const pattern = given.defect as string | undefined ?? "";
    if (!defects.some(({ what }) => what.includes(pattern))) {
      throw new UsageError(
        `Unknown --defect "${pattern}": none of the ${defects.length} descriptions in ` +
          "tests/simulation/defects.ts contains it",
      );
    }
    return await searchDefects(pattern);
  }
  if (given.seed !== undefined) return await replay(given.seed as number);
  const seeds = given.seeds as number | undefined ?? 1000;
  const first = given.first as number | undefined ?? clockSeed();
  console.error(
    `Seeds from ${first} on: the same ones come with --seeds ${seeds} --first ${first}`,
  );
  const once = given.once === true;
  const threads = given.threads as number | undefined ?? availableParallelism();
  const started = performance.now();
  const reports = await simulateAll(first, seeds, {
    once,
    stopsEarly: given["until-violation"] === true,
    threads: Math.min(threads, seeds),
  });
  const seconds = (performance.now() - started) / 1000;
  const violations = reports.filter(({ violation }) => violation !== undefined);
  if (given.json) {
    const found = violations.map(({ seed, violation, hangs }) => ({ seed, violation, hangs }));
    console.log(JSON.stringify({ seeds: reports.length, seconds, violations: found }));
  } else {
    show(reports, seconds, once);
  }
  const rare = seeds < seedsForCoverage ? [] : rareFaults(sumCounts(reports));
  if (rare.length > 0) {
    console.error(`Happened less than ${faultCountMin} times: ${rare.join(", ")}`);
  }
  return violations.length === 0 && rare.length === 0 ? 0 : 1;
}

/** Runs one seed with its story, and once more, where the time of day jumps. */
function replay(seed: number): Promise<number> {
  return new Promise((resolve) =>
    setTimeout(() => {
      const { trace, ...first } = simulate(seed, { log: console.log });
      const second = simulate(seed, { timeOfDayJumps: true });
      const violation = first.violation ?? differenceOf(trace, second.trace);
      console.log(violation ? `Seed ${seed} fails: ${violation}` : `Seed ${seed} is well`);
      console.log(`Trace ${trace}`);
      resolve(violation ? 1 : 0);
    }, 0)
  );
}

async function simulateAll(
  first: number,
  seeds: number,
  { once, stopsEarly, threads }: { once: boolean; stopsEarly: boolean; threads: number },
): Promise<SeedReport[]> {
  const reports: SeedReport[] = [];
  let next = first;
  let isOver = false;
  await Promise.all(
    Array.from({ length: threads }, () =>
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(new URL("./seed_worker.ts", import.meta.url), { type: "module" });
        let watchdog: ReturnType<typeof setTimeout> | undefined;
        const end = () => {
          worker.terminate();
          resolve();
        };
        const give = () => {
          if (isOver || next >= first + seeds) return end();
          const seed = next++;
          watchdog = setTimeout(() => {
            take({ ...unended, seed });
            // Its thread is busy for ever.
            isOver = true;
            end();
          }, seedSecondsMax * 1000);
          worker.postMessage({ seed, once } satisfies SeedRequest);
        };
        const take = (report: SeedReport) => {
          clearTimeout(watchdog);
          reports.push(report);
          if (report.violation === undefined) return;
          isOver ||= stopsEarly;
          console.error(
            `Seed ${report.seed} fails: ${report.violation}\n` +
              `  replay it with: deno task simulate --seed ${report.seed}`,
          );
        };
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({ data }: MessageEvent<SeedReport>) => {
          take(data);
          give();
        };
        give();
      })),
  );
  return reports;
}

function sumCounts(reports: readonly SeedReport[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const report of reports) {
    for (const [what, count] of Object.entries(report.counts)) {
      counts[what] = (counts[what] ?? 0) + count;
    }
  }
  return counts;
}

function show(reports: readonly SeedReport[], seconds: number, once: boolean): void {
  const counts = sumCounts(reports);
  const line = (what: string) => console.log(`${String(counts[what] ?? 0).padStart(9)}  ${what}`);
  console.log("Faults:");
  for (const what of faultPoints) line(what);
  console.log("What they happened to:");
  for (const what of Object.keys(counts).sort()) if (!faultPoints.includes(what)) line(what);
  const sum = (read: (report: SeedReport) => number) =>
    reports.reduce((total, report) => total + read(report), 0);
  const hours = sum(({ virtualMs }) => virtualMs) / 3_600_000;
  const violations = reports.filter(({ violation }) => violation !== undefined).length;
  console.log(
    `${reports.length} seeds, each ${once ? "once" : "twice"}, in ${seconds.toFixed(1)} s ` +
      `(${(reports.length / seconds).toFixed(1)} seeds/s): ` +
      `${sum(({ events }) => events)} events in ${hours.toFixed(1)} h of virtual time, ` +
      `${violations} ${violations === 1 ? "violation" : "violations"}`,
  );
}
