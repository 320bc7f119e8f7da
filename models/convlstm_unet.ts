/**
 * `convlstm-unet`: a U-Net (Ronneberger et al. 2015, arXiv 1505.04597) of ConvLSTM layers. On the way
 * down each level halves the frames, on the way up it enlarges them and reads the level's own hidden
 * states beside them; all with a state for each level that is carried along the sequence. In the mode
 * `supervised` it answers each frame, e.g. with a class for each pixel; in `next-frame` it predicts,
 * and its errors tell what is unusual.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { frameSpan } from "./frame_span.ts";
import { answers } from "./last_answer.ts";
import { convLstm2d } from "./layers/conv_lstm2d.ts";
import { conv2d } from "./layers/convolution2d.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters } from "./layers/layer.ts";
import { maxPooling2d } from "./layers/pooling.ts";
import { toLaneMajor, toTimeMajor } from "./layers/time_major.ts";
import { upsampling2d } from "./layers/upsampling.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface ConvLstmUnetOptions {
  readonly frameShape: FrameShape;
  readonly mode: "supervised" | "next-frame";
  /** [height, width, n] of an answer; of a frame in the mode `next-frame`. */
  readonly outputShape: readonly number[];
  readonly outputActivation: "softmax" | "sigmoid" | "linear";
  /** Filters of the uppermost level; each level below has twice as many. */
  readonly filters: number;
  /** Levels, the narrowest included. */
  readonly levels: number;
  readonly kernelSize: number;
  readonly windowFrames: number;
  /**
   * Share of the answers that are the first class, for softmax. Answers begin at it: from elsewhere
   * the first steps drive all pixels there together, through every layer, and the cells are saturated
   * before they have learnt to tell one pixel from another. @default {one over the classes}
   */
  readonly backgroundShare?: number;
}

/**
 * @throws {RangeError} where the frames cannot be halved so often, or the answers are no images or
 *   have no classes of which one could be background
 */
export function convLstmUnet(options: ConvLstmUnetOptions): Model {
  const { frameShape, mode, outputShape, outputActivation, levels, windowFrames } = options;
  const [height, width, channels] = frameShape;
  const scale = 2 ** (levels - 1);
  if (height % scale !== 0 || width % scale !== 0) {
    throw new RangeError(
      `Cannot build convlstm-unet of ${levels} levels for frames of ${height} × ${width}: both ` +
        `sides must be multiples of ${scale}`,
    );
  }
  if (outputShape.length !== 3 || outputShape[0] !== height || outputShape[1] !== width) {
    throw new RangeError(
      `Cannot answer with ${JSON.stringify(outputShape)} to frames of ${height} × ${width}: ` +
        "convlstm-unet gives a value or class for each pixel; choose a dataset of segmentations",
    );
  }
  if (options.backgroundShare !== undefined && outputActivation !== "softmax") {
    throw new RangeError(
      `Cannot begin convlstm-unet at a share of background of ${options.backgroundShare} with ` +
        `output ${outputActivation}: only softmax has classes; leave the share out`,
    );
  }
  const filtersOf = (level: number) => options.filters * 2 ** level;
  const cell = (name: string, level: number, inputChannels: number) =>
    convLstm2d({
      name,
      height: height / 2 ** level,
      width: width / 2 ** level,
      channels: inputChannels,
      filters: filtersOf(level),
      kernelSize: options.kernelSize,
      gradients: { inputs: name !== "down0", initialState: false, finalState: false },
    });
  const down = Array.from(
    { length: levels },
    (_, level) => cell(`down${level}`, level, level === 0 ? channels : filtersOf(level - 1)),
  );
  // From the level above the narrowest one up to the uppermost.
  const up = down.slice(1).map((_, index) => {
    const level = levels - 2 - index;
    return cell(`up${level}`, level, filtersOf(level) + filtersOf(level + 1));
  });
  const head = conv2d({
    name: "head",
    channels: filtersOf(0),
    filters: outputShape[2],
    kernelSize: 1,
    activation: outputActivation,
    firstBias: options.backgroundShare === undefined
      ? undefined
      : backgroundBias(options.backgroundShare, outputShape[2]),
  });
  const parts = [...down, ...up, head];
  const parameters = parts.flatMap((part) => part.parameters);
  const cells = [...down, ...up];
  const [pool, enlarge] = [maxPooling2d({ size: 2 }), upsampling2d(2)];
  const isNextFrame = mode === "next-frame";
  return {
    name: "convlstm-unet",
    frameShape,
    outputShape,
    parameters,
    state: cells.flatMap(({ state }) => state),
    window: {
      frames: isNextFrame ? windowFrames + 1 : windowFrames,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState: true,
    },
    loss: { softmax: "cross-entropy", sigmoid: "bce", linear: "mse" }[outputActivation] as
      | "cross-entropy"
      | "bce"
      | "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, state, { frames }) {
      const lanes = frames.shape[0];
      const own = divideParameters(values, parts);
      const newState: Tensor[] = [];
      const run = (index: number, rows: Tensor) => {
        const before = state.slice(2 * index, 2 * index + 2);
        const result = cells[index].apply(own[index], before, rows, windowFrames);
        newState.push(...result.state);
        return result.outputs;
      };
      const seen: Tensor[] = [];
      let rows = toTimeMajor(frameSpan(frames, 0, windowFrames));
      down.forEach((_, level) => {
        rows = run(level, level === 0 ? rows : pool.apply([], rows));
        seen.push(rows);
      });
      up.forEach((_, index) => {
        const beside = seen[levels - 2 - index];
        rows = run(levels + index, tf.concat([enlarge.apply([], rows), beside], 3));
      });
      const outputs = head.apply(own[cells.length], rows);
      return { predictions: toLaneMajor(outputs, lanes), state: newState };
    },
    targets: (frames, given) => isNextFrame ? frameSpan(frames, 1, windowFrames) : answers(given),
    persistence: isNextFrame ? (frames) => frameSpan(frames, 0, windowFrames) : undefined,
  };
}

