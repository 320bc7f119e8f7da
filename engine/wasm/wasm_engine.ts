/**
 * The fallback engine: TensorFlow.js's WebAssembly backend, for machines without libtensorflow. It
 * needs npm packages alone, runs operation by operation on one thread in 32-bit floats, and blocks the
 * event loop while a function runs.
 */
import type { CompiledFunction, Engine, EngineOptions, TensorFunction } from "../engine.ts";
import { EngineError } from "../engine_error.ts";
import { type Tensor, tf } from "../tf.ts";
import { startWasmBackend, wasmBackendName } from "./wasm_backend.ts";

/**
 * Opens the engine. All of its tensors live in the one WebAssembly instance of the process, which
 * stays after `dispose()`.
 * @throws {EngineError} for bfloat16, for a number of threads other than 1, and where WebAssembly
 * does not start
 */
export async function openWasmEngine({ threads, precision }: EngineOptions): Promise<Engine> {
  if (precision !== "float32") {
    throw new EngineError(
      `Cannot open the wasm engine with precision ${precision}: it computes in float32 only; ` +
        "use float32, or the tensorflow engine",
    );
  }
  if (threads !== 1) {
    throw new EngineError(
      `Cannot open the wasm engine with ${threads} threads: it runs on 1 thread under Deno; ` +
        "use 1 thread and more workers, or the tensorflow engine",
    );
  }
  const backend = await startWasmBackend();
  let isOpen = true;
  return {
    name: "wasm",
    version: `TensorFlow.js WASM ${backend.version}`,
    device: `CPU (WebAssembly${backend.hasSimd ? " SIMD" : ""}, ${backend.threads} thread)`,
    threads,
    precision,
    mode: "eager",
    compile(name, fn, options) {
      if (options?.mode === "traced") {
        throw new EngineError(
          `Cannot trace "${name}": the wasm engine runs op by op only; use mode "eager"`,
        );
      }
      return compileEager(name, fn, () => isOpen);
    },
    handleCount: () => tf.memory().numTensors,
    dispose() {
      isOpen = false;
    },
  };
}

function compileEager(name: string, fn: TensorFunction, isOpen: () => boolean): CompiledFunction {
  let isDisposed = false;
  // Async, so that a throw inside becomes a rejection as it does on the other engine.
  // deno-lint-ignore require-await
  const run = async (inputs: readonly Tensor[]): Promise<Tensor[]> => {
    if (isDisposed || !isOpen()) {
      throw new EngineError(`Cannot run "${name}": it or its engine is disposed`);
    }
    if (tf.getBackend() !== wasmBackendName) {
      throw new EngineError(
        `Cannot run "${name}" on the wasm engine: TensorFlow.js now uses the backend ` +
          `"${tf.getBackend()}"; open one engine at a time`,
      );
    }
    checkAlive(name, inputs, "was disposed before the call");
    return tf.tidy(() => {
      const outputs = runKept(name, fn, inputs);
      checkAlive(name, inputs, "was disposed by the function, but belongs to the caller");
      return outputs;
    });
  };
  return Object.assign(run, {
    dispose() {
      isDisposed = true;
    },
  });
}

/** The function's outputs, each a tensor of its own that the caller may dispose. */
function runKept(name: string, fn: TensorFunction, inputs: readonly Tensor[]): Tensor[] {
  // Tensors are numbered as they are made: one that is not younger than this was there before.
  const oldest = tf.scalar(0).id;
  const outputs: unknown = fn([...inputs]);
  if (!Array.isArray(outputs) || !outputs.every((output) => output instanceof tf.Tensor)) {
    throw new EngineError(`Cannot run "${name}": the function must return an array of tensors`);
  }
  const seen = new Set<number>();
  return outputs.map((output: Tensor) => {
    const isOwn = output.id > oldest && !seen.has(output.id) && !output.kept;
    seen.add(output.id);
    return isOwn ? output : tf.clone(output);
  });
}

function checkAlive(name: string, inputs: readonly Tensor[], problem: string): void {
  const index = inputs.findIndex((input) => input.isDisposed);
  if (index >= 0) {
    const shape = `[${inputs[index].shape}]`;
    throw new EngineError(`Cannot run "${name}": input ${index} of shape ${shape} ${problem}`);
  }
}
