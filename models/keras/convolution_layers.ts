/**
 * Convolutions of one to three axes, plain, transposed, by channel and separable.
 *
 * - A dilated kernel is one with zeros between its numbers: the same values, and a gradient that
 *   TensorFlow.js has.
 * - Groups are convolutions beside each other.
 * - Channels that come first are brought to the end, and back.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Activation } from "./activations.ts";
import {
  channelsFirst,
  channelsLast,
  convolvedSize,
  convolvePlain,
  dilated,
  ordered,
  type Padding,
  placeOf,
  spans,
} from "./convolution_geometry.ts";
import { addBias } from "./core_layers.ts";
import { weightedLayer } from "./layer.ts";
import type { LayerConfig, LayerKind } from "./layer_config.ts";

const formats = ["channels_last", "channels_first"] as const;

/** What the convolutions' configurations have in common. */
function readConvolution(config: LayerConfig, rank: number) {
  const isCausalToo = rank === 1 && config.kind === "Conv1D";
  const padding = config.choice(
    "padding",
    isCausalToo ? ["same", "valid", "causal"] : ["same", "valid"],
    "valid",
  );
  return {
    kernelSize: config.counts("kernel_size", rank),
    strides: config.counts("strides", rank, 1),
    dilation: config.counts("dilation_rate", rank, 1),
    padding,
    isChannelsFirst: config.choice("data_format", formats, "channels_last") === "channels_first",
    activation: config.activation("activation"),
    useBias: config.flag("use_bias", true),
  };
}

function convolution(rank: 1 | 2 | 3): LayerKind {
  return (config) => {
    const own = readConvolution(config, rank);
    const filters = config.count("filters");
    const groups = config.count("groups", 1);
    if (own.strides.some((stride) => stride > 1) && own.dilation.some((rate) => rate > 1)) {
      throw config.refusal(
        `has strides [${own.strides}] and dilation_rate [${own.dilation}]`,
        "save it with one of them, as Keras asks too",
      );
    }
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, own.isChannelsFirst);
      if (channels % groups !== 0 || filters % groups !== 0) {
        throw config.refusal(
          `has ${groups} groups of ${channels} channels and ${filters} filters`,
          "save it with groups that divide both",
        );
      }
      const weights = [
        config.weight("kernel", [...own.kernelSize, channels / groups, filters]),
        ...(own.useBias ? [config.weight("bias", [filters])] : []),
      ];
      const isCausal = own.padding === "causal";
      const before = isCausal ? (own.kernelSize[0] - 1) * own.dilation[0] : 0;
      const padding = own.padding === "same" ? "same" : "valid";
      const sizes = spans(own.kernelSize, own.dilation);
      const answer = place.map((side, axis) =>
        convolvedSize(config, side + before, sizes[axis], own.strides[axis], padding)
      );
      const output = ordered([...answer, filters], own.isChannelsFirst);
      return weightedLayer(weights, { shape: output, isMasked: false }, (input, given) => {
        const turned = own.isChannelsFirst ? channelsLast(input) : input;
        const x = isCausal ? tf.pad(turned, [[0, 0], [before, 0], [0, 0]]) : turned;
        const kernel = dilated(given[0], own.dilation);
        const y = groups === 1
          ? convolve(x, kernel, given[1], own.strides, padding, own.activation)
          : own.activation.apply(
            biased(grouped(x, kernel, own.strides, padding, groups), given[1]),
          );
        return own.isChannelsFirst ? channelsFirst(y) : y;
      }, own.activation.name === "softmax" && !own.isChannelsFirst);
    };
  };
}

/** With its bias and activation, where one op does both. */
function convolve(
  x: Tensor,
  kernel: Tensor,
  bias: Tensor | undefined,
  strides: readonly number[],
  padding: Padding,
  activation: Activation,
): Tensor {
  if (x.rank === 4) {
    const y = tf.fused.conv2d({
      x: x as tf.Tensor4D,
      filter: kernel as tf.Tensor4D,
      strides: [...strides] as [number, number],
      pad: padding,
      ...(bias ? { bias } : {}),
      activation: activation.fused ?? "linear",
    });
    return activation.fused ? y : activation.apply(y);
  }
  return activation.apply(biased(convolvePlain(x, kernel, strides, padding), bias));
}

function grouped(
  x: Tensor,
  kernel: Tensor,
  strides: readonly number[],
  padding: Padding,
  groups: number,
): Tensor {
  const inputs = tf.split(x, groups, x.rank - 1);
  const kernels = tf.split(kernel, groups, kernel.rank - 1);
  return tf.concat(
    inputs.map((part, index) => convolvePlain(part, kernels[index], strides, padding)),
    x.rank - 1,
  );
}

function transposed(rank: 1 | 2 | 3): LayerKind {
  return (config) => {
    const own = readConvolution(config, rank);
    const filters = config.count("filters");
    config.only("groups", 1, "save it with groups=1");
    const extra = config.take("output_padding") === undefined
      ? undefined
      : readOutputPadding(config, rank, own.strides);
    const padding = own.padding === "same" ? "same" : "valid";
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, own.isChannelsFirst);
      const weights = [
        config.weight("kernel", [...own.kernelSize, filters, channels]),
        ...(own.useBias ? [config.weight("bias", [filters])] : []),
      ];
      const sizes = spans(own.kernelSize, own.dilation);
      const answer = place.map((side, axis) =>
        transposedSize(side, sizes[axis], own.strides[axis], padding, extra?.[axis])
      );
      const output = ordered([...answer, filters], own.isChannelsFirst);
      return weightedLayer(weights, { shape: output, isMasked: false }, (input, given) => {
        const x = own.isChannelsFirst ? channelsLast(input) : input;
        const kernel = dilated(given[0], own.dilation);
        const shape = [x.shape[0], ...answer, filters];
        const y = own.activation.apply(
          biased(convolveTransposed(x, kernel, shape, own.strides, padding), given[1]),
        );
        return own.isChannelsFirst ? channelsFirst(y) : y;
      }, own.activation.name === "softmax" && !own.isChannelsFirst);
    };
  };
}

