/**
 * The kernels that training needs and the WebAssembly backend lacks or has only in a slow form,
 * composed from its fast ones. Inside a kernel TensorFlow.js records nothing on its gradient tape,
 * so they may be written with plain operations.
 */
import { tf } from "../tf.ts";
import { averagePoolGradient } from "./average_pool_gradient.ts";
import { conv2dFilterGradient } from "./conv2d_filter_gradient.ts";
import { conv2dInputGradient } from "./conv2d_input_gradient.ts";
import { conv3dFilterGradient, conv3dInputGradient } from "./conv3d_gradients.ts";
import { convolutionGeometry } from "./convolution_geometry.ts";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise_conv2d_gradients.ts";
import type { HeapBackend } from "./heap_backend.ts";
import { imageWindowKernel } from "./image_window.ts";
import { guardedMatrixProduct } from "./matrix_product.ts";
import { maxPoolGradient } from "./max_pool_gradient.ts";
import { paddedConv3d } from "./padded_conv3d.ts";
import { averagePool3dGradient, maxPool3d, maxPool3dGradient } from "./pool3d.ts";
import { copyingKernels } from "./slice_and_concat.ts";

type Inputs = Readonly<Record<string, tf.Tensor>>;

/** TensorFlow.js types a kernel's arguments by name only; this states what each kernel is given. */
function composed<Attributes>(fn: (inputs: Inputs, attributes: Attributes) => tf.Tensor) {
  return ({ inputs, attrs }: Parameters<tf.KernelFunc>[0]) =>
    fn(inputs as Inputs, attrs as unknown as Attributes);
}

const conv2DBackpropInput = composed<tf.Conv2DBackpropInputAttrs>(({ dy, filter }, attributes) =>
  conv2dInputGradient(
    dy as tf.Tensor4D,
    filter as tf.Tensor4D,
    convolutionGeometry("Conv2DBackpropInput", attributes.inputShape, filter.shape, attributes),
  )
);

const conv2DBackpropFilter = composed<tf.Conv2DBackpropFilterAttrs>(({ x, dy }, attributes) =>
  conv2dFilterGradient(
    x as tf.Tensor4D,
    dy as tf.Tensor4D,
    convolutionGeometry("Conv2DBackpropFilter", x.shape, attributes.filterShape, attributes),
  )
);

const conv3DBackpropInput = composed<tf.Conv3DBackpropInputV2Attrs>(({ dy, filter }, attributes) =>
  conv3dInputGradient(
    dy as tf.Tensor5D,
    filter as tf.Tensor5D,
    attributes.inputShape,
    attributes,
  )
);

const conv3DBackpropFilter = composed<tf.Conv3DBackpropFilterV2Attrs>(({ x, dy }, attributes) =>
  conv3dFilterGradient(x as tf.Tensor5D, dy as tf.Tensor5D, attributes.filterShape, attributes)
);

const depthwiseBackpropInput = composed<tf.DepthwiseConv2dNativeBackpropInputAttrs>(
  ({ dy, filter }, attributes) => {
    const name = tf.DepthwiseConv2dNativeBackpropInput;
    const inputShape = attributes.inputShape;
    return depthwiseInputGradient(
      dy as tf.Tensor4D,
      filter as tf.Tensor4D,
      convolutionGeometry(name, inputShape, filter.shape, asNhwc(attributes), true),
    );
  },
);

const depthwiseBackpropFilter = composed<tf.DepthwiseConv2dNativeBackpropFilterAttrs>(
  ({ x, dy }, attributes) => {
    const name = tf.DepthwiseConv2dNativeBackpropFilter;
    return depthwiseFilterGradient(
      x as tf.Tensor4D,
      dy as tf.Tensor4D,
      convolutionGeometry(name, x.shape, attributes.filterShape, asNhwc(attributes), true),
    );
  },
);

/** TensorFlow.js gives depthwise gradients no data format: they are NHWC always. */
function asNhwc<Attributes>(attributes: Attributes) {
  return { ...attributes, dataFormat: "NHWC" as const };
}

