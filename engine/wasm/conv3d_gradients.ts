/**
 * Gradients of a 3-D convolution. The stock kernels give wrong numbers (at the input always, at the
 * kernel with strides); here each frame of the kernel is a 2-D convolution of its own.
 */
import { tf } from "../tf.ts";
import { conv2dFilterGradient } from "./conv2d_filter_gradient.ts";
import { conv2dInputGradient } from "./conv2d_input_gradient.ts";
import type { ConvolutionAxis, ConvolutionGeometry } from "./convolution_geometry.ts";

type Attributes = Pick<tf.Conv3DBackpropInputV2Attrs, "strides" | "pad">;

/** The axis of time, and the other two as those of images. */
interface VideoGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly time: ConvolutionAxis;
  readonly rows: ConvolutionAxis;
  readonly columns: ConvolutionAxis;
}

/**
 * @param outputGradient [batch, outDepth, outHeight, outWidth, outChannels]
 * @param kernel [depth, height, width, inChannels, outChannels]
 * @return of `inputShape`: [batch, inDepth, inHeight, inWidth, inChannels]
 */
export function conv3dInputGradient(
  outputGradient: tf.Tensor5D,
  kernel: tf.Tensor5D,
  inputShape: readonly number[],
  attributes: Attributes,
): tf.Tensor {
  const geometry = videoGeometry(inputShape, kernel.shape, attributes);
  const { batch, outChannels, time, rows, columns } = geometry;
  return tf.tidy(() => {
    const images = tf.reshape<tf.Rank.R4>(outputGradient, [
      batch * time.output,
      rows.output,
      columns.output,
      outChannels,
    ]);
    const size = rows.input * columns.input * geometry.inChannels;
    // For each frame of the kernel what each frame of the output's gradient gives.
    const given = tf.unstack(kernel, 0).map((frame) => {
      const ofImages = imageGeometry(geometry, batch * time.output);
      const gradient = conv2dInputGradient(images, frame as tf.Tensor4D, ofImages);
      return tf.unstack(tf.reshape(gradient, [batch, time.output, size]), 1);
    });
    const frames = Array.from({ length: time.input }, (_, input) => {
      const terms = given.flatMap((ofOutputs, tap) => {
        const output = (input + time.padding - tap) / time.stride;
        return ofOutputs[output] ?? [];
      });
      return terms.length > 0 ? tf.addN(terms) : tf.zeros([batch, size]);
    });
    return tf.reshape(tf.stack(frames, 1), [...inputShape]);
  });
}

/**
 * @param input [batch, inDepth, inHeight, inWidth, inChannels]
 * @param outputGradient [batch, outDepth, outHeight, outWidth, outChannels]
 * @return of `kernelShape`: [depth, height, width, inChannels, outChannels]
 */
export function conv3dFilterGradient(
  input: tf.Tensor5D,
  outputGradient: tf.Tensor5D,
  kernelShape: readonly number[],
  attributes: Attributes,
): tf.Tensor {
  const geometry = videoGeometry(input.shape, kernelShape, attributes);
  const { batch, time } = geometry;
  return tf.tidy(() => {
    const inputs = tf.unstack(input, 1);
    const outputs = tf.unstack(outputGradient, 1);
    const taps = Array.from({ length: time.kernel }, (_, tap) => {
      const pairs = outputs.flatMap((output, index) => {
        const seen = inputs[index * time.stride + tap - time.padding];
        return seen ? [{ seen, output }] : [];
      });
      if (pairs.length === 0) return tf.zeros(kernelShape.slice(1));
      return conv2dFilterGradient(
        tf.concat(pairs.map(({ seen }) => seen), 0) as tf.Tensor4D,
        tf.concat(pairs.map(({ output }) => output), 0) as tf.Tensor4D,
        imageGeometry(geometry, batch * pairs.length),
      );
    });
    return tf.stack(taps, 0);
  });
}

function imageGeometry(video: VideoGeometry, batch: number): ConvolutionGeometry {
  const { inChannels, outChannels, rows, columns } = video;
  return { batch, inChannels, outChannels, rows, columns };
}

function videoGeometry(
  inputShape: readonly number[],
  kernelShape: readonly number[],
  { strides, pad }: Attributes,
): VideoGeometry {
  type Sides = [number, number, number, number, number];
  const dilations = 1;
  const info = tf.backend_util.computeConv3DInfo(
    inputShape as Sides,
    kernelShape as Sides,
    strides,
    dilations,
    pad,
  );
  // Below 0 in TensorFlow.js where a kernel is smaller than its stride.
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    time: {
      input: info.inDepth,
      output: info.outDepth,
      kernel: info.filterDepth,
      stride: info.strideDepth,
      padding: Math.max(info.padInfo.front, 0),
    },
    rows: {
      input: info.inHeight,
      output: info.outHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      padding: Math.max(info.padInfo.top, 0),
    },
    columns: {
      input: info.inWidth,
      output: info.outWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      padding: Math.max(info.padInfo.left, 0),
    },
  };
}
