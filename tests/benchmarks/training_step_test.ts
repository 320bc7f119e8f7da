import assert from "node:assert/strict";
import { prepareStep, stepFlops } from "../../benchmarks/training_step.ts";
import { tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import { evaluationInputs } from "../models/evaluation_inputs.ts";
import { testOnEngines } from "../worker/small_run.ts";

const workload = { filters: [3, 2], lanes: 4, shards: 2, window: 3, size: 8, headKernelSize: 3 };

testOnEngines("stepFlops counts what the model's own convolutions compute", async (open) => {
  await open(1);
  const { filters, lanes, window, size, headKernelSize } = workload;
  const model = convLstm({
    frameShape: [size, size, 1],
    filters,
    kernelSize: 3,
    headKernelSize,
    windowFrames: window,
  });
  const tensors = [
    ...model.parameters.map(({ shape }) => tf.zeros([...shape])),
    ...model.state.map(({ shape }) => tf.zeros([lanes, ...shape])),
    tf.zeros([lanes, window + 1, size, size, 1]),
  ];
  const count = model.parameters.length;
  const { kernels } = await tf.profile(() =>
    tf.tidy(() => {
      const { predictions } = model.apply(
        tensors.slice(0, count),
        tensors.slice(count, -1),
        evaluationInputs(tensors[tensors.length - 1]),
      );
      return tf.keep(tf.clone(predictions));
    })
  ).then((profile) => {
    (profile.result as tf.Tensor).dispose();
    return profile;
  });
  let forward = 0;
  for (const { name, inputShapes, outputShapes } of kernels) {
    if (name !== "Conv2D") continue;
    const [height, width, channels] = inputShapes.find((_, index) => index === 1)!;
    const output = outputShapes[0].reduce((product: number, side: number) => product * side, 1);
    forward += 2 * output * height * width * channels;
  }
  tf.dispose(tensors);
  // Forward, and as much for each of two gradients.
  assert.equal(3 * forward, stepFlops(workload));
});

testOnEngines("prepareStep trains: the loss falls, and nothing is left over", async (open) => {
  const engine = await open(1);
  const prepared = prepareStep(engine, workload);
  const losses: number[] = [];
  let handles = -1;
  for (let step = 0; step < 30; step++) {
    losses.push(await prepared.step());
    if (handles < 0) handles = engine.handleCount();
    assert.equal(engine.handleCount(), handles);
  }
  assert.ok(losses.every(Number.isFinite));
  assert.ok(losses[29] < losses[0], `${losses[0]} to ${losses[29]}`);
  prepared.dispose();
});
