/**
 * `deno task bench overhead`: what surviving costs while nothing fails. The same run as it is by
 * default, and without snapshots, signs of life and credits (`bare_run.ts`), in turn; each pair gives
 * a share, of which the median counts, so that a machine that slows down slows both.
 */
import { fileURLToPath } from "node:url";
import { type FlagTable, helpText, parseFlags } from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { setUp } from "../launch/setup.ts";
import { formatTable } from "../report/table.ts";
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

/** What an arm of the comparison has and lacks, for who reads its figures. */
const arms = {
  usual: "snapshots, heartbeats, questions and beats, credits: as by default",
  bare:
    "no snapshot between the first step and the last, no heartbeat or question of a worker, no " +
    "beat of the coordinator, no credit of a receiver and no window that waits for one",
} as const;
type Arm = keyof typeof arms;

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
    ...["--steps", `${steps}`, "--engine", tensorflow ? "tensorflow" : "wasm", "--json"],
  ];
  const snapshotSteps = given["snapshot-steps"];
  const usual = [
    ...["--checkpoint-steps", "1000000"],
    ...(snapshotSteps === undefined ? [] : ["--snapshot-steps", `${snapshotSteps}`]),
  ];
  const out = await Deno.makeTempDir({ prefix: "lockstep-overhead-" });
  const measure = async (arm: Arm, name: string) => {
    const folder = `${out}/${name}`;
    const result = await runArm(arm, {
      natsServer: natsServer.path,
      libraryPath: tensorflow?.path,
      out: folder,
      workers,
      flags: arm === "usual" ? [...common, ...usual] : common,
    });
    await Deno.remove(folder, { recursive: true });
    return result;
  };
  for (const [arm, what] of Object.entries(arms)) console.error(`${arm}: ${what}`);
  const pairs: { usual: number; bare: number }[] = [];
  try {
    for (let turn = 0; turn < (given.turns as number | undefined ?? 5); turn++) {
      // Who goes first changes, so that a machine that slows down favours neither.
      const isUsualFirst = turn % 2 === 0;
      const first = await measure(isUsualFirst ? "usual" : "bare", `${turn}-first`);
      const second = await measure(isUsualFirst ? "bare" : "usual", `${turn}-second`);
      if (first.parametersSha256 !== second.parametersSha256) {
        throw new Error("Cannot compare: the two runs end with different weights");
      }
      const [on, off] = isUsualFirst ? [first, second] : [second, first];
      pairs.push({ usual: on.secondsPerStep, bare: off.secondsPerStep });
      console.error(
        `turn ${turn + 1}: ${milliseconds(on.secondsPerStep)} ms as usual, ` +
          `${milliseconds(off.secondsPerStep)} ms bare`,
      );
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
  const overhead = summarize(pairs.map(({ usual, bare }) => usual / bare - 1));
  const result = {
    workers,
    steps,
    ...{ size: model.size, filters: model.filters, lanes: model.lanes },
    turns: pairs.length,
    arms,
    secondsPerStep: summarize(pairs.map(({ usual }) => usual)).median,
    secondsPerStepWithout: summarize(pairs.map(({ bare }) => bare)).median,
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

interface ArmSetting {
  readonly natsServer: string;
  readonly libraryPath: string | undefined;
  readonly out: string;
  readonly workers: number;
  readonly flags: readonly string[];
}

/** What the run's coordinator prints, as far as it is used here. */
interface ArmResult {
  readonly parametersSha256: string;
  readonly secondsPerStep: number;
}

async function runArm(
  arm: Arm,
  { natsServer, libraryPath, out, workers, flags }: ArmSetting,
): Promise<ArmResult> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", fileURLToPath(new URL("../deno.json", import.meta.url))],
      ...[fileURLToPath(new URL("./bare_cluster.ts", import.meta.url)), arm],
      ...[natsServer, out, `${workers}`, ...flags],
    ],
    env: libraryPath === undefined ? {} : { TF_LIBRARY: libraryPath },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`Cannot train: ${text.decode(stderr).slice(-2000)}`);
  return JSON.parse(text.decode(stdout));
}

function milliseconds(seconds: number): number {
  return Number((1000 * seconds).toFixed(1));
}
