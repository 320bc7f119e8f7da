/**
 * BiasAdd and BiasAddGrad, which tfjs has no kernels for: an addition along the last axis and its
 * gradient. TensorFlow fuses the former into the convolution before it.
 */
import { tf } from "../tf.ts";
import { BACKEND_NAME, type TracingBackend } from "./backend.ts";
import { DataType } from "./data_types.ts";
import { AttributeType } from "./op_attribute.ts";

const attributes = [
  { name: "T", type: AttributeType.type, value: DataType.float32 },
  { name: "data_format", type: AttributeType.string, value: "NHWC" },
];

export function registerBiasKernels(): void {
  register("BiasAdd", ["value", "bias"]);
  register("BiasAddGrad", ["outBackprop"]);
}

function register(kernelName: string, inputNames: readonly string[]): void {
  tf.registerKernel({
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, backend }) =>
      (backend as TracingBackend).executeSingleOutput(
        kernelName,
        attributes,
        inputNames.map((name) => inputs[name] as tf.TensorInfo),
      ),
  });
}
