/**
 * The numbers that fix a 2-D convolution: sizes, strides and the padding before the first pixel.
 * Both gradients start from them; they are derived here once from a kernel call's attributes.
 */
import { tf } from "../tf.ts";
import { EngineError } from "../engine_error.ts";

export interface ConvolutionAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  /** Zeros before the first row or column. */
  readonly padding: number;
}

export interface ConvolutionGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly rows: ConvolutionAxis;
  readonly columns: ConvolutionAxis;
}

type ConvolutionAttributes = Pick<
  tf.Conv2DBackpropInputAttrs,
  "strides" | "pad" | "dataFormat" | "dimRoundingMode"
>;

/**
 * @param inputShape [batch, height, width, channels]
 * @param kernelShape [height, width, inChannels, outChannels]
 * @throws {EngineError} where the data format is not NHWC, the only one that this backend has
 */
export function convolutionGeometry(
  kernelName: string,
  inputShape: readonly number[],
  kernelShape: readonly number[],
  { strides, pad, dataFormat, dimRoundingMode }: ConvolutionAttributes,
  isDepthwise = false,
): ConvolutionGeometry {
  if (dataFormat !== undefined && dataFormat !== "NHWC") {
    throw new EngineError(
      `Cannot run ${kernelName} on the wasm engine with data format ${dataFormat}: use NHWC`,
    );
  }
  const dilations = 1;
  const info = tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    kernelShape as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    isDepthwise,
  );
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    rows: {
      input: info.inHeight,
      output: info.outHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      padding: info.padInfo.top,
    },
    columns: {
      input: info.inWidth,
      output: info.outWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      padding: info.padInfo.left,
    },
  };
}
