/**
 * `convlstm`: a stack of ConvLSTM layers with a sigmoid head that predicts each next frame.
 * Stateful: it runs along a sequence for as long as the sequence lasts, a window at a time.
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

export interface ConvLstmOptions {
  readonly frameShape: FrameShape;
  /** Filters of each layer, bottom first. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  /** Side of the head's kernel. @default {1} */
  readonly headKernelSize?: number;
  /** Frames that gradients flow through. */
  readonly windowFrames: number;
}

/** Each window reads `windowFrames` + 1 frames: the last is the target of the one before it. */
export function convLstm(options: ConvLstmOptions): Model {
  const { frameShape, filters, kernelSize, windowFrames, headKernelSize = 1 } = options;
  const channels = frameShape[2];
  const stack: StackShape = {
    prefix: "",
    inputChannels: channels,
    filters,
    kernelSize,
    gradients: { initialState: false, finalState: false },
  };
  const stackSpecs = stackParameters(stack);
  const parameters = [
    ...stackSpecs,
    {
      name: "head/kernel",
      shape: [headKernelSize, headKernelSize, filters[filters.length - 1], channels],
    },
    { name: "head/bias", shape: [channels] },
  ];
  return {
    name: "convlstm",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: stackState(stack, frameShape),
    window: {
      frames: windowFrames + 1,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState: true,
    },
    initialize: (seed) => initializeParameters(parameters, seed),
    apply(values, state, { frames }) {
      const lanes = frames.shape[0];
      const inputs = timeMajor(frames, 0, windowFrames);
      const stackValues = values.slice(0, stackSpecs.length);
      const { hiddenStates, state: newState } = runStack(
        stack,
        stackValues,
        state,
        inputs,
        windowFrames,
      );
      const top = hiddenStates[hiddenStates.length - 1];
      const [headKernel, headBias] = values.slice(stackSpecs.length);
      const outputs = tf.sigmoid(tf.add(convolve(top, headKernel), headBias));
      return { predictions: laneMajor(outputs, lanes), state: newState };
    },
    targets: (frames) => frameSpan(frames, 1, windowFrames),
    persistence: (frames) => frameSpan(frames, 0, windowFrames),
  };
}

function frameSpan(frames: tf.Tensor, start: number, count: number): tf.Tensor {
  const [lanes, , height, width, channels] = frames.shape;
  return tf.slice(frames, [0, start, 0, 0, 0], [lanes, count, height, width, channels]);
}
