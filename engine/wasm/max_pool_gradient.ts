/**
 * Gradient of 2-D max pooling. The stock kernel gives no gradient to a window without a positive
 * value: its search for the maximum starts from the smallest positive float. This one runs on the
 * heap in JavaScript; the first of equal maxima takes the gradient, as in TensorFlow.
 */
import { tf } from "../tf.ts";
import type { HeapBackend } from "./heap_backend.ts";

/** Inputs `input` and `dy`, NHWC; the result has the shape of `input`. */
export function maxPoolGradient(
  { inputs, backend, attrs }: Parameters<tf.KernelFunc>[0],
): tf.TensorInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as tf.MaxPoolGradAttrs;
  const heap = backend as HeapBackend;
  const input = inputs.input!;
  const dilations = 1;
  const info = tf.backend_util.computePool2DInfo(
    input.shape as [number, number, number, number],
    filterSize,
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  const output = heap.makeOutput(input.shape, "float32");
  const gradient = heap.typedArrayFromHeap(output);
  gradient.fill(0);
  const values = heap.typedArrayFromHeap(input);
  const outer = heap.typedArrayFromHeap(inputs.dy!);
  const { batchSize, inHeight, inWidth, inChannels: channels, outHeight, outWidth } = info;

  /** Position of the window's first maximum in this channel; -1 where padding is all it sees. */
  function maximum(image: number, top: number, left: number, channel: number): number {
    let best = -1;
    for (let row = Math.max(top, 0); row < Math.min(top + info.filterHeight, inHeight); row++) {
      const end = Math.min(left + info.filterWidth, inWidth);
      for (let column = Math.max(left, 0); column < end; column++) {
        const at = ((image * inHeight + row) * inWidth + column) * channels + channel;
        if (best < 0 || values[at] > values[best]) best = at;
      }
    }
    return best;
  }

  let position = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      const top = row * info.strideHeight - info.padInfo.top;
      for (let column = 0; column < outWidth; column++) {
        const left = column * info.strideWidth - info.padInfo.left;
        for (let channel = 0; channel < channels; channel++, position++) {
          const at = maximum(image, top, left, channel);
          if (at >= 0) gradient[at] += outer[position];
        }
      }
    }
  }
  return output;
}
