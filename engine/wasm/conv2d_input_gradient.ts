/**
 * Gradient of a 2-D convolution with respect to its input, as forward convolutions.
 *
 * The WebAssembly backend ships a naive loop for it, ten times slower than its forward convolution.
 * At stride 1 the gradient is the convolution of the output's gradient with the kernel turned by
 * 180° and its channels swapped (Dumoulin and Visin, 2016, arXiv:1603.07285, section 4). At stride s
 * an input pixel u with u + padding = s q + r is reached only by the taps s m + r: the s² phases r are
 * independent small convolutions on one grid q, whose results are interleaved (Shi et al., 2016,
 * arXiv:1609.07009). Inserting zeros instead would waste s² times the arithmetic.
 */
import { tf } from "../tf.ts";
import type { ConvolutionAxis, ConvolutionGeometry } from "./convolution_geometry.ts";
import { imageWindow } from "./image_window.ts";
import { narrowConvolution } from "./narrow_convolution.ts";

/**
 * @param outputGradient [batch, outHeight, outWidth, outChannels]
 * @param kernel [kernelHeight, kernelWidth, inChannels, outChannels]
 * @return [batch, inHeight, inWidth, inChannels]
 */
export function conv2dInputGradient(
  outputGradient: tf.Tensor4D,
  kernel: tf.Tensor4D,
  geometry: ConvolutionGeometry,
): tf.Tensor4D {
  const { batch, inChannels, outChannels, rows, columns } = geometry;
  const [y, x] = [phaseGrid(rows), phaseGrid(columns)];
  return tf.tidy(() => {
    const swapped = tf.transpose(
      tf.reshape(kernel, [rows.kernel * columns.kernel, inChannels, outChannels]),
      [0, 2, 1],
    ) as tf.Tensor3D;
    const phases: tf.Tensor4D[] = [];
    for (let rowPhase = 0; rowPhase < rows.stride; rowPhase++) {
      for (let columnPhase = 0; columnPhase < columns.stride; columnPhase++) {
        const rowTaps = tapsOfPhase(rows, rowPhase);
        const columnTaps = tapsOfPhase(columns, columnPhase);
        if (rowTaps.length === 0 || columnTaps.length === 0) {
          phases.push(tf.zeros([batch, y.size, x.size, inChannels]));
          continue;
        }
        const taps = rowTaps.flatMap((i) => columnTaps.map((j) => i * columns.kernel + j));
        const turned = tf.concat(
          taps.map((tap) => tf.slice(swapped, [tap, 0, 0], [1, outChannels, inChannels])),
        );
        phases.push(narrowConvolution(
          outputGradient,
          tf.reshape(turned, [rowTaps.length, columnTaps.length, outChannels, inChannels]),
          {
            rows: { begin: y.first - (rowTaps.length - 1), end: y.first + y.size },
            columns: { begin: x.first - (columnTaps.length - 1), end: x.first + x.size },
          },
        ));
      }
    }
    return imageWindow(interleaved(phases, rows.stride, columns.stride), {
      rows: { begin: y.offset, end: y.offset + rows.input },
      columns: { begin: x.offset, end: x.offset + columns.input },
    });
  });
}

/** Along one axis: the grid of q, and where the input begins on it, in pixels. */
function phaseGrid({ input, stride, padding }: ConvolutionAxis) {
  const first = Math.floor(padding / stride);
  const last = Math.floor((input - 1 + padding) / stride);
  return { first, size: last - first + 1, offset: padding - first * stride };
}

/** The taps s m + phase along one axis, from the last to the first. */
function tapsOfPhase({ kernel, stride }: ConvolutionAxis, phase: number): number[] {
  const taps = [];
  for (let tap = phase; tap < kernel; tap += stride) taps.unshift(tap);
  return taps;
}

/** Images [batch, height, width, channels] to one [batch, height * down, width * across, channels]. */
function interleaved(phases: readonly tf.Tensor4D[], down: number, across: number): tf.Tensor4D {
  if (phases.length === 1) return phases[0];
  const [batch, height, width, channels] = phases[0].shape;
  const cells = tf.reshape(tf.concat([...phases], 3), [
    batch * height,
    width,
    down,
    across * channels,
  ]);
  return tf.reshape<tf.Rank.R4>(tf.transpose(cells, [0, 2, 1, 3]), [
    batch,
    height * down,
    width * across,
    channels,
  ]);
}
