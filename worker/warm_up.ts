/**
 * Calls each compiled function once, on zeros of the shapes that a run gives it. The first call
 * traces, which keeps the event loop, and with it the signs of life, from their turn: for seconds
 * where a window is long. A worker does that before it is ready, when nobody waits for it.
 */
import { tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import type { Optimizer } from "../models/optimizers/optimizer.ts";
import { createLaneStates } from "./lane_states.ts";
import type { StepFunctions } from "./step_functions.ts";
import { parameterCount, uploadWindows } from "./trainer.ts";

export async function warmUp(
  functions: StepFunctions,
  model: Model,
  optimizer: Optimizer,
  lanesPerShard: number,
): Promise<void> {
  const count = parameterCount(model);
  const frameSize = model.frameShape.reduce((size, side) => size * side, 1);
  const windows = uploadWindows(
    {
      step: 0,
      shard: 0,
      frames: new Float32Array(lanesPerShard * model.window.frames * frameSize),
      resets: new Float32Array(lanesPerShard),
      weights: new Float32Array(lanesPerShard * model.window.predictions),
    },
    model,
    lanesPerShard,
  );
  const states = createLaneStates(model.state, [0], lanesPerShard);
  const parameters = tf.zeros([count]);
  const gradient = tf.zeros([count]);
  const slots = optimizer.slots.map(() => tf.zeros([count]));
  const scalars = {
    learningRate: tf.scalar(0),
    biasCorrection: tf.tensor1d(optimizer.biasCorrection(1)),
  };
  const { flat, state } = await functions.gradients(parameters, states.ofShard(0), windows);
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
    ...[windows.frames, windows.resets, windows.weights, updated.magnitude, ...updated.slots],
  ]);
}