const logSoftmax = composed<tf.LogSoftmaxAttrs>(({ logits }, { axis }) =>
  tf.tidy(() => {
    const shifted = tf.sub(logits, tf.max(logits, axis, true));
    return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), axis, true)));
  })
);

/** The gradient of `tf.gather`, as one matrix product with the segments' one-hot rows. */
const unsortedSegmentSum = composed<tf.UnsortedSegmentSumAttrs>(
  ({ x, segmentIds }, { numSegments }) =>
    tf.tidy(() => {
      const rows = tf.reshape(tf.cast(x, "float32"), [segmentIds.size, -1]) as tf.Tensor2D;
      const membership = tf.oneHot(tf.reshape(segmentIds, [-1]), numSegments, 1, 0, "float32");
      const sums = tf.matMul(membership as tf.Tensor2D, rows, true);
      const shape = [numSegments, ...x.shape.slice(segmentIds.rank)];
      return tf.cast(tf.reshape(sums, shape), x.dtype);
    }),
);

/** The stock kernel writes integers whatever type it is asked for. */
function oneHot({ inputs, backend, attrs }: Parameters<tf.KernelFunc>[0]): tf.TensorInfo {
  const heap = backend as HeapBackend;
  const indices = inputs.indices!;
  const { depth, onValue, offValue, dtype } = attrs as unknown as tf.OneHotAttrs;
  const output = heap.makeOutput([...indices.shape, depth], dtype);
  const values = heap.typedArrayFromHeap(output).fill(offValue);
  heap.typedArrayFromHeap(indices).forEach((index, row) => {
    if (index >= 0 && index < depth) values[row * depth + index] = onValue;
  });
  return output;
}

/**
 * The kernels to register for `backendName`, whose stock kernels must be registered already.
 * @throws {Error} where a stock kernel to wrap is missing
 */
export function composedKernels(backendName: string): tf.KernelConfig[] {
  const stock = (kernelName: string): tf.KernelConfig => {
    const kernel = tf.getKernel(kernelName, backendName);
    if (kernel === undefined) {
      throw new Error(`Cannot wrap ${kernelName}: the backend "${backendName}" has no such kernel`);
    }
    return kernel;
  };
  const wrapped = (
    kernelName: string,
    wrap: (kernelFunc: tf.KernelFunc) => tf.KernelFunc,
  ): tf.KernelConfig => {
    const kernel = stock(kernelName);
    return { ...kernel, kernelFunc: wrap(kernel.kernelFunc) };
  };
  const kernels: Readonly<Record<string, tf.KernelFunc>> = {
    ...copyingKernels((kernelName) => stock(kernelName).kernelFunc),
    [tf.Conv2DBackpropInput]: conv2DBackpropInput,
    [tf.Conv2DBackpropFilter]: conv2DBackpropFilter,
    [tf.Conv3DBackpropInputV2]: conv3DBackpropInput,
    [tf.Conv3DBackpropFilterV2]: conv3DBackpropFilter,
    [tf.DepthwiseConv2dNativeBackpropInput]: depthwiseBackpropInput,
    [tf.DepthwiseConv2dNativeBackpropFilter]: depthwiseBackpropFilter,
    [tf.LogSoftmax]: logSoftmax,
    [tf.AvgPool3DGrad]: composed(averagePool3dGradient),
    [tf.MaxPool3D]: composed(maxPool3d),
    [tf.MaxPool3DGrad]: composed(maxPool3dGradient),
    [tf.MaxPoolGrad]: maxPoolGradient,
    [tf.OneHot]: oneHot,
    [tf.UnsortedSegmentSum]: unsortedSegmentSum,
  };
  return [
    wrapped(tf.BatchMatMul, guardedMatrixProduct),
    wrapped(tf._FusedMatMul, guardedMatrixProduct),
    wrapped(tf.AvgPoolGrad, averagePoolGradient),
    wrapped(tf.Conv3D, paddedConv3d),
    imageWindowKernel(backendName),
    ...Object.entries(kernels).map(([kernelName, kernelFunc]) => ({
      kernelName,
      backendName,
      kernelFunc,
    })),
  ];
}