/** Of classes of which the first has this share, and the others the same each. */
function backgroundBias(share: number, classes: number): number[] {
  const others = (1 - share) / (classes - 1);
  return Array.from({ length: classes }, (_, index) => index === 0 ? Math.log(share / others) : 0);
}

export const convLstmUnetDefinition: ModelDefinition = {
  options: [
    {
      name: "mode",
      default: "next-frame",
      choices: ["next-frame", "supervised"],
      meaning: "predict frames, or give the dataset's answer to each pixel",
    },
    {
      name: "output",
      default: "sigmoid",
      choices: ["softmax", "sigmoid", "linear"],
      meaning: "activation of the output, and with it the loss: cross-entropy, bce or mse",
    },
    { name: "filters", default: 12, min: 1, max: 1024, meaning: "of the uppermost level" },
    { name: "levels", default: 3, min: 1, max: 8, meaning: "each with half the sides" },
    { name: "kernel", default: 3, min: 1, max: 31, meaning: "side of the layers' kernels" },
    {
      name: "background",
      default: 0,
      min: 0,
      max: 0.999,
      fraction: true,
      meaning: "share of the first of softmax's classes, which answers begin at; 0 for all alike",
    },
  ],
  build({ frameShape, windowFrames, targetShape, options }) {
    const isNextFrame = options.mode === "next-frame";
    if (!isNextFrame && targetShape === undefined) {
      throw new RangeError(
        "Cannot build convlstm-unet with mode=supervised for a dataset without answers: choose " +
          "--dataset moving-mnist with --dataset-options segmentation=true, or npy with " +
          "targets=FILE.npy; or leave mode out, to predict frames",
      );
    }
    return convLstmUnet({
      frameShape,
      windowFrames,
      mode: options.mode as ConvLstmUnetOptions["mode"],
      outputShape: isNextFrame ? frameShape : targetShape!,
      outputActivation: options.output as ConvLstmUnetOptions["outputActivation"],
      filters: options.filters as number,
      levels: options.levels as number,
      kernelSize: options.kernel as number,
      backgroundShare: (options.background as number) || undefined,
    });
  },
};
