/**
 * Gradient of a 2-D convolution with respect to its kernel, as matrix products.
 *
 * The WebAssembly backend has no kernel for it. Tap (i, j) of the gradient is the product
 * xᵀ(shifted by the tap) · dy over all positions of all images. Both operands are laid on one common
 * grid (images padded so that a row's end never touches the next row's data); then a tap's shift is
 * a plain offset into a flat row, and copying a shifted operand is a contiguous copy for each channel.
 * The operand with fewer channels is the one that gets transposed, shifted and copied for each tap;
 * the large one is laid out once and becomes the "weights" of the products. A stride s splits the
 * input's grid into s² phases, each of which serves the taps of its own remainder.
 *
 * Positions are summed in blocks of a few images, which keeps the packed operand in the cache and
 * the float32 sums short.
 */
import { tf } from "../tf.ts";
import { imageWindow, type Span } from "./image_window.ts";
import type { ConvolutionGeometry } from "./convolution_geometry.ts";

/** Elements of the large operand in one block: 1 MB, half of a common second-level cache. */
const blockElements = 1 << 18;
/** Products with fewer rows than this leave the matrix kernel's tiles empty: stack the taps. */
const rowsMin = 8;
/**
 * Packing a right operand costs 4 ns for each element, transposing 0.6 ns: below this ratio of rows
 * to columns it is cheaper to transpose both operands and pack the smaller one.
 */
const transposedShareMax = 0.75;

/**
 * @param input [batch, inHeight, inWidth, inChannels]
 * @param outputGradient [batch, outHeight, outWidth, outChannels]
 * @return [kernelHeight, kernelWidth, inChannels, outChannels]
 */
export function conv2dFilterGradient(
  input: tf.Tensor4D,
  outputGradient: tf.Tensor4D,
  geometry: ConvolutionGeometry,
): tf.Tensor4D {
  const { batch, inChannels, outChannels, rows, columns } = geometry;
  const grid = commonGrid(geometry);
  const large = grid.height * grid.width * Math.max(inChannels, outChannels);
  const images = Math.max(1, Math.floor(blockElements / large));
  const blockGradient = inChannels <= outChannels ? shiftingInput : shiftingGradient;
  return tf.tidy(() => {
    let sum: tf.Tensor3D | undefined;
    for (let first = 0; first < batch; first += images) {
      const span = { begin: first, end: Math.min(first + images, batch) };
      const block = tf.tidy(() =>
        blockGradient(
          gridOfInput(input, span, geometry, grid),
          gridOfGradient(outputGradient, span, grid),
          grid,
        )
      );
      const previous = sum;
      sum = previous === undefined ? block : tf.add(previous, block);
      if (previous !== undefined) tf.dispose([previous, block]);
    }
    const shape: [number, number, number, number] = [
      rows.kernel,
      columns.kernel,
      inChannels,
      outChannels,
    ];
    return sum === undefined ? tf.zeros(shape) : tf.reshape(sum, shape);
  });
}

interface Grid {
  readonly height: number;
  readonly width: number;
  /** In the order of the kernel's rows and columns. */
  readonly taps: readonly { readonly phase: number; readonly offset: number }[];
  readonly offsetMax: number;
}

function commonGrid({ rows, columns }: ConvolutionGeometry): Grid {
  const reachY = Math.floor((rows.kernel - 1) / rows.stride);
  const reachX = Math.floor((columns.kernel - 1) / columns.stride);
  const width = columns.output + reachX;
  const taps = [];
  for (let i = 0; i < rows.kernel; i++) {
    for (let j = 0; j < columns.kernel; j++) {
      taps.push({
        phase: (i % rows.stride) * columns.stride + j % columns.stride,
        offset: Math.floor(i / rows.stride) * width + Math.floor(j / columns.stride),
      });
    }
  }
  return { height: rows.output + reachY, width, taps, offsetMax: reachY * width + reachX };
}

