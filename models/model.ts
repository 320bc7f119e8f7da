/**
 * A model is a value: named parameters in one fixed order, a state for each lane, and a pure
 * function of (parameters, state, inputs). Nothing is kept inside, so that the trainer owns the
 * recurrent state of every lane and can carry, reset, save and move it; and nothing draws random
 * numbers, so that the trainer can give every lane the same ones wherever it is computed.
 */
import type { Tensor } from "../engine/tf.ts";
import type { FrameShape } from "../datasets/dataset.ts";
import type { WindowShape } from "../datasets/window_shape.ts";
import type { LossName } from "../net/run_configuration.ts";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * It is a moving average, which no optimizer touches: after each step it keeps this share of itself,
   * and takes the rest from the mean of what the shards' `ModelOutput.statistics` say, each shard by its
   * share of the step's predictions.
   */
  readonly momentum?: number;
}

/** A state's shape for one lane; batched it is [lanes, ...shape]. */
export interface StateSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Random numbers that a model takes for each window: for sampling, for dropout. */
export type NoiseSpec =
  & {
    readonly name: string;
    /** Of one lane. */
    readonly shape: readonly number[];
  }
  & (
    | {
      /** Standard normal, or uniform in [0, 1). */
      readonly distribution: "normal" | "uniform";
    }
    | {
      /** 1 with a chance, else 0. */
      readonly distribution: "coin";
      /**
       * Of a 1 at a step, counted from 1 over the whole run. It depends on nothing else, so that it is
       * the same on all workers and after a resume.
       */
      readonly chance: (step: number) => number;
    }
  );

export interface ModelInputs {
  /** [lanes, window.frames, height, width, channels] */
  readonly frames: Tensor;
  /**
   * In the shape of `frames`, 1 where a value was observed and 0 where it is missing; a missing
   * value is 0 in `frames` too. Left out where the data never misses any.
   */
  readonly observed?: Tensor;
  /**
   * In the order of `Model.noise`, each [lanes, ...shape]. In training drawn anew at each step; in
   * evaluation the middle of the distribution: 0 for normal, 0.5 for uniform; and 0 for a coin.
   */
  readonly noise: readonly Tensor[];
  /** Whether parameters are being fitted: false in validation, evaluation and prediction. */
  readonly training: boolean;
  /**
   * [lanes, window.predictions]: 1 where a prediction counts, 0 where it is padding. In training, for a
   * model that has moving averages.
   */
  readonly counts?: Tensor;
}

export interface ModelOutput {
  /** [lanes, window.predictions, ...outputShape] */
  readonly predictions: Tensor;
  /** In the order of `Model.state`, each [lanes, ...shape]. */
  readonly state: Tensor[];
  /**
   * Added to each prediction's summed error before it is weighted, e.g. a Kullback-Leibler
   * divergence: [lanes, window.predictions].
   */
  readonly penalty?: Tensor;
  /**
   * In training, what the loss covers beside the predictions, such as the frames that a forecaster
   * predicts while it reads: [lanes, n, ...outputShape]. The loss is then the mean over both; where a
   * window is not full, these count in proportion.
   */
  readonly besides?: {
    readonly predictions: Tensor;
    readonly targets: Tensor;
    /** In the shape of `targets`, 1 where one counts; needed if `ModelInputs.observed` is given. */
    readonly observed?: Tensor;
  };
  /** In training, in the order of the parameters that are moving averages, shaped as these. */
  readonly statistics?: readonly Tensor[];
  /** What an autoencoder squeezes a frame into: [lanes, window.predictions, n]. */
  readonly latent?: Tensor;
}

export interface Model {
  readonly name: string;
  readonly frameShape: FrameShape;
  /** Of one prediction: [height, width, channels] where frames are predicted. */
  readonly outputShape: readonly number[];
  /** In the order of checkpoints, the flat gradient and the SHA-256. */
  readonly parameters: readonly ParameterSpec[];
  readonly state: readonly StateSpec[];
  readonly noise?: readonly NoiseSpec[];
  readonly window: WindowShape;
  /** The published loss, minimized where no other is asked for. @default {"mse"} */
  readonly loss?: LossName;
  /** One array for each parameter, the same on every machine for the same seed. */
  initialize(seed: number): Float32Array[];
  /**
   * @param parameters in the order of `parameters`
   * @param state in the order of `state`, each [lanes, ...shape], already reset where asked
   */
  apply(parameters: readonly Tensor[], state: readonly Tensor[], inputs: ModelInputs): ModelOutput;
  /**
   * What predictions are compared with, shaped as they are. Where data may miss values, this is called
   * with NaN in their place, and with numbers: what is not the same number each time does not count.
   * @param frames [lanes, window.frames, height, width, channels]
   * @param given the dataset's answers, [lanes, window.frames, ...targetShape], where it has them
   */
  targets(frames: Tensor, given?: Tensor): Tensor;
  /**
   * The forecast to beat, repeating the last frame seen: shaped as the predictions, and missing where
   * that is. Left out where nothing is forecast.
   */
  persistence?(frames: Tensor): Tensor;
  /** Autoencoders: points [n, latent] to frames [n, height, width, channels]. */
  decode?(parameters: readonly Tensor[], latent: Tensor): Tensor;
}
