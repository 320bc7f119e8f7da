/**
 * `encoder-forecaster` (Shi et al. 2015, arXiv 1506.04214, section 3.2): an encoding stack reads
 * the input frames; a forecasting stack of the same layers starts from its states and unfolds the
 * frames that follow, its bottom layer without input; a 1×1 sigmoid head reads all its layers. Every window is
 * a whole example, so its state is reset each time.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { tf } from "../engine/tf.ts";
import { convolve } from "./convlstm_layer.ts";
import {
  initializeParameters,
  laneMajor,
  runStack,
  stackParameters,
  type StackShape,
  stackState,
  timeMajor,
} from "./convlstm_stack.ts";
import type { Model } from "./model.ts";

export interface EncoderForecasterOptions {
  readonly frameShape: FrameShape;
  /** Filters of each layer of both stacks, bottom first. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
}

export function encoderForecaster(options: EncoderForecasterOptions): Model {
  const { frameShape, filters, kernelSize, inputFrames, outputFrames } = options;
  const channels = frameShape[2];
  const encoder: StackShape = {
    prefix: "encoder/",
    inputChannels: channels,
    filters,
    kernelSize,
    gradients: { initialState: false, finalState: true },
  };
  const forecaster: StackShape = {
    ...encoder,
    prefix: "forecaster/",
    inputChannels: 0,
    gradients: { initialState: true, finalState: false },
  };
  const encoderSpecs = stackParameters(encoder);
  const forecasterSpecs = stackParameters(forecaster);
  const allFilters = filters.reduce((sum, count) => sum + count, 0);
  const parameters = [
    ...encoderSpecs,
    ...forecasterSpecs,
    { name: "head/kernel", shape: [1, 1, allFilters, channels] },
    { name: "head/bias", shape: [channels] },
  ];
  const frames = inputFrames + outputFrames;
  return {
    name: "encoder-forecaster",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: stackState(encoder, frameShape),
    window: { frames, advance: frames, predictions: outputFrames, carriesState: false },
    initialize: (seed) => initializeParameters(parameters, seed),
    apply(values, state, { frames: window }) {
      const lanes = window.shape[0];
      const inputs = timeMajor(window, 0, inputFrames);
      const afterEncoder = encoderSpecs.length;
      const afterForecaster = afterEncoder + forecasterSpecs.length;
      const encoded = runStack(
        encoder,
        values.slice(0, afterEncoder),
        state,
        inputs,
        inputFrames,
      );
      const forecast = runStack(
        forecaster,
        values.slice(afterEncoder, afterForecaster),
        encoded.state,
        undefined,
        outputFrames,
      );
      const [headKernel, headBias] = values.slice(afterForecaster);
      const { hiddenStates } = forecast;
      const top = hiddenStates.length === 1 ? hiddenStates[0] : tf.concat(hiddenStates, 3);
      const outputs = tf.sigmoid(tf.add(convolve(top, headKernel), headBias));
      return { predictions: laneMajor(outputs, lanes), state: encoded.state };
    },
    targets: (window) => tf.slice(window, [0, inputFrames, 0, 0, 0]),
    persistence(window) {
      const [lanes, , height, width] = window.shape;
      const last = tf.slice(window, [0, inputFrames - 1, 0, 0, 0], [
        lanes,
        1,
        height,
        width,
        channels,
      ]);
      return tf.tile(last, [1, outputFrames, 1, 1, 1]);
    },
  };
}
