/**
 * `deno task bench step`: seconds of one training step (forward, backward, update) of a stack of
 * ConvLSTM layers. `--peer PYTHON` runs the same network in PyTorch turn by turn with it.
 */
import { fileURLToPath } from "node:url";
import { openEngine } from "../engine/open_engine.ts";
import type { EngineName, ExecutionMode } from "../engine/engine.ts";
import { systemClock } from "../net/clock.ts";
import { type FlagTable, helpText, parseFlags, UsageError } from "../launch/flags.ts";
import { formatTable } from "../report/table.ts";
import { runFlags } from "../launch/run_flags.ts";
import { prepareStep, stepFlops, type StepWorkload } from "./training_step.ts";
import { summarize } from "./turns.ts";

const flags = {
  filters: runFlags.filters,
  lanes: { ...runFlags.lanes, defaultText: "4" },
  shards: { ...runFlags.shards, defaultText: "--lanes, at most 12" },
  window: runFlags.window,
  size: runFlags.size,
  threads: { ...runFlags.threads, defaultText: "2" },
  engine: runFlags.engine,
  precision: runFlags.precision,
  mode: {
    kind: "choice",
    choices: ["traced", "eager"],
    help: "one recorded function, or op by op",
    defaultText: "the engine's own",
  },
  steps: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 100_000,
    help: "steps of a turn",
    defaultText: "4",
  },
  turns: { kind: "integer", value: "N", min: 1, max: 1000, help: "turns", defaultText: "7" },
  peer: {
    kind: "text",
    value: "PYTHON",
    help: "Python with PyTorch, to run the same network turn by turn",
  },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

export async function run(args: string[]): Promise<unknown> {
  const given = parseFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench step [flags]", flags));
    return;
  }
  const read = <T>(name: keyof typeof flags, fallback: T) => (given[name] as T) ?? fallback;
  const lanes = read("lanes", 4);
  const workload = {
    filters: read("filters", [16, 16]),
    lanes,
    shards: read("shards", Math.min(lanes, 12)),
    window: read("window", 10),
    size: read("size", 64),
    headKernelSize: 3,
  };
  if (workload.lanes % workload.shards !== 0) {
    throw new UsageError(`--lanes ${lanes} is not a multiple of --shards ${workload.shards}`);
  }
  const threads = read("threads", 2);
  const precision = read<"float32" | "bfloat16">("precision", "float32");
  const engine = await openEngine(read<"auto" | EngineName>("engine", "auto"), {
    threads,
    precision,
  });
  const mode = read<ExecutionMode>("mode", engine.mode);
  const prepared = prepareStep(engine, workload, mode);
  // Traces, and lets the processor and the allocator settle.
  for (let i = 0; i < 3; i++) await prepared.step();
  const own: number[] = [];
  const peer: number[] = [];
  const steps = read("steps", 4);
  for (let turn = 0; turn < read("turns", 7); turn++) {
    // As the peer does: the best of a turn's steps, which says what the code costs undisturbed.
    let best = Infinity;
    for (let i = 0; i < steps; i++) {
      const started = systemClock.nowMs();
      await prepared.step();
      best = Math.min(best, (systemClock.nowMs() - started) / 1000);
    }
    own.push(best);
    if (!given.peer) continue;
    const device = engine.device.startsWith("GPU") ? "cuda" : "cpu";
    peer.push(await peerSeconds(given.peer as string, workload, threads, steps, device));
  }
  const { median, min, max } = summarize(own);
  const peerTurns = peer.length > 0 ? summarize(peer) : undefined;
  const ratio = peerTurns && summarize(peer.map((seconds, turn) => seconds / own[turn]));
  const result = {
    secondsPerStep: median,
    secondsPerStepMin: min,
    secondsPerStepMax: max,
    gflops: stepFlops(workload) / median / 1e9,
    engine: engine.name,
    engineVersion: engine.version,
    device: engine.device,
    mode,
    precision,
    threads,
    ...workload,
    turns: own.length,
    ...(peerTurns && ratio
      ? {
        peerSecondsPerStep: peerTurns.median,
        timesAsFastAsPeer: ratio.median,
        timesAsFastAsPeerMin: ratio.min,
        timesAsFastAsPeerMax: ratio.max,
      }
      : {}),
  };
  prepared.dispose();
  engine.dispose();
  console.error(formatTable(
    ["", "s/step", "fastest", "slowest", "GFLOP/s"],
    [
      row(`${engine.name} ${mode} ${precision}`, own, workload),
      ...(peerTurns ? [row("PyTorch float32", peer, workload)] : []),
    ],
  ));
  if (ratio) {
    console.error(
      `${ratio.median.toFixed(2)} times as fast as PyTorch ` +
        `(turn by turn ${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
    );
  }
  if (given.json) console.log(JSON.stringify(result));
  return result;
}

function row(name: string, seconds: readonly number[], workload: StepWorkload): string[] {
  const { median, min, max } = summarize(seconds);
  const rate = stepFlops(workload) / median / 1e9;
  return [name, ...[median, min, max].map((value) => value.toFixed(4)), rate.toFixed(1)];
}

/** The peer prints its best step in seconds. */
async function peerSeconds(
  python: string,
  { filters, lanes, window, size }:
    & { filters: readonly number[] }
    & Record<
      "lanes" | "window" | "size",
      number
    >,
  threads: number,
  steps: number,
  device: "cpu" | "cuda",
): Promise<number> {
  const script = fileURLToPath(new URL("peers/torch_convlstm.py", import.meta.url));
  const { stdout, stderr, success } = await new Deno.Command(python, {
    args: [
      ...[script, ...[lanes, window, size, threads, steps].map(String)],
      ...[filters.join(","), device],
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  const seconds = Number(text.trim().split("\n").at(-1));
  if (!success || !Number.isFinite(seconds)) {
    throw new Error(
      `Cannot run the peer with ${python}: ${
        new TextDecoder().decode(stderr).trim().slice(-500)
      }; ` +
        "it needs PyTorch",
    );
  }
  return seconds;
}