/** [phases, positions, inChannels]: every phase of the padded images on the common grid. */
function gridOfInput(
  input: tf.Tensor4D,
  images: Span,
  { rows, columns, inChannels }: ConvolutionGeometry,
  { height, width }: Grid,
): tf.Tensor3D {
  const padded = imageWindow(input, {
    images,
    rows: { begin: -rows.padding, end: height * rows.stride - rows.padding },
    columns: { begin: -columns.padding, end: width * columns.stride - columns.padding },
  });
  const imageRows = (images.end - images.begin) * height;
  const positions = imageRows * width;
  const phases = rows.stride * columns.stride;
  // A transpose that changes nothing would still copy.
  if (phases === 1) return tf.reshape(padded, [1, positions, inChannels]);
  const byRowPhase = tf.transpose(
    tf.reshape(padded, [imageRows, rows.stride, width, columns.stride * inChannels]),
    [1, 0, 2, 3],
  );
  const byPhase = tf.transpose(
    tf.reshape(byRowPhase, [rows.stride, positions, columns.stride, inChannels]),
    [0, 2, 1, 3],
  );
  return tf.reshape(byPhase, [phases, positions, inChannels]);
}

/** [positions, outChannels], zero where the grid exceeds the output. */
function gridOfGradient(gradient: tf.Tensor4D, images: Span, { height, width }: Grid): tf.Tensor2D {
  const padded = imageWindow(gradient, {
    images,
    rows: { begin: 0, end: height },
    columns: { begin: 0, end: width },
  });
  const positions = (images.end - images.begin) * height * width;
  return tf.reshape(padded, [positions, gradient.shape[3]]);
}

/** Few input channels: the input is shifted; [taps, inChannels, outChannels]. */
function shiftingInput(x: tf.Tensor3D, dy: tf.Tensor2D, { taps, offsetMax }: Grid): tf.Tensor3D {
  const [phases, positions, inChannels] = x.shape;
  const channelRows = tf.reshape<tf.Rank.R2>(tf.transpose(x, [0, 2, 1]), [
    phases * inChannels,
    positions,
  ]);
  const shiftable = tf.pad(channelRows, [[0, 0], [0, offsetMax]]);
  const shifted = taps.map(({ phase, offset }) =>
    tf.slice(shiftable, [phase * inChannels, offset], [inChannels, positions])
  );
  return tf.reshape(productsWith(shifted, dy), [taps.length, inChannels, dy.shape[1]]);
}

/** Few output channels: the output's gradient is shifted; [taps, inChannels, outChannels]. */
function shiftingGradient(x: tf.Tensor3D, dy: tf.Tensor2D, { taps, offsetMax }: Grid): tf.Tensor3D {
  const [phases, positions, inChannels] = x.shape;
  const outChannels = dy.shape[1];
  const shiftable = tf.pad(tf.transpose(dy) as tf.Tensor2D, [[0, 0], [offsetMax, 0]]);
  const products: tf.Tensor2D[] = [];
  for (let phase = 0; phase < phases; phase++) {
    const tapsOfPhase = [...taps.keys()].filter((tap) => taps[tap].phase === phase);
    // A kernel smaller than the stride skips whole phases.
    if (tapsOfPhase.length === 0) continue;
    const shifted = tapsOfPhase.map((tap) =>
      tf.slice(shiftable, [0, offsetMax - taps[tap].offset], [outChannels, positions])
    );
    const seen = tf.slice(x, [phase, 0, 0], [1, positions, inChannels]);
    const product = productsWith(shifted, tf.reshape(seen, [positions, inChannels]));
    tapsOfPhase.forEach((tap, index) => {
      products[tap] = tf.slice(product, [index * outChannels, 0], [outChannels, inChannels]);
    });
  }
  const stacked = tf.reshape(tf.concat(products), [taps.length, outChannels, inChannels]);
  return tf.transpose(stacked, [0, 2, 1]) as tf.Tensor3D;
}

/** Products of each left operand [rows, positions] with [positions, columns], one below another. */
function productsWith(left: readonly tf.Tensor2D[], right: tf.Tensor2D): tf.Tensor2D {
  const rows = left.length * left[0].shape[0];
  if (rows < transposedShareMax * right.shape[1]) {
    const product = tf.matMul(tf.transpose(right), tf.transpose(tf.concat([...left])));
    return tf.transpose(product) as tf.Tensor2D;
  }
  if (left[0].shape[0] < rowsMin) return tf.matMul(tf.concat([...left]), right);
  return tf.concat(left.map((operand) => tf.matMul(operand, right)));
}
