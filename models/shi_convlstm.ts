/**
 * `shi-convlstm`: the networks of Shi et al. 2015 (arXiv 1506.04214, tables 1 and 2), with their
 * parameter counts. An encoding stack reads patches of the input frames; a forecasting stack of the
 * same layers starts from its states, its bottom layer without input. Cells have peepholes, a weight
 * for each channel. The output is a 1×1 convolution over the hidden states of all forecasting
 * layers; in FC-LSTM, a dense layer over those of the top one.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { frameSpan, repeatFrame } from "./frame_span.ts";
import { convLstm2d } from "./layers/conv_lstm2d.ts";
import { conv2d } from "./layers/convolution2d.ts";
import { dense } from "./layers/dense.ts";
import { biasOfMean, initialValues } from "./layers/initial_values.ts";
import { divideParameters, type RecurrentLayer } from "./layers/layer.ts";
import { lstm } from "./layers/lstm.ts";
import { imagesToPatches, patchesToImages, patchGrid } from "./layers/patches.ts";
import { recurrentStack, zeroState } from "./layers/recurrent_stack.ts";
import { toLaneMajor, toTimeMajor } from "./layers/time_major.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";
import { outputMeanOption } from "./output_mean.ts";

export interface ShiConvLstmOptions {
  readonly frameShape: FrameShape;
  readonly cell: "convlstm" | "fc-lstm";
  /** Filters or units of each layer of both stacks, bottom first. */
  readonly filters: readonly number[];
  /** Side of the kernels that read the layer below. */
  readonly inputKernelSize: number;
  /** Side of the kernels that read the layer's own state. */
  readonly stateKernelSize: number;
  /** Side of the patches that become channels of a frame. */
  readonly patch: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
  /** Mean of the frames' values, which drawn pixels begin at; see `VaeOptions`. @default {0.5} */
  readonly outputMean?: number;
}

/** One of the stacks. */
type Part = "encoder" | "forecaster";

/**
 * Every window is a whole example, so no state is carried.
 * @throws {RangeError} for frames that cannot be cut into patches
 */
export function shiConvLstm(options: ShiConvLstmOptions): Model {
  const { frameShape, cell, inputFrames, outputFrames } = options;
  const network = cell === "convlstm" ? convolutional(options) : fullyConnected(options);
  const encoder = recurrentStack(network.layers("encoder"));
  const forecaster = recurrentStack(network.layers("forecaster"));
  const parts = [encoder, forecaster, network.head];
  const parameters = parts.flatMap((part) => part.parameters);
  const frames = inputFrames + outputFrames;
  return {
    name: "shi-convlstm",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: [],
    window: { frames, advance: frames, predictions: outputFrames, carriesState: false },
    loss: "bce",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, _, { frames: window }) {
      const lanes = window.shape[0];
      const [ofEncoder, ofForecaster, ofHead] = divideParameters(values, parts);
      const inputs = network.read(toTimeMajor(frameSpan(window, 0, inputFrames)));
      const start = zeroState(encoder.state, lanes);
      const encoded = encoder.apply(ofEncoder, start, inputs, inputFrames);
      const forecast = forecaster.apply(ofForecaster, encoded.state, undefined, outputFrames);
      const seen = network.seenByHead(forecast.outputs);
      const images = network.write(network.head.apply(ofHead, seen));
      return { predictions: toLaneMajor(images, lanes), state: [] };
    },
    targets: (window) => frameSpan(window, inputFrames, outputFrames),
    persistence: (window) => repeatFrame(window, inputFrames - 1, outputFrames),
  };
}

/** Only what the forecaster starts from needs a way back: the encoder's state after its last frame. */
function gradientsOf(part: Part) {
  return part === "encoder"
    ? { initialState: false, finalState: true }
    : { initialState: true, finalState: false };
}

function convolutional(options: ShiConvLstmOptions) {
  const { filters, patch, outputMean = 0.5 } = options;
  const [height, width, depth] = patchGrid(options.frameShape, patch);
  const layers = (part: Part): RecurrentLayer[] =>
    filters.map((count, index) =>
      convLstm2d({
        name: `${part}/layer${index}`,
        height,
        width,
        channels: index > 0 ? filters[index - 1] : part === "encoder" ? depth : 0,
        filters: count,
        kernelSize: options.inputKernelSize,
        recurrentKernelSize: options.stateKernelSize,
        peephole: "channel",
        gradients: { ...gradientsOf(part), inputs: index > 0 },
      })
    );
  return {
    layers,
    head: conv2d({
      name: "head",
      channels: filters.reduce((sum, count) => sum + count, 0),
      filters: depth,
      kernelSize: 1,
      activation: "sigmoid",
      firstBias: biasOfMean(outputMean, depth),
    }),
    read: (images: Tensor) => imagesToPatches(images, patch),
    seenByHead: (outputs: Tensor[]) => outputs.length === 1 ? outputs[0] : tf.concat(outputs, 3),
    write: (patches: Tensor) => patchesToImages(patches, patch),
  };
}

function fullyConnected({ frameShape, filters, outputMean = 0.5 }: ShiConvLstmOptions) {
  const pixels = frameShape.reduce((size, side) => size * side, 1);
  const layers = (part: Part): RecurrentLayer[] =>
    filters.map((units, index) =>
      lstm({
        name: `${part}/layer${index}`,
        inputs: index > 0 ? filters[index - 1] : part === "encoder" ? pixels : 0,
        units,
        hasPeephole: true,
        gradients: gradientsOf(part),
      })
    );
  return {
    layers,
    head: dense({
      name: "head",
      inputs: filters[filters.length - 1],
      units: pixels,
      activation: "sigmoid",
      firstBias: biasOfMean(outputMean, pixels),
    }),
    read: (images: Tensor) => tf.reshape(images, [-1, pixels]),
    seenByHead: (outputs: Tensor[]) => outputs[outputs.length - 1],
    write: (rows: Tensor) => tf.reshape(rows, [-1, ...frameShape]),
  };
}

export const shiConvLstmDefinition: ModelDefinition = {
  options: [
    {
      name: "cell",
      default: "convlstm",
      choices: ["convlstm", "fc-lstm"],
      meaning: "convolutions of patches, or dense layers over whole frames",
    },
    {
      name: "filters",
      default: [128, 64, 64],
      min: 1,
      max: 4096,
      meaning: "filters or units of each layer",
    },
    { name: "input-kernel", default: 5, min: 1, max: 31, meaning: "kernel over the layer below" },
    { name: "state-kernel", default: 5, min: 1, max: 31, meaning: "kernel over the own state" },
    { name: "patch", default: 4, min: 1, max: 64, meaning: "side of the patches of a frame" },
    outputMeanOption,
  ],
  build: ({ frameShape, inputFrames, outputFrames, options }) =>
    shiConvLstm({
      frameShape,
      inputFrames,
      outputFrames,
      cell: options.cell as ShiConvLstmOptions["cell"],
      filters: options.filters as readonly number[],
      inputKernelSize: options["input-kernel"] as number,
      stateKernelSize: options["state-kernel"] as number,
      patch: options.patch as number,
      outputMean: options["output-mean"] as number,
    }),
};
