/**
 * What windows, lanes and carried states must come to: each sequence run through the model at once,
 * from a zero state, its errors summed in float64.
 */
import type { Split } from "../../datasets/dataset.ts";
import { tf } from "../../engine/tf.ts";
import { buildModel } from "../../models/build_model.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { splitParameters } from "../../worker/step_functions.ts";
import type { Trainer } from "../../worker/trainer.ts";
import { noiseDataset } from "./small_run.ts";

export interface WholeLosses {
  /** Sums over all pixels of all predicted frames. */
  readonly loss: number;
  /** Of repeating the frame before. */
  readonly persistence: number;
  /** Pixels predicted. */
  readonly values: number;
}

/** For the model "convlstm", with the trainer's present parameters. */
export async function wholeSequenceLosses(
  trainer: Trainer,
  configuration: RunConfiguration,
  split: Split,
): Promise<WholeLosses> {
  const dataset = noiseDataset(configuration.dataset);
  const error = (a: number, b: number) =>
    configuration.loss === "mae" ? Math.abs(a - b) : (a - b) ** 2;
  const size = dataset.frameShape.reduce((product, side) => product * side, 1);
  let [loss, persistence, values] = [0, 0, 0];
  for (const [sequence, { frames }] of dataset.catalogue(split, 0).entries()) {
    if (frames < 2) continue;
    const truth = await dataset.read({ split, epoch: 0, sequence, offset: 0, frames });
    // One window that is as long as the sequence.
    const model = buildModel(configuration.model, dataset, frames - 1);
    const predictions = tf.tidy(() => {
      const state = model.state.map(({ shape }) => tf.zeros([1, ...shape]));
      const parameters = splitParameters(model, trainer.parameters());
      const window = tf.tensor(truth, [1, frames, ...dataset.frameShape], "float32");
      return model.apply(parameters, state, {
        frames: window,
        noise: [],
        training: false,
      }).predictions.dataSync();
    });
    for (let index = 0; index < predictions.length; index++) {
      // The target of a frame is the one after it.
      loss += error(predictions[index], truth[index + size]);
      persistence += error(truth[index], truth[index + size]);
    }
    values += predictions.length;
  }
  return { loss, persistence, values };
}
