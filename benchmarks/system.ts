/**
 * `deno task bench system`: the first steps of a published system, and the same network in PyTorch
 * from the same weights on the same windows: losses side by side, seconds of a step, and what they
 * make of the published number of steps. Takes the flags of `train`.
 */
import { fileURLToPath } from "node:url";
import { createAllReduce } from "../collective/all_reduce.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { defaultLoss } from "../models/losses.ts";
import { resolveOptions } from "../net/options.ts";
import { type FlagTable, helpText, UsageError } from "../launch/flags.ts";
import { runFlags } from "../launch/run_flags.ts";
import { commandFlags, readFlags, requestRun } from "../launch/run_options.ts";
import { setUp } from "../launch/setup.ts";
import { systemClock } from "../net/clock.ts";
import { createMemoryBroker } from "../net/memory_transport.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { formatTable } from "../report/table.ts";
import { openRun } from "../worker/open_run.ts";
import type { OpenedRun } from "../worker/opened_run.ts";
import { planTraining } from "../worker/run_training.ts";
import { readWindows, type WindowBatch } from "../worker/window_batch.ts";
import { summarize } from "./turns.ts";

const flags = {
  ...runFlags,
  config: commandFlags.config,
  "compare-steps": { ...runFlags.steps, help: "steps to compare", defaultText: "5" },
  peer: { kind: "text", value: "PYTHON", help: "Python with PyTorch, to run the same steps" },
  json: { kind: "switch", help: "one JSON object on standard output" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** What Keras and PyTorch call by that name; ours adds it where PyTorch does. */
const epsilon = 1e-7;

interface Steps {
  readonly losses: readonly number[];
  readonly seconds: readonly number[];
}

interface OwnSteps extends Steps {
  readonly parameterCount: number;
  /** Of the first epoch. */
  readonly epochSteps: number;
}

export async function run(args: string[]): Promise<unknown> {
  const given = await readFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench system [flags]", flags));
    return;
  }
  const { peer, json, "compare-steps": compared, ...runGiven } = given;
  const { tensorflow, problems } = await setUp();
  if (!tensorflow) throw new Error(problems.join("; "));
  const { configuration: whole } = await requestRun({ ...runGiven, engine: "tensorflow" });
  const configuration = { ...whole, steps: compared as number | undefined ?? 5, epochs: null };
  if (configuration.optimizer.schedule !== "constant") {
    throw new UsageError("Give --schedule constant: the peer has no other");
  }
  const folder = await Deno.makeTempDir({ prefix: "lockstep-system-" });
  try {
    const own = await runOwn(configuration, folder);
    const other = peer === undefined
      ? undefined
      : await runPeer(peer as string, folder, configuration.threads);
    const result = report(configuration, own, other, whole.steps ?? own.epochSteps * whole.epochs!);
    if (json) console.log(JSON.stringify(result));
    return result;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Trains the steps, and leaves weights and windows in the folder for the peer. */
async function runOwn(
  configuration: RunConfiguration,
  folder: string,
): Promise<OwnSteps> {
  const opened = await openRun(configuration, systemClock);
  const shards = Array.from({ length: configuration.shards }, (_, shard) => shard);
  const allReduce = createAllReduce({
    transport: createMemoryBroker({ clock: systemClock }).connect(),
    subjectPrefix: "bench",
    rank: 0,
    members: ["w0"],
    generation: 1,
    owners: shards.map(() => 0),
    elements: opened.reducedElements,
    firstStep: 1,
    timeoutMs: 60_000,
    clock: systemClock,
  });
  const { trainer } = opened.createTrainer(shards, allReduce);
  try {
    await writeManifest(configuration, opened, folder);
    await Deno.writeFile(`${folder}/parameters.bin`, bytesOf(trainer.readParameters()));
    const losses: number[] = [];
    const seconds: number[] = [];
    using windows = await Deno.open(`${folder}/windows.bin`, { create: true, append: true });
    for (let step = 0; step < configuration.steps!; step++) {
      const batches = await readStep(configuration, opened, trainer.errorsPerPrediction, step);
      // All lanes' frames, then all their weights, then their answers where there are some.
      for (const { frames } of batches) await windows.write(bytesOf(frames));
      for (const { weights } of batches) await windows.write(bytesOf(weights));
      for (const { targets } of batches) {
        if (targets) await windows.write(bytesOf(targets.values));
      }
      const next = batches.values();
      const started = systemClock.nowMs();
      const { loss } = await trainer.trainStep(() => Promise.resolve(next.next().value!), false);
      seconds.push((systemClock.nowMs() - started) / 1000);
      losses.push(loss);
    }
    const { steps: epochSteps } = planTraining({ configuration, ...opened }, 0);
    return { losses, seconds, parameterCount: opened.report.parameterCount, epochSteps };
  } finally {
    trainer.dispose();
    allReduce.close();
    opened.close();
  }
}

async function readStep(
  configuration: RunConfiguration,
  { dataset, window }: { dataset: Dataset; window: OpenedRun["window"] },
  errorsPerPrediction: number,
  step: number,
): Promise<WindowBatch[]> {
  const plan = planTraining({ configuration, dataset, window }, 0);
  if (step >= plan.steps) {
    throw new UsageError(`The first epoch has only ${plan.steps} steps: raise --sequences`);
  }
  const lanesPerShard = configuration.lanes / configuration.shards;
  const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard } as const;
  const divisor = plan.weightSum(step) * errorsPerPrediction;
  const batches = await Promise.all(
    Array.from(
      { length: configuration.shards },
      (_, shard) => readWindows(source, step, shard, divisor),
    ),
  );
  if (batches.some(({ resets }) => resets.includes(0))) {
    throw new UsageError(
      `The peer carries no state: give sequences of one window, --sequence-frames ${window.frames}`,
    );
  }
  return batches;
}

async function writeManifest(
  configuration: RunConfiguration,
  { report, window, dataset }: OpenedRun,
  folder: string,
): Promise<void> {
  const { name, options } = configuration.model;
  const definition = await findModel(name);
  const model = buildModel(configuration.model, dataset, configuration.windowFrames, definition);
  const manifest = {
    model: name,
    options: resolveOptions(definition.options, options, `--model ${name}`),
    frameShape: report.frameShape,
    lanes: configuration.lanes,
    windowFrames: window.frames,
    predictions: window.predictions,
    parameters: report.parameters,
    loss: configuration.loss ?? model.loss ?? defaultLoss,
    optimizer: configuration.optimizer.name,
    learningRate: configuration.optimizer.learningRate,
    epsilon,
    precision: configuration.precision,
    steps: configuration.steps,
  };
  await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify(manifest));
}

async function runPeer(python: string, folder: string, threads: number): Promise<Steps> {
  const script = fileURLToPath(new URL("peers/torch_systems.py", import.meta.url));
  const { stdout, stderr, success } = await new Deno.Command(python, {
    args: [script, folder, `${threads}`],
  }).output();
  const text = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (!success || !text.startsWith("{")) {
    const reason = new TextDecoder().decode(stderr).trim().slice(-500);
    throw new Error(`Cannot run the peer with ${python}: ${reason}; it needs PyTorch and NumPy`);
  }
  return JSON.parse(text);
}

function report(
  configuration: RunConfiguration,
  own: OwnSteps,
  peer: Steps | undefined,
  wholeSteps: number,
) {
  const { model: { name }, threads, precision } = configuration;
  const rows = own.losses.map((loss, step) => [
    `${step + 1}`,
    loss.toPrecision(7),
    ...(peer
      ? [peer.losses[step].toPrecision(7), (loss / peer.losses[step] - 1).toExponential(1)]
      : []),
  ]);
  // The first step allocates, on both sides.
  const secondsOf = ({ seconds }: Steps) => summarize(seconds.slice(seconds.length > 1 ? 1 : 0));
  const [ownSeconds, peerSeconds] = [secondsOf(own), peer && secondsOf(peer)];
  const differences = peer?.losses.map((loss, step) => Math.abs(own.losses[step] / loss - 1));
  console.error(
    `${name}: ${own.parameterCount.toLocaleString("en")} parameters, ${precision}, ` +
      `${threads} ${threads === 1 ? "thread" : "threads"}\n` +
      formatTable(["step", "loss", ...(peer ? ["PyTorch", "difference"] : [])], rows) + "\n" +
      `${ownSeconds.median.toFixed(3)} s a step` +
      (peerSeconds
        ? `, PyTorch ${peerSeconds.median.toFixed(3)} s: ` +
          `${(peerSeconds.median / ownSeconds.median).toFixed(2)} times as fast`
        : "") +
      `\n${wholeSteps.toLocaleString("en")} steps, the whole run, would take ` +
      `${(wholeSteps * ownSeconds.median / 86_400).toPrecision(2)} days here`,
  );
  return {
    model: name,
    parameterCount: own.parameterCount,
    threads,
    precision,
    losses: own.losses,
    secondsPerStep: ownSeconds.median,
    wholeSteps,
    wholeDays: wholeSteps * ownSeconds.median / 86_400,
    ...(peer && peerSeconds && differences
      ? {
        peerLosses: peer.losses,
        peerSecondsPerStep: peerSeconds.median,
        timesAsFastAsPeer: peerSeconds.median / ownSeconds.median,
        lossDifferenceMax: Math.max(...differences),
      }
      : {}),
  };
}

function bytesOf(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}
