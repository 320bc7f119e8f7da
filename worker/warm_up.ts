/**
 * Calls each compiled function once, on zeros of the shapes that a run gives it. The first call
 * traces, which keeps the event loop, and with it the signs of life, from their turn: for seconds
 * where a window is long. A worker does that before it is ready, when nobody waits for it.
 */
import type { Dataset } from "../datasets/dataset.ts";
import { tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import type { Optimizer } from "../models/optimizers/optimizer.ts";
import { createLaneStates } from "./lane_states.ts";
import type { StepFunctions } from "./step_functions.ts";
import { disposeWindows, parameterCount, uploadWindows } from "./trainer.ts";
import { emptyTargets, sizeOf } from "./window_batch.ts";

export async function warmUp(
  functions: StepFunctions,
  model: Model,
  optimizer: Optimizer,
  lanesPerShard: number,
  { targetShape }: Pick<Dataset, "targetShape"> = {},
): Promise<void> {
  const count = parameterCount(model);
  const windows = uploadWindows(
    {
      step: 0,
      shard: 0,
      frames: new Float32Array(lanesPerShard * model.window.frames * sizeOf(model.frameShape)),
      resets: new Float32Array(lanesPerShard),
      weights: new Float32Array(lanesPerShard * model.window.predictions),
      targets: emptyTargets({ targetShape }, lanesPerShard * model.window.frames),
    },
    model,
    lanesPerShard,
    (model.noise ?? []).map(({ shape }) => new Float32Array(lanesPerShard * sizeOf(shape))),
  );
  const states = createLaneStates(model.state, [0], lanesPerShard);
  const parameters = tf.zeros([count]);
  const gradient = tf.zeros([count]);
  const slots = optimizer.slots.map(() => tf.zeros([count]));
  const scalars = {
    learningRate: tf.scalar(0),
    biasCorrection: tf.tensor1d(optimizer.biasCorrection(1)),
  };
  const { flat, state, counts } = await functions.gradients(
    ...[parameters, states.ofShard(0), windows] as const,
  );
  const updated = await functions.update(parameters, slots, gradient, scalars);
  const evaluated = await functions.evaluate(parameters, states.ofShard(0), windows);
  states.dispose();
  tf.dispose([
    ...[
      parameters,
      gradient,
      scalars.learningRate,
      scalars.biasCorrection,
      flat,
      updated.parameters,
    ],
    ...[evaluated.losses, evaluated.predictions, ...evaluated.state, ...slots, ...state],
    ...[updated.magnitude, ...updated.slots],
    ...[counts, evaluated.counts?.model, evaluated.counts?.persistence]
      .filter((each) => each !== undefined),
  ]);
  disposeWindows(windows);
}
