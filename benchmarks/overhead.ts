/**
 * `deno task bench overhead`: what surviving costs while nothing fails. The same run with snapshots
 * and heartbeats as they are by default, and with hardly any, in turn; each pair gives a share, of
 * which the median counts, so that a machine that slows down slows both.
 */
import { type FlagTable, helpText, parseFlags } from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { setUp } from "../launch/setup.ts";
import { systemClock } from "../net/clock.ts";
import { formatTable } from "../report/table.ts";
import { train } from "./train_process.ts";
import { summarize } from "./turns.ts";

const flags = {
  workers: { ...runFlags.workers, defaultText: "2" },
  steps: { ...runFlags.steps, help: "steps of each run", defaultText: "200" },
  size: { ...runFlags.size, defaultText: "64" },
  filters: { ...runFlags.filters, defaultText: "16" },
  lanes: { ...runFlags.lanes, defaultText: "4" },
  "snapshot-steps": runFlags["snapshot-steps"],
  turns: { kind: "integer", value: "N", min: 1, max: 100, help: "turns", defaultText: "5" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** Never within a run: no snapshot between its first and its last step, no heartbeat to speak of. */
const without = [
  ...["--snapshot-steps", "1000000", "--heartbeat-ms", "60000", "--dead-ms", "3600000"],
];

export async function run(args: string[]): Promise<unknown> {
  const given = parseFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench overhead [flags]", flags));
    return;
  }
  const { natsServer, tensorflow, problems } = await setUp();
  if (!natsServer) throw new Error(problems.join("; "));
  const workers = given.workers as number | undefined ?? 2;
  const steps = given.steps as number | undefined ?? 200;
  const model = { size: 64, filters: 16, lanes: 4, ...given };
  const common = [
    ...["--size", `${model.size}`, "--filters", `${model.filters}`, "--lanes", `${model.lanes}`],
    // One epoch: a validation is no step, but heats the machine like many.
    ...["--sequences", "100000", "--validation-sequences", "1", "--test-sequences", "1"],
    ...["--steps", `${steps}`, "--checkpoint-steps", "1000000"],
  ];
  const snapshotSteps = given["snapshot-steps"];
  const withAll = snapshotSteps === undefined ? [] : ["--snapshot-steps", `${snapshotSteps}`];
  const out = await Deno.makeTempDir({ prefix: "lockstep-overhead-" });
  const measure = async (more: readonly string[], name: string) => {
    const setting = {
      natsServer: natsServer.path,
      libraryPath: tensorflow?.path,
      workers,
      args: [...common, ...more],
      clock: systemClock,
    };
    const folder = `${out}/${name}`;
    const result = await train(setting, folder);
    await Deno.remove(folder, { recursive: true });
    return result;
  };
  const pairs: { withAll: number; without: number }[] = [];
  try {
    for (let turn = 0; turn < (given.turns as number | undefined ?? 5); turn++) {
      // Who goes first changes, so that a machine that slows down favours neither.
      const withFirst = turn % 2 === 0;
      const first = await measure(withFirst ? withAll : without, `${turn}-first`);
      const second = await measure(withFirst ? without : withAll, `${turn}-second`);
      if (first.parametersSha256 !== second.parametersSha256) {
        throw new Error("Cannot compare: the two runs end with different weights");
      }
      const [on, off] = withFirst ? [first, second] : [second, first];
      pairs.push({ withAll: on.secondsPerStep, without: off.secondsPerStep });
      console.error(
        `turn ${turn + 1}: ${milliseconds(on.secondsPerStep)} ms with snapshots and ` +
          `heartbeats, ${milliseconds(off.secondsPerStep)} ms without`,
      );
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
  const overhead = summarize(pairs.map((pair) => pair.withAll / pair.without - 1));
  const result = {
    workers,
    steps,
    ...{ size: model.size, filters: model.filters, lanes: model.lanes },
    turns: pairs.length,
    secondsPerStep: summarize(pairs.map((pair) => pair.withAll)).median,
    secondsPerStepWithout: summarize(pairs.map((pair) => pair.without)).median,
    overhead: overhead.median,
    overheadMin: overhead.min,
    overheadMax: overhead.max,
  };
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  console.error(formatTable(
    ["workers", "ms a step", "without", "overhead", "spread"],
    [[
      workers,
      milliseconds(result.secondsPerStep),
      milliseconds(result.secondsPerStepWithout),
      percent(overhead.median),
      `${percent(overhead.min)} to ${percent(overhead.max)}`,
    ]],
  ));
  if (given.json) console.log(JSON.stringify(result));
  return result;
}

function milliseconds(seconds: number): number {
  return Number((1000 * seconds).toFixed(1));
}
