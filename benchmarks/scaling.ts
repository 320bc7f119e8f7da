/**
 * `deno task bench scaling`: frames/s of whole clusters at one thread for each worker, beside as many
 * processes that train on their share of the lanes without communicating. Processes on one machine
 * share its memory and clock rate, so that is what communication is to be compared with.
 */
import { fileURLToPath } from "node:url";
import {
  type FlagTable,
  type GivenFlags,
  helpText,
  parseFlags,
  UsageError,
} from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { formatTable } from "../report/table.ts";
import { summarize } from "./turns.ts";

const flags = {
  dataset: runFlags.dataset,
  data: runFlags.data,
  workers: {
    kind: "integers",
    value: "N,N,...",
    min: 1,
    max: 64,
    help: "worker counts to compare",
    defaultText: "1,2",
  },
  lanes: runFlags.lanes,
  filters: runFlags.filters,
  size: runFlags.size,
  window: runFlags.window,
  steps: { ...runFlags.steps, help: "steps of each run", defaultText: "20" },
  turns: { kind: "integer", value: "N", min: 1, max: 100, help: "turns", defaultText: "5" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

interface Turn {
  readonly workers: number;
  /** Frames/s of one cluster, and the sum over processes that do not communicate. */
  readonly together: number;
  readonly apart: number;
}

export async function run(args: string[]): Promise<unknown> {
  const given = parseFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench scaling [flags]", flags));
    return;
  }
  const workers = given.workers as readonly number[] | undefined ?? [1, 2];
  const lanes = given.lanes as number | undefined ?? 12;
  const unfit = workers.find((count) => lanes % count !== 0);
  if (unfit !== undefined) {
    throw new UsageError(`--lanes ${lanes} cannot be shared by ${unfit} workers in equal parts`);
  }
  const turns: Turn[] = [];
  for (let turn = 0; turn < (given.turns as number | undefined ?? 5); turn++) {
    for (const count of workers) {
      const together = await framesPerSecond(given, count, lanes);
      // Alone, a worker communicates with nobody.
      const apart = count === 1 ? together : await framesPerSecondApart(given, count, lanes);
      turns.push({ workers: count, together, apart });
      console.error(
        `turn ${turn + 1}: ${count} × 1 thread ${together.toFixed(1)} frames/s, ` +
          `not communicating ${apart.toFixed(1)}`,
      );
    }
  }
  const results = workers.map((count) => {
    const own = turns.filter((turn) => turn.workers === count);
    const share = summarize(own.map(({ together, apart }) => together / apart));
    return {
      workers: count,
      framesPerSecond: summarize(own.map(({ together }) => together)).median,
      framesPerSecondApart: summarize(own.map(({ apart }) => apart)).median,
      shareOfApart: share.median,
      shareOfApartMin: share.min,
      shareOfApartMax: share.max,
    };
  });
  const result = {
    dataset: given.dataset ?? "moving-mnist",
    lanes,
    threads: 1,
    turns: turns.length / workers.length,
    results,
  };
  console.error(formatTable(
    ["workers", "frames/s", "not communicating", "share", "spread"],
    results.map((row) => [
      row.workers,
      Number(row.framesPerSecond.toFixed(1)),
      Number(row.framesPerSecondApart.toFixed(1)),
      row.shareOfApart.toFixed(3),
      `${row.shareOfApartMin.toFixed(3)}–${row.shareOfApartMax.toFixed(3)}`,
    ]),
  ));
  if (given.json) console.log(JSON.stringify(result));
  return result;
}

/** `count` single-worker runs at the same time, each on its share of the lanes. */
async function framesPerSecondApart(
  given: GivenFlags,
  count: number,
  lanes: number,
): Promise<number> {
  const rates = await Promise.all(
    Array.from({ length: count }, () => framesPerSecond(given, 1, lanes / count)),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** One run of the real command; its own figure leaves out the first step, which traces. */
async function framesPerSecond(given: GivenFlags, workers: number, lanes: number): Promise<number> {
  const out = await Deno.makeTempDir({ prefix: "lockstep-scaling-" });
  try {
    const passed = (["dataset", "data", "filters", "size", "window"] as const).flatMap((name) =>
      given[name] === undefined ? [] : [`--${name}`, String(given[name])]
    );
    const steps = given.steps as number | undefined ?? 20;
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", fileURLToPath(new URL("../launch/train.ts", import.meta.url)), ...passed],
        // A shard for each lane, whatever the number of lanes: the same computation in every run.
        ...["--workers", `${workers}`, "--lanes", `${lanes}`, "--shards", `${lanes}`],
        ...["--threads", "1", "--steps", `${steps}`, "--checkpoint-steps", `${steps}`],
        ...["--validation-sequences", `${lanes}`, "--test-sequences", "1"],
        ...["--out", out, "--json"],
      ],
    }).output();
    if (!success) {
      throw new Error(
        `Cannot measure ${workers} workers: ${new TextDecoder().decode(stderr).slice(-1000)}`,
      );
    }
    return JSON.parse(new TextDecoder().decode(stdout)).framesPerSecond;
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}
