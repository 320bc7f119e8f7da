/**
 * Gradient of 2-D average pooling. The stock kernel divides by the whole window's size, also where a
 * part of the window lies in the padding, which the forward kernel does not count.
 */
import { tf } from "../tf.ts";

/** Inputs `input` and `dy`, NHWC: the stock kernel, given a `dy` that makes up for it. */
export function averagePoolGradient(stock: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { dy, input } = args.inputs as Readonly<Record<string, tf.Tensor4D>>;
    const { filterSize, strides, pad } = args.attrs as unknown as tf.AvgPoolGradAttrs;
    const shape = input.shape as [number, number, number, number];
    const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad);
    const seen = (out: number, stride: number, before: number, size: number, side: number) =>
      Array.from({ length: out }, (_, index) => {
        const first = index * stride - before;
        return Math.min(first + size, side) - Math.max(first, 0);
      });
    const { padInfo, filterHeight, filterWidth } = info;
    const rows = seen(info.outHeight, info.strideHeight, padInfo.top, filterHeight, info.inHeight);
    const columns = seen(info.outWidth, info.strideWidth, padInfo.left, filterWidth, info.inWidth);
    const shares = rows.flatMap((row) =>
      columns.map((column) => filterHeight * filterWidth / (row * column))
    );
    const weights = tf.tensor(shares, [info.outHeight, info.outWidth, 1]);
    const weighted = tf.mul(dy, weights);
    const result = stock({ ...args, inputs: { ...args.inputs, dy: weighted } });
    tf.dispose([weights, weighted]);
    return result;
  };
}