function readOutputPadding(config: LayerConfig, rank: number, strides: readonly number[]) {
  const value = config.take("output_padding");
  const all = Array.isArray(value) ? value : Array(rank).fill(value);
  const isFitting = all.length === rank &&
    all.every((each, axis) => Number.isSafeInteger(each) && each >= 0 && each < strides[axis]);
  if (isFitting) return all as number[];
  throw config.refusal(
    `has output_padding ${JSON.stringify(value)}`,
    "save it with whole numbers that are smaller than the strides",
  );
}

function convolveTransposed(
  x: Tensor,
  kernel: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  padding: Padding,
): Tensor {
  if (x.rank === 5) {
    return tf.conv3dTranspose(
      x as tf.Tensor5D,
      kernel as tf.Tensor5D,
      [...shape] as [number, number, number, number, number],
      [...strides] as [number, number, number],
      padding,
    );
  }
  if (x.rank === 4) {
    return tf.conv2dTranspose(
      x as tf.Tensor4D,
      kernel as tf.Tensor4D,
      [...shape] as [number, number, number, number],
      [...strides] as [number, number],
      padding,
    );
  }
  const [lanes, time, filters] = shape;
  const y = convolveTransposed(
    tf.expandDims(x, 1),
    tf.expandDims(kernel, 0),
    [lanes, 1, time, filters],
    [1, strides[0]],
    padding,
  );
  return tf.squeeze(y, [1]);
}

/** As Keras has it, both with and without a padding of the output. */
function transposedSize(
  side: number,
  size: number,
  stride: number,
  padding: Padding,
  extra: number | undefined,
): number {
  if (extra !== undefined) {
    const cut = padding === "same" ? 2 * Math.floor(size / 2) : 0;
    return (side - 1) * stride + size - cut + extra;
  }
  return side * stride + (padding === "same" ? 0 : Math.max(size - stride, 0));
}

function depthwise(rank: 1 | 2, isSeparable: boolean): LayerKind {
  return (config) => {
    const own = readConvolution(config, rank);
    const multiplier = config.count("depth_multiplier", 1);
    const filters = isSeparable ? config.count("filters") : 0;
    config.only("groups", 1, "save it with groups=1");
    if (new Set(own.strides).size > 1) {
      throw config.refusal(`has strides [${own.strides}]`, "save it with equal strides");
    }
    const padding = own.padding === "same" ? "same" : "valid";
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, own.isChannelsFirst);
      const last = isSeparable ? filters : channels * multiplier;
      const ones = own.kernelSize.map(() => 1);
      const weights = [
        config.weight("depthwise_kernel", [...own.kernelSize, channels, multiplier], "kernel"),
        ...(isSeparable
          ? [config.weight("pointwise_kernel", [...ones, channels * multiplier, filters])]
          : []),
        ...(own.useBias ? [config.weight("bias", [last])] : []),
      ];
      const sizes = spans(own.kernelSize, own.dilation);
      const answer = place.map((side, axis) =>
        convolvedSize(config, side, sizes[axis], own.strides[axis], padding)
      );
      const output = ordered([...answer, last], own.isChannelsFirst);
      return weightedLayer(weights, { shape: output, isMasked: false }, (input, given) => {
        const x = own.isChannelsFirst ? channelsLast(input) : input;
        const byChannel = convolveChannels(
          x,
          dilated(given[0], own.dilation),
          own.strides[0],
          padding,
        );
        const y = isSeparable ? convolvePlain(byChannel, given[1], ones, "valid") : byChannel;
        const bias = own.useBias ? given.at(-1) : undefined;
        const answer = own.activation.apply(biased(y, bias));
        return own.isChannelsFirst ? channelsFirst(answer) : answer;
      }, own.activation.name === "softmax" && !own.isChannelsFirst);
    };
  };
}

function convolveChannels(x: Tensor, kernel: Tensor, stride: number, padding: Padding): Tensor {
  if (x.rank === 3) {
    // Its only stride is along time: the other axis has one place, which any stride keeps.
    const y = convolveChannels(tf.expandDims(x, 1), tf.expandDims(kernel, 0), stride, padding);
    return tf.squeeze(y, [1]);
  }
  return tf.depthwiseConv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, stride, padding);
}

function biased(x: Tensor, bias: Tensor | undefined): Tensor {
  return bias === undefined ? x : addBias(x, bias);
}

export const convolutionLayers: Readonly<Record<string, LayerKind>> = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv1DTranspose: transposed(1),
  Conv2DTranspose: transposed(2),
  Conv3DTranspose: transposed(3),
  DepthwiseConv1D: depthwise(1, false),
  DepthwiseConv2D: depthwise(2, false),
  SeparableConv1D: depthwise(1, true),
  SeparableConv2D: depthwise(2, true),
};
