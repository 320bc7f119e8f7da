/**
 * Training against float64 references: losses, predictions, gradients, states and final weights of
 * every window, through the trainer, its plan-style resets and weights, losses and optimizers. The
 * references are JSON files in the folder that GOLDEN_DIR names.
 */
import assert from "node:assert/strict";
import { createAllReduce } from "../../collective/all_reduce.ts";
import type { Engine, EngineName, ExecutionMode } from "../../engine/engine.ts";
import { openEngine } from "../../engine/open_engine.ts";
import { locateTensorFlow } from "../../engine/tensorflow/locate.ts";
import { tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import type { Model } from "../../models/model.ts";
import { buildOptimizer } from "../../models/optimizers/build_optimizer.ts";
import { systemClock } from "../../net/clock.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import type { FrameShape } from "../../datasets/dataset.ts";
import {
  createTrainer,
  parameterCount,
  reducedExtras,
  uploadWindows,
} from "../../worker/trainer.ts";
import type { WindowBatch } from "../../worker/window_batch.ts";
import { sharedFolder } from "../support/shared_folder.ts";

interface Golden {
  readonly optimizer: { readonly name: "adam" | "sgd"; readonly learningRate: number };
  readonly lanes: number;
  readonly windowFrames: number;
  readonly frameShape: FrameShape;
  readonly filters: number[];
  readonly kernelSize: number;
  readonly resets: number[][];
  readonly lossWeights: number[][][];
  readonly names: string[];
  readonly shapes: number[][];
  readonly initial: number[][];
  readonly frames: { readonly shape: number[]; readonly values: number[] };
  readonly windows: {
    readonly loss: number;
    readonly gradients: number[][];
    /** [layer][hidden, cell][lanes * height * width * filters] */
    readonly stateAfter: number[][][];
    readonly predictions: number[];
  }[];
  readonly final: number[][];
}

const golden = sharedFolder("GOLDEN_DIR", "golden");
const files = golden === undefined
  ? []
  : [...Deno.readDirSync(golden)].map(({ name }) => name).filter((name) => name.endsWith(".json"));
const tensorflow = await locateTensorFlow();

/** Six times the largest difference that any tensor has on the processors tried, float32's rounding. */
const tolerance = 1e-5;

const variants: { engine: EngineName; mode: ExecutionMode; skip: boolean }[] = [
  { engine: "tensorflow", mode: "eager", skip: !tensorflow },
  { engine: "tensorflow", mode: "traced", skip: !tensorflow },
  { engine: "wasm", mode: "eager", skip: false },
];

for (const { engine: name, mode, skip } of variants) {
  // One test for each shard count: the same reference however the lanes are cut.
  for (const file of files.length > 0 ? files : ["(no reference)"]) {
    Deno.test({
      name: `training on ${name} (${mode}) reproduces ${file}`,
      ignore: skip || files.length === 0,
      async fn() {
        const reference: Golden = JSON.parse(await Deno.readTextFile(`${golden}/${file}`));
        const engine = await openEngine(name, { threads: 1, precision: "float32" });
        try {
          for (let shards = 1; shards <= reference.lanes; shards++) {
            if (reference.lanes % shards === 0) {
              await reproduce(reference, engine, mode, shards);
            }
          }
        } finally {
          engine.dispose();
        }
      },
    });
  }
}

async function reproduce(
  reference: Golden,
  engine: Engine,
  mode: ExecutionMode,
  shardCount: number,
): Promise<void> {
  const { frameShape, filters, kernelSize, windowFrames, lanes } = reference;
  const model = convLstm({ frameShape, filters, kernelSize, windowFrames });
  assert.deepEqual(
    model.parameters.map(({ name, shape }) => [name, [...shape]]),
    reference.names.map((name, index) => [name, reference.shapes[index]]),
  );
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const lanesPerShard = lanes / shardCount;
  const handlesBefore = engine.handleCount();
  const allReduce = createAllReduce({
    transport: createMemoryBroker({ clock: systemClock }).connect(),
    subjectPrefix: "golden",
    rank: 0,
    members: ["w0"],
    generation: 1,
    owners: shards.map(() => 0),
    elements: parameterCount(model) + reducedExtras,
    firstStep: 1,
    timeoutMs: 1000,
    clock: systemClock,
  });
  const { learningRate } = reference.optimizer;
  const optimizer = buildOptimizer({
    ...reference.optimizer,
    momentum: 0,
    weightDecay: 0,
    clipNorm: null,
  });
  const trainer = createTrainer({
    engine,
    model,
    loss: "mse",
    optimizer,
    schedule: () => learningRate,
    seed: 1,
    lanesPerShard,
    shards,
    allReduce,
    mode,
  });
  const count = parameterCount(model);
  trainer.restore(
    0,
    Float32Array.from(reference.initial.flat()),
    optimizer.slots.map(() => new Float32Array(count)),
  );
  for (const [index, window] of reference.windows.entries()) {
    const where = `window ${index}, ${shardCount} shards`;
    const batches = shards.map((shard) => batchOf(reference, model, index, shard, lanesPerShard));
    const gradient = new Float64Array(count);
    const predictions: number[] = [];
    for (const batch of batches) {
      const windows = uploadWindows(batch, model, lanesPerShard);
      const state = trainer.states.ofShard(batch.shard);
      const evaluated = await trainer.functions.evaluate(trainer.parameters(), state, windows);
      predictions.push(...evaluated.predictions.dataSync());
      const { flat, state: newState } = await trainer.functions.gradients(
        trainer.parameters(),
        state,
        windows,
      );
      flat.dataSync().slice(0, count).forEach((value: number, at: number) => gradient[at] += value);
      tf.dispose([windows.frames, windows.resets, windows.weights, flat, newState]);
      tf.dispose([evaluated.losses, evaluated.predictions, evaluated.state]);
    }
    close(predictions, window.predictions, `predictions, ${where}`);
    closeByParameter(
      gradient,
      window.gradients,
      (at) => `gradient of ${reference.names[at]}, ${where}`,
    );
    const next = batches.values();
    const { loss } = await trainer.trainStep(() => Promise.resolve(next.next().value!), false);
    close([loss], [window.loss], `loss, ${where}`);
    for (let lane = 0; lane < lanes; lane++) {
      const state = trainer.states.readLane(lane);
      let offset = 0;
      for (const [layer, values] of window.stateAfter.entries()) {
        for (const [part, all] of values.entries()) {
          const size = all.length / lanes;
          close(
            state.subarray(offset, offset += size),
            all.slice(lane * size, (lane + 1) * size),
            `${["hidden", "cell"][part]} state of layer ${layer}, lane ${lane}, ${where}`,
          );
        }
      }
      assert.equal(offset, state.length);
    }
  }
  closeByParameter(
    trainer.readParameters(),
    reference.final,
    (at) => `final ${reference.names[at]}`,
  );
  trainer.dispose();
  allReduce.close();
  assert.equal(engine.handleCount(), handlesBefore, "tensors are left over");
}

/** A shard's part of a window: lanes [first, first + lanesPerShard) of the reference. */
function batchOf(
  reference: Golden,
  model: Model,
  window: number,
  shard: number,
  lanesPerShard: number,
): WindowBatch {
  const { frames, lossWeights, resets, lanes, frameShape } = reference;
  const size = frames.values.length / frames.shape[0] / lanes;
  const first = shard * lanesPerShard;
  const start = (window * lanes + first) * size;
  const pixels = frameShape[0] * frameShape[1] * frameShape[2];
  const divisor = lossWeights[window].flat().reduce((sum, weight) => sum + weight, 0) * pixels;
  const weights = lossWeights[window].slice(first, first + lanesPerShard).flat();
  assert.equal(size, model.window.frames * pixels);
  return {
    step: window,
    shard,
    frames: Float32Array.from(frames.values.slice(start, start + lanesPerShard * size)),
    resets: Float32Array.from(resets[window].slice(first, first + lanesPerShard)),
    weights: Float32Array.from(weights, (weight) => weight / divisor),
  };
}

/**
 * Compares tensors whole: a value that is nearly zero beside larger ones has their rounding errors, and
 * how large those are depends on the processor.
 */
function close(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  const [found, limit] = [Math.sqrt(difference), tolerance * Math.sqrt(size)];
  assert.ok(
    found <= limit,
    `${what}: the difference from the reference has norm ${found}, at most ${limit} may be`,
  );
}

/** Compares each parameter's part of a flat array. */
function closeByParameter(
  actual: ArrayLike<number>,
  expected: readonly (readonly number[])[],
  what: (index: number) => string,
): void {
  let offset = 0;
  const values = Array.from(actual);
  for (const [index, part] of expected.entries()) {
    close(values.slice(offset, offset + part.length), part, what(index));
    offset += part.length;
  }
  assert.equal(values.length, offset);
}
