/**
 * 3-D pooling by 2-D pooling, first of each frame's rows and columns, then along depth: a maximum of
 * maxima, a mean of means. Of the stock kernels, the maximum is wrong where a window has no positive
 * value, as is its gradient, and the mean's gradient where a window reaches into the padding.
 */
import { type Tensor, tf } from "../tf.ts";

type Inputs = Readonly<Record<string, Tensor>>;
type Pad = tf.MaxPool3DAttrs["pad"];

/** A pooling's two parts: what each reads, and how it pools. */
interface Part {
  /** The shape in which this part reads its input, [images, rows, columns, channels]. */
  readonly shape: (side: readonly number[]) => [number, number, number, number];
  readonly filterSize: [number, number];
  readonly strides: [number, number];
  readonly pad: tf.MaxPoolAttrs["pad"];
}

function partsOf({ filterSize, strides, pad }: tf.MaxPool3DAttrs): [Part, Part] {
  const [depth, rows, columns] = triple(filterSize);
  const [depthStride, rowStride, columnStride] = triple(strides);
  return [
    {
      shape: ([lanes, sides, height, width, channels]) => [lanes * sides, height, width, channels],
      filterSize: [rows, columns],
      strides: [rowStride, columnStride],
      pad: pad as tf.MaxPoolAttrs["pad"],
    },
    {
      shape: ([lanes, sides, height, width, channels]) => [lanes, sides, height * width, channels],
      filterSize: [depth, 1],
      strides: [depthStride, 1],
      pad: alongDepth(pad),
    },
  ];
}

/** A padding in places is of each axis, but the places of a frame lie on one. */
function alongDepth(pad: Pad): tf.MaxPoolAttrs["pad"] {
  return typeof pad === "number" ? [[0, 0], [pad, pad], [0, 0], [0, 0]] : pad;
}

function triple(value: number | readonly number[]): readonly number[] {
  return typeof value === "number" ? [value, value, value] : value;
}

/** The tensor between the two parts, [lanes, depth, rows, columns, channels], and the answer. */
function pooled(kernelName: string, x: Tensor, [first, second]: readonly Part[]) {
  const [lanes, depth] = x.shape as number[];
  const flat = tf.reshape(x, first.shape(x.shape as number[]));
  const { shape: _, ...ofFirst } = first;
  const frames = tf.engine().runKernel(kernelName, { x: flat }, { ...ofFirst }) as Tensor;
  const [, rows, columns, channels] = frames.shape as number[];
  const middle = tf.reshape(frames, [lanes, depth, rows, columns, channels]);
  const { shape: __, ...ofSecond } = second;
  const lines = tf.reshape(middle, second.shape(middle.shape as number[]));
  const ends = tf.engine().runKernel(kernelName, { x: lines }, { ...ofSecond }) as Tensor;
  const answer = tf.reshape(ends, [lanes, ends.shape[1]!, rows, columns, channels]);
  return { middle, answer };
}

/** The gradient at a part's input. */
function gradientOf(kernelName: string, dy: Tensor, input: Tensor, output: Tensor, part: Part) {
  const { shape, ...attributes } = part;
  const flat = (tensor: Tensor) => tf.reshape(tensor, shape(tensor.shape as number[]));
  const inputs = { dy: flat(dy), input: flat(input), output: flat(output) };
  const gradient = tf.engine().runKernel(kernelName, inputs, { ...attributes }) as Tensor;
  return tf.reshape(gradient, input.shape);
}

export function maxPool3d({ x }: Inputs, attributes: tf.MaxPool3DAttrs): Tensor {
  return tf.tidy(() => pooled(tf.MaxPool, x, partsOf(attributes)).answer);
}

export function maxPool3dGradient({ dy, input }: Inputs, attributes: tf.MaxPool3DAttrs): Tensor {
  return poolGradient(tf.MaxPool, tf.MaxPoolGrad, dy, input, attributes);
}

export function averagePool3dGradient(
  { dy, input }: Inputs,
  attributes: tf.MaxPool3DAttrs,
): Tensor {
  return poolGradient(tf.AvgPool, tf.AvgPoolGrad, dy, input, attributes);
}

function poolGradient(
  kernelName: string,
  gradientName: string,
  dy: Tensor,
  input: Tensor,
  attributes: tf.MaxPool3DAttrs,
): Tensor {
  return tf.tidy(() => {
    const parts = partsOf(attributes);
    const { middle, answer } = pooled(kernelName, input, parts);
    const atMiddle = gradientOf(gradientName, dy, middle, answer, parts[1]);
    return gradientOf(gradientName, atMiddle, input, middle, parts[0]);
  });
}
