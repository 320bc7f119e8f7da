/**
 * Starts TensorFlow.js's WebAssembly backend, with the composed kernels in place. The one file that
 * names its package.
 */
// Registers the gradient of every operation: tfjs-core's bundle for Node has none.
import "@tensorflow/tfjs";
import { getThreadsCount, setThreadsCount, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { registerConv3dTransposeGradient } from "../conv3d_transpose_gradient.ts";
import { mendOnePartGradients } from "../one_part_gradients.ts";
import { tf } from "../tf.ts";
import { EngineError } from "../engine_error.ts";
import { composedKernels } from "./composed_kernels.ts";

/** The name under which the package registers itself with TensorFlow.js. */
export const wasmBackendName = "wasm";

export interface WasmBackend {
  readonly version: string;
  readonly hasSimd: boolean;
  readonly threads: number;
}

let hasComposedKernels = false;

/**
 * Makes the WebAssembly backend the current one of TensorFlow.js; later calls only select it again.
 * @throws {EngineError} where the WebAssembly module does not start
 */
export async function startWasmBackend(): Promise<WasmBackend> {
  if (!hasComposedKernels) {
    // The threaded module starts its workers from blob URLs by way of node:worker_threads, which
    // Deno refuses; never let the package choose it.
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    setThreadsCount(1);
    for (const kernel of composedKernels(wasmBackendName)) {
      const { kernelName, backendName } = kernel;
      // Registering over a kernel warns on standard error.
      if (tf.getKernel(kernelName, backendName) !== undefined) {
        tf.unregisterKernel(kernelName, backendName);
      }
      tf.registerKernel(kernel);
    }
    mendOnePartGradients();
    registerConv3dTransposeGradient();
    hasComposedKernels = true;
  }
  if (!await tf.setBackend(wasmBackendName)) {
    throw new EngineError(
      "Cannot start the wasm engine: the WebAssembly module of @tensorflow/tfjs-backend-wasm " +
        `${version_wasm} failed to start; remove it from Deno's npm cache and run again`,
    );
  }
  return {
    version: version_wasm,
    hasSimd: await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT") === true,
    threads: getThreadsCount(),
  };
}
