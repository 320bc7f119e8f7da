/**
 * What the trainer asks of an engine: compile a function of tensors, run it without blocking the
 * event loop, and say on what it runs. `tensorflow/` and `wasm/` are the two engines behind it.
 */
import type { Tensor } from "./tf.ts";

export type EngineName = "tensorflow" | "wasm";
/** `bfloat16` casts the operands of convolutions and matrix products; everything else is float32. */
export type Precision = "float32" | "bfloat16";
/** How a compiled function runs: op by op, or as one recorded TensorFlow function. */
export type ExecutionMode = "eager" | "traced";

export interface EngineOptions {
  /**
   * Threads that compute at the same time, each on an op of its own: as many compiled calls are worth
   * having under way. Results do not depend on it.
   */
  readonly threads: number;
  readonly precision: Precision;
}

/** Tensors in, tensors out; a pure function, called again whenever an input signature is new. */
export type TensorFunction = (inputs: Tensor[]) => Tensor[];

export interface CompiledFunction {
  /**
   * Runs the function. The caller keeps ownership of the inputs and owns (disposes) the outputs.
   * Does not block the event loop on the `tensorflow` engine.
   */
  (inputs: readonly Tensor[]): Promise<Tensor[]>;
  /** Releases the recorded functions of every signature. */
  dispose(): void;
}

export interface Engine {
  readonly name: EngineName;
  /** Version of the native library or package, e.g. "TensorFlow 2.21.0". */
  readonly version: string;
  /** The device in words, e.g. "CPU (2 threads)" or "GPU 0 NVIDIA H100". */
  readonly device: string;
  readonly threads: number;
  readonly precision: Precision;
  /** The mode that `compile` uses when none is given. */
  readonly mode: ExecutionMode;
  /**
   * @param name what error messages and profiles call the function
   * @throws {EngineError} on the first call with a signature that cannot be traced
   */
  compile(name: string, fn: TensorFunction, options?: { mode?: ExecutionMode }): CompiledFunction;
  /** Native objects alive now (tensor handles); the same after every training step. */
  handleCount(): number;
  dispose(): void;
}
