/**
 * A run small enough to train in milliseconds, with everything that makes bits differ: sequences of
 * many lengths, partial windows, lanes that run dry, and several shards. Also what opens engines
 * for it.
 */
import assert from "node:assert/strict";
import { createAllReduce } from "../../collective/all_reduce.ts";
import { assignShards } from "../../collective/canonical_tree.ts";
import type { Dataset, ReadRequest, SequenceEntry, Split } from "../../datasets/dataset.ts";
import type { Engine, EngineName, ExecutionMode } from "../../engine/engine.ts";
import { openEngine } from "../../engine/open_engine.ts";
import { locateTensorFlow } from "../../engine/tensorflow/locate.ts";
import { tf } from "../../engine/tf.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel } from "../../models/build_model.ts";
import { defaultLoss } from "../../models/losses.ts";
import type { Model } from "../../models/model.ts";
import { buildOptimizer } from "../../models/optimizers/build_optimizer.ts";
import { buildSchedule, type Schedule } from "../../models/schedules.ts";
import { systemClock } from "../../net/clock.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { random } from "../../net/random.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { createTrainer, reducedLength, type Trainer } from "../../worker/trainer.ts";

export const smallRun: RunConfiguration = {
  ...defaultRun,
  dataset: { ...defaultRun.dataset, frameSize: 5 },
  model: { ...defaultRun.model, filters: [2, 3], inputFrames: 3, outputFrames: 2 },
  optimizer: { ...defaultRun.optimizer, name: "adam", learningRate: 0.01, clipNorm: 0.5 },
  lanes: 6,
  shards: 6,
  windowFrames: 3,
  windowStride: null,
  epochs: 2,
  steps: null,
  seed: 7,
};

/** Where a schedule ends: a few steps after an epoch. */
const smallRunSteps = 12;

const lengths: Readonly<Record<Split, readonly number[]>> = {
  train: [7, 12, 4, 9, 5, 1, 8, 11, 6],
  validation: [6, 11, 4, 8],
  test: [5, 9, 11, 10],
};

/** Noise of its own in every sequence of a split, in frames a pixel higher than wide. */
export function noiseDataset(
  { frameSize = smallRun.dataset.frameSize, onRead = () => {} }: {
    frameSize?: number;
    onRead?: (request: ReadRequest) => void;
  } = {},
): Dataset {
  const frameShape = [frameSize, frameSize - 1, 1] as const;
  const size = frameSize * (frameSize - 1);
  return {
    name: "noise",
    frameShape,
    description: "Noise",
    unit: "nothing",
    catalogue: (split): readonly SequenceEntry[] =>
      lengths[split].map((frames, index) => ({ id: `${split}/${index}`, frames })),
    read(request) {
      onRead(request);
      const { split, sequence, offset, frames } = request;
      assert.ok(offset + frames <= lengths[split][sequence], "read beyond a sequence's end");
      const stream = random("noise", split, sequence);
      const values = Float32Array.from(
        { length: (offset + frames) * size },
        () => stream.uniform(),
      );
      return Promise.resolve(values.slice(offset * size));
    },
    close() {},
  };
}

export function smallModel(configuration: RunConfiguration = smallRun): Model {
  const data = noiseDataset(configuration.dataset);
  return buildModel(configuration.model, data, configuration.windowFrames);
}

/** One trainer of `workers`; they share a broker inside this process. */
export interface Member {
  readonly trainer: Trainer;
  readonly shards: readonly number[];
  readonly rank: number;
}

/** Runs `body` with the trainers of all ranks, joined by an all-reduce. */
export async function withTrainers(
  engine: Engine,
  workers: number,
  body: (members: readonly Member[]) => Promise<void>,
  {
    configuration = smallRun,
    firstStep = 1,
    mode,
    model = smallModel(configuration),
    schedule = buildSchedule(configuration.optimizer, smallRunSteps),
    hasTargets,
    hasMissing,
    initial,
  }: {
    configuration?: RunConfiguration;
    firstStep?: number;
    mode?: ExecutionMode;
    model?: Model;
    schedule?: Schedule;
    hasTargets?: boolean;
    hasMissing?: boolean;
    initial?: readonly Float32Array[];
  } = {},
): Promise<void> {
  const broker = createMemoryBroker({ clock: systemClock });
  const owners = assignShards(configuration.shards, workers);
  const reduces = Array.from({ length: workers }, (_, rank) =>
    createAllReduce({
      transport: broker.connect({ noEcho: true }),
      subjectPrefix: "small",
      rank,
      members: Array.from({ length: workers }, (_, each) => `w${each}`),
      generation: 1,
      owners,
      elements: reducedLength(model, hasMissing),
      firstStep,
      // Several chunks to each gradient.
      chunkBytesMax: 1024,
      timeoutMs: 20_000,
      clock: systemClock,
    }));
  await Promise.all(reduces.map((allReduce) => allReduce.ready()));
  const members = reduces.map((allReduce, rank) => {
    const shards = owners.flatMap((owner, shard) => owner === rank ? [shard] : []);
    const { optimizer, loss, seed, lanes } = configuration;
    const trainer = createTrainer({
      engine,
      model,
      initial,
      loss: loss ?? model.loss ?? defaultLoss,
      optimizer: buildOptimizer(optimizer),
      schedule,
      seed,
      lanesPerShard: lanes / configuration.shards,
      shards,
      allReduce,
      hasTargets,
      hasMissing,
      mode,
    });
    return { trainer, shards, rank };
  });
  try {
    await body(members);
  } finally {
    for (const { trainer } of members) trainer.dispose();
    for (const allReduce of reduces) allReduce.close();
    broker.stop();
  }
}

const hasTensorFlow = await locateTensorFlow() !== undefined;
if (!hasTensorFlow) {
  console.warn("Tests on libtensorflow are skipped: none found; run 'deno task setup'");
}

/** Registers a test for each engine; nothing may be left of it in the engine. */
export function testOnEngines(
  name: string,
  body: (open: (threads: number) => Promise<Engine>) => Promise<void>,
  engines: readonly EngineName[] = ["tensorflow", "wasm"],
): void {
  for (const engineName of engines) {
    const ignore = engineName === "tensorflow" && !hasTensorFlow;
    const fn = () => withEngines(engineName, body);
    Deno.test({ name: `${name}, on ${engineName}`, ignore, fn });
  }
}

async function withEngines(
  name: EngineName,
  body: (open: (threads: number) => Promise<Engine>) => Promise<void>,
): Promise<void> {
  let engine: Engine | undefined;
  let [handles, tensors] = [0, 0];
  const close = () => {
    if (!engine) return;
    assert.equal(engine.handleCount(), handles, "native tensors are left over");
    assert.equal(tf.memory().numTensors, tensors, "tensors are left over");
    engine.dispose();
    engine = undefined;
  };
  try {
    await body(async (threads) => {
      close();
      engine = await openEngine(name, { threads, precision: "float32" });
      [handles, tensors] = [engine.handleCount(), tf.memory().numTensors];
      return engine;
    });
    close();
  } finally {
    engine?.dispose();
  }
}
