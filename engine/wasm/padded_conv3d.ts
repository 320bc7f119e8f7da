/**
 * 3-D convolution with 'same' padding where the kernel is smaller than its stride. TensorFlow.js
 * counts a padding below zero there, with which the stock kernel leaves the first frames out.
 */
import { tf } from "../tf.ts";

/** The stock kernel, with the padding done before it where its own would be wrong. */
export function paddedConv3d(stock: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { x, filter } = args.inputs as Readonly<Record<string, tf.Tensor5D>>;
    const { strides, pad, dilations } = args.attrs as unknown as tf.Conv3DAttrs;
    const { padInfo } = tf.backend_util.computeConv3DInfo(
      x.shape,
      filter.shape,
      strides,
      dilations,
      pad,
    );
    const { front, back, top, bottom, left, right } = padInfo;
    if (Math.min(front, back, top, bottom, left, right) >= 0) return stock(args);
    const sides = [[front, back], [top, bottom], [left, right]].map(([before, after]) => {
      const total = Math.max(before + after, 0);
      return [Math.floor(total / 2), Math.ceil(total / 2)] as [number, number];
    });
    const padded = tf.pad(x, [[0, 0], ...sides, [0, 0]]);
    const attrs = { ...args.attrs, pad: "valid" } as typeof args.attrs;
    const result = stock({ ...args, inputs: { ...args.inputs, x: padded }, attrs });
    padded.dispose();
    return result;
  };
}
