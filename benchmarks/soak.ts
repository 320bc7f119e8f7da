/**
 * `deno task bench soak`: native handles and resident memory over many training steps. Handles must
 * be the same after every step; resident memory must stay flat.
 */
import { openEngine } from "../engine/open_engine.ts";
import type { EngineName } from "../engine/engine.ts";
import { type FlagTable, helpText, parseFlags } from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { formatTable } from "../report/table.ts";
import { prepareStep } from "./training_step.ts";

const flags = {
  steps: { ...runFlags.steps, help: "training steps", defaultText: "2000" },
  engine: runFlags.engine,
  threads: { ...runFlags.threads, defaultText: "2" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** Steps after which traces are recorded and the allocators have what they need. */
const settleSteps = 100;
const megabyte = 1 << 20;

export async function run(args: string[]): Promise<unknown> {
  const given = parseFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench soak [flags]", flags));
    return;
  }
  const steps = given.steps as number | undefined ?? 2000;
  const engine = await openEngine(given.engine as EngineName | undefined ?? "auto", {
    threads: given.threads as number | undefined ?? 2,
    precision: "float32",
  });
  const workload = {
    filters: [8, 8],
    lanes: 4,
    shards: 2,
    window: 5,
    size: 32,
    headKernelSize: 1,
  };
  const prepared = prepareStep(engine, workload);
  const rows: number[][] = [];
  const handles = new Set<number>();
  const every = Math.max(1, Math.floor(steps / 10));
  for (let step = 1; step <= steps; step++) {
    await prepared.step();
    handles.add(engine.handleCount());
    if (step === Math.min(settleSteps, steps) || step % every === 0) {
      rows.push([step, engine.handleCount(), Deno.memoryUsage().rss / megabyte]);
    }
  }
  const [first] = rows;
  const last = rows[rows.length - 1];
  const result = {
    steps,
    engine: engine.name,
    firstStep: first[0],
    firstHandles: first[1],
    lastHandles: last[1],
    handleCountsSeen: [...handles],
    firstResidentMegabytes: first[2],
    lastResidentMegabytes: last[2],
  };
  prepared.dispose();
  engine.dispose();
  console.error(formatTable(
    ["step", "handles", "resident MiB"],
    rows.map(([step, count, resident]) => [step, count, Number(resident.toFixed(1))]),
  ));
  if (given.json) console.log(JSON.stringify(result));
  return result;
}
