/**
 * Where tfjs-node's kernels are not enough:
 *
 * - Round: TensorFlow's kernel returns zeros for int32, whose values are round already.
 * - GatherV2: the kernel reads the indices to check them, which a trace cannot; then TensorFlow
 *   checks them, when it runs.
 * - The gradients of Sigmoid and Tanh: TensorFlow has one op for what tfjs composes of three.
 */
import { registerConv3dTransposeGradient } from "../conv3d_transpose_gradient.ts";
import { mendOnePartGradients } from "../one_part_gradients.ts";
import { tf } from "../tf.ts";
import { BACKEND_NAME, type TracingBackend } from "./backend.ts";
import { registerBiasKernels } from "./bias_kernels.ts";
import { AttributeType } from "./op_attribute.ts";
import { DataType } from "./data_types.ts";

let isDone = false;

/** Registers the kernels and gradients, once; they serve every engine opened later. */
export function overrideKernels(): void {
  if (isDone) return;
  isDone = true;
  registerBiasKernels();
  mendOnePartGradients();
  registerConv3dTransposeGradient();
  override(tf.Round, (original) => (args) => {
    const { dataId, shape, dtype } = args.inputs.x as tf.TensorInfo;
    if (dtype !== "int32") return original(args);
    (args.backend as TracingBackend).incRef(dataId);
    return { dataId, shape, dtype };
  });
  override(tf.GatherV2, (original) => (args) => {
    const backend = args.backend as TracingBackend;
    if (backend.trace === undefined) return original(args);
    // The same backend, but without values to check.
    const blind = Object.create(backend, { readSync: { value: () => new Int32Array() } });
    return original({ ...args, backend: blind });
  });
  nativeGradient(tf.Sigmoid, "SigmoidGrad", {
    compose: (y, dy) => tf.mul(dy, slopeOfSigmoid(y)),
    slope: slopeOfSigmoid,
    slopeGradient: (y) => tf.sub(1, tf.mul(2, y)),
  });
  nativeGradient(tf.Tanh, "TanhGrad", {
    compose: (y, dy) => tf.mul(slopeOfTanh(y), dy),
    slope: slopeOfTanh,
    slopeGradient: (y) => tf.mul(-2, y),
  });
}

function slopeOfSigmoid(y: tf.Tensor): tf.Tensor {
  return tf.mul(y, tf.sub(1, y));
}

function slopeOfTanh(y: tf.Tensor): tf.Tensor {
  return tf.sub(1, tf.square(y));
}

function override(
  kernelName: string,
  replace: (original: tf.KernelFunc) => tf.KernelFunc,
): void {
  const original = tf.getKernel(kernelName, BACKEND_NAME);
  tf.unregisterKernel(kernelName, BACKEND_NAME);
  tf.registerKernel({ ...original, kernelFunc: replace(original.kernelFunc) });
}

/** y is the function's value: its slope is a function of that alone. */
interface Slope {
  readonly compose: (y: tf.Tensor, dy: tf.Tensor) => tf.Tensor;
  readonly slope: (y: tf.Tensor) => tf.Tensor;
  /** The derivative of the slope by y. */
  readonly slopeGradient: (y: tf.Tensor) => tf.Tensor;
}

/** Computes the gradient of a kernel with one op of TensorFlow's, `opName`(y, dy). */
function nativeGradient(kernelName: string, opName: string, slope: Slope): void {
  tf.registerKernel({
    kernelName: opName,
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, backend }) =>
      (backend as TracingBackend).executeSingleOutput(opName, [
        { name: "T", type: AttributeType.type, value: DataType.float32 },
      ], [inputs.y as tf.TensorInfo, inputs.dy as tf.TensorInfo]),
  });
  tf.registerGradient({
    kernelName: opName,
    inputsToSave: ["y", "dy"],
    gradFunc: (ddy, [y, dy]) => ({
      y: () => tf.mul(tf.mul(ddy as tf.Tensor, dy), slope.slopeGradient(y)),
      dy: () => tf.mul(ddy as tf.Tensor, slope.slope(y)),
    }),
  });
  tf.unregisterGradient(kernelName);
  tf.registerGradient({
    kernelName,
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({
      x: () =>
        tf.getBackend() === BACKEND_NAME && y.dtype === "float32"
          ? tf.engine().runKernel(opName, { y, dy: dy as tf.Tensor })
          : slope.compose(y, dy as tf.Tensor),
    }),
  });
}
