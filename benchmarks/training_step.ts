/**
 * The training step alone, through the product's own trainer: forward, backward, update, on windows
 * that lie ready in memory. What the step and soak benchmarks measure.
 */
import { createAllReduce } from "../collective/all_reduce.ts";
import type { Engine, ExecutionMode } from "../engine/engine.ts";
import { convLstm } from "../models/convlstm.ts";
import type { Model } from "../models/model.ts";
import { buildOptimizer } from "../models/optimizers/build_optimizer.ts";
import { systemClock } from "../net/clock.ts";
import { createMemoryBroker } from "../net/memory_transport.ts";
import { random } from "../net/random.ts";
import { createTrainer, parameterCount, reducedExtras, type Trainer } from "../worker/trainer.ts";
import type { WindowBatch } from "../worker/window_batch.ts";

export interface StepWorkload {
  readonly filters: readonly number[];
  readonly lanes: number;
  readonly shards: number;
  readonly window: number;
  readonly size: number;
  readonly headKernelSize: number;
}

export interface PreparedStep {
  readonly trainer: Trainer;
  /** One step on the same windows; the state is carried. @returns the loss */
  step(): Promise<number>;
  dispose(): void;
}

export function prepareStep(
  engine: Engine,
  workload: StepWorkload,
  mode: ExecutionMode = engine.mode,
): PreparedStep {
  const { filters, lanes, window, size, headKernelSize } = workload;
  const model = convLstm({
    frameShape: [size, size, 1],
    filters,
    kernelSize: 3,
    headKernelSize,
    windowFrames: window,
  });
  const shards = Array.from({ length: workload.shards }, (_, shard) => shard);
  const lanesPerShard = lanes / workload.shards;
  const allReduce = createAllReduce({
    transport: createMemoryBroker({ clock: systemClock }).connect(),
    subjectPrefix: "bench",
    rank: 0,
    members: ["w0"],
    generation: 1,
    owners: shards.map(() => 0),
    elements: parameterCount(model) + reducedExtras,
    firstStep: 1,
    timeoutMs: 60_000,
    clock: systemClock,
  });
  const trainer = createTrainer({
    engine,
    model,
    loss: "mse",
    optimizer: buildOptimizer({ name: "adam", momentum: 0, weightDecay: 0, clipNorm: null }),
    schedule: () => 1e-3,
    seed: 1,
    lanesPerShard,
    shards,
    allReduce,
    mode,
  });
  const batches = shards.map((shard) => noiseWindows(model, shard, lanesPerShard, lanes));
  let isFirst = true;
  return {
    trainer,
    async step() {
      const next = batches.map((batch) => {
        const resets = new Float32Array(lanesPerShard).fill(isFirst ? 1 : 0);
        return { ...batch, resets };
      }).values();
      isFirst = false;
      return (await trainer.trainStep(() => Promise.resolve(next.next().value!), false)).loss;
    },
    dispose() {
      trainer.dispose();
      allReduce.close();
    },
  };
}

/**
 * Floating-point operations of one step: two for each multiply-add of every convolution, forward and
 * for two gradients, as the PyTorch peer counts them (`peers/torch_convlstm.py`).
 */
export function stepFlops({ filters, lanes, window, size, headKernelSize }: StepWorkload): number {
  let inputs = 1;
  let multiplyAdds = 0;
  for (const count of filters) {
    multiplyAdds += 9 * (inputs + count) * 4 * count;
    inputs = count;
  }
  multiplyAdds += headKernelSize ** 2 * inputs;
  return 3 * 2 * lanes * window * size ** 2 * multiplyAdds;
}

function noiseWindows(
  model: Model,
  shard: number,
  lanesPerShard: number,
  lanes: number,
): WindowBatch {
  const [height, width, channels] = model.frameShape;
  const stream = random("bench", shard);
  const size = height * width * channels;
  const { frames, predictions } = model.window;
  return {
    step: 0,
    shard,
    frames: Float32Array.from({ length: lanesPerShard * frames * size }, () => stream.uniform()),
    resets: new Float32Array(lanesPerShard),
    weights: new Float32Array(lanesPerShard * predictions).fill(1 / (lanes * predictions * size)),
  };
}
