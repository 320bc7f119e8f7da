/**
 * A convolution at stride 1 over a window of the images, which stays fast with few output channels.
 *
 * The backend's convolution computes output channels in groups of 8, so that one output channel
 * wastes seven eighths of its arithmetic. With few of them it is cheaper to apply every tap's weights
 * as one pointwise convolution (a matrix product with taps × channels columns) and to add up the
 * shifted results by a second convolution whose kernel is one-hot.
 */
import { tf } from "../tf.ts";
import { imageWindow, type Span } from "./image_window.ts";

/** Output channels that the backend's convolution computes at once. */
const channelGroup = 8;

/**
 * @param image [batch, height, width, inChannels]
 * @param kernel [kernelHeight, kernelWidth, inChannels, outChannels]
 * @param window the part of the images to convolve, zero where it lies outside of them
 * @return the "valid" convolution of the window
 */
export function narrowConvolution(
  image: tf.Tensor4D,
  kernel: tf.Tensor4D,
  window: { readonly rows: Span; readonly columns: Span },
): tf.Tensor4D {
  const [kernelHeight, kernelWidth, inChannels, outChannels] = kernel.shape;
  const [rows, columns] = [
    splitWindow(window.rows, image.shape[1]),
    splitWindow(window.columns, image.shape[2]),
  ];
  const inside = imageWindow(image, { rows: rows.inside, columns: columns.inside });
  // The convolution pads while it reads: cheaper than padding the image first.
  const padding: tf.backend_util.ExplicitPadding = [[0, 0], rows.padding, columns.padding, [0, 0]];
  const taps = kernelHeight * kernelWidth;
  const results = taps * outChannels;
  const direct = taps * inChannels * grouped(outChannels);
  const twoSteps = inChannels * grouped(results) + taps * results * grouped(outChannels);
  // The second step reads and writes the image once more, which must pay off too.
  if (2 * twoSteps > direct) return tf.conv2d(inside, kernel, 1, padding);
  return tf.tidy(() => {
    const pointwise = tf.reshape<tf.Rank.R4>(tf.transpose(kernel, [2, 0, 1, 3]), [
      1,
      1,
      inChannels,
      results,
    ]);
    // Tap (i, j) of output channel c picks result (i, j, c) at the pixel shifted by (i, j).
    const byTap = tf.transpose(tf.reshape(tf.eye(results), [results, taps, outChannels]), [
      1,
      0,
      2,
    ]);
    const pick = tf.reshape<tf.Rank.R4>(byTap, [kernelHeight, kernelWidth, results, outChannels]);
    return tf.conv2d(tf.conv2d(inside, pointwise, 1, "valid"), pick, 1, padding);
  });
}

/** The part of a window inside of an image of this length, and the zeros around that part. */
function splitWindow({ begin, end }: Span, length: number) {
  const inside = { begin: Math.max(begin, 0), end: Math.min(end, length) };
  const padding: [number, number] = [inside.begin - begin, end - inside.end];
  return { inside, padding };
}

function grouped(channels: number): number {
  return Math.ceil(channels / channelGroup) * channelGroup;
}
