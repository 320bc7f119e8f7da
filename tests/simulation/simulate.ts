/**
 * `deno task simulate`: many runs under many faults in virtual time, on all cores; see `simulation.ts`.
 * A seed that breaks a promise is printed with the command that replays it.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { showDefects } from "./defects.ts";
import type { SeedReport } from "./seed_worker.ts";
import { simulate } from "./simulation.ts";

const usage = `Usage: deno task simulate [flags]

  --seeds N     how many seeds (default 1000)
  --first SEED  the first one (default 1)
  --seed SEED   one seed, with everything that happens in it
  --defects     break the program in many ways, one at a time, and show which ways are found
  --until-violation  stop at the first seed that fails
  --json        one line of JSON at the end
`;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seeds: { type: "string", default: "1000" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      defects: { type: "boolean", default: false },
      "until-violation": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.defects) return await showDefects();
  if (values.seed !== undefined) return await replay(Number(values.seed));
  const [first, seeds] = [Number(values.first), Number(values.seeds)];
  const stopsEarly = values["until-violation"];
  const started = performance.now();
  const reports = await simulateAll(first, seeds, stopsEarly);
  const seconds = (performance.now() - started) / 1000;
  const violations = reports.filter(({ violation }) => violation !== undefined);
  if (values.json) {
    const found = violations.map(({ seed, violation }) => ({ seed, violation }));
    console.log(JSON.stringify({ seeds: reports.length, seconds, violations: found }));
  } else {
    show(reports, seconds);
  }
  return violations.length === 0 ? 0 : 1;
}

/** Runs one seed with its story. */
function replay(seed: number): Promise<number> {
  return new Promise((resolve) =>
    setTimeout(() => {
      const { violation, trace } = simulate(seed, console.log);
      console.log(violation ? `Seed ${seed} fails: ${violation}` : `Seed ${seed} is well`);
      console.log(`Trace ${trace}`);
      resolve(violation ? 1 : 0);
    }, 0)
  );
}

async function simulateAll(
  first: number,
  seeds: number,
  stopsEarly: boolean,
): Promise<SeedReport[]> {
  const reports: SeedReport[] = [];
  let next = first;
  let isOver = false;
  const threads = Math.min(availableParallelism(), seeds);
  await Promise.all(
    Array.from({ length: threads }, () =>
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(new URL("./seed_worker.ts", import.meta.url), { type: "module" });
        const give = () => {
          if (isOver || next >= first + seeds) {
            worker.terminate();
            return resolve();
          }
          worker.postMessage(next++);
        };
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({ data }: MessageEvent<SeedReport>) => {
          reports.push(data);
          if (data.violation !== undefined) {
            isOver = stopsEarly;
            console.error(
              `Seed ${data.seed} fails: ${data.violation}\n` +
                `  replay it with: deno task simulate --seed ${data.seed}`,
            );
          }
          give();
        };
        give();
      })),
  );
  return reports;
}

function show(reports: readonly SeedReport[], seconds: number): void {
  const counts: Record<string, number> = {};
  for (const report of reports) {
    for (const [what, count] of Object.entries(report.counts)) {
      counts[what] = (counts[what] ?? 0) + count;
    }
  }
  for (const what of Object.keys(counts).sort()) {
    console.log(`${String(counts[what]).padStart(9)}  ${what}`);
  }
  const sum = (read: (report: SeedReport) => number) =>
    reports.reduce((total, report) => total + read(report), 0);
  const hours = sum(({ virtualMs }) => virtualMs) / 3_600_000;
  const violations = reports.filter(({ violation }) => violation !== undefined).length;
  console.log(
    `${reports.length} seeds, each twice, in ${seconds.toFixed(1)} s ` +
      `(${(reports.length / seconds).toFixed(1)} seeds/s): ` +
      `${sum(({ events }) => events)} events in ${hours.toFixed(1)} h of virtual time, ` +
      `${violations} ${violations === 1 ? "violation" : "violations"}`,
  );
}
