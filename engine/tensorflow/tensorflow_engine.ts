/** The engine `tensorflow`: TensorFlow.js's kernels for Node on any libtensorflow from 2.9 on. */
import type {
  CompiledFunction,
  Engine,
  EngineOptions,
  ExecutionMode,
  Precision,
  TensorFunction,
} from "../engine.ts";
import { EngineError } from "../engine_error.ts";
import { type Tensor, tf } from "../tf.ts";
import { BACKEND_NAME, loadBackend } from "./backend.ts";
import { Binding } from "./binding.ts";
import { TensorFlowContext } from "./context.ts";
import { describeTensor } from "./data_types.ts";
import { EagerRunner } from "./eager.ts";
import { overrideKernels } from "./kernel_overrides.ts";
import { openTensorFlow } from "./locate.ts";
import { OpDefinitions } from "./op_definition.ts";
import { TensorIds } from "./op_runner.ts";
import { checkOutputs, TracedFunction, type TracingParts } from "./traced_function.ts";

/** Signatures that a compiled function keeps; the one unused for longest goes first. */
const SIGNATURES_MAX = 64;

/**
 * Opens libtensorflow and makes it tfjs's backend. One engine at a time: tfjs has one registry.
 * @param libraryPath file of the library
 * @throws {EngineError} if the library cannot be used or an engine is open already
 */
export async function openTensorFlowEngine(
  options: EngineOptions & { readonly libraryPath: string },
): Promise<Engine> {
  if (tf.findBackendFactory(BACKEND_NAME) !== null) {
    throw new EngineError(
      "Cannot open the tensorflow engine: one is open already; dispose it first",
    );
  }
  const { library, version } = openTensorFlow(options.libraryPath);
  const context = new TensorFlowContext(library, options);
  const ids = new TensorIds();
  const eager = new EagerRunner(context, ids);
  const isGpu = context.device.gpu !== undefined;
  const binding = new Binding(eager, version, isGpu, options.precision);
  const backend = await loadBackend(binding);
  overrideKernels();
  tf.registerBackend(BACKEND_NAME, () => backend);
  await tf.setBackend(BACKEND_NAME);
  const definitions = new OpDefinitions(library);
  return new TensorFlowEngine(options, version, {
    context,
    binding,
    backend,
    ids,
    definitions,
  });
}

class TensorFlowEngine implements Engine {
  readonly name = "tensorflow";
  readonly version: string;
  readonly device: string;
  readonly threads: number;
  readonly precision: Precision;
  readonly mode: ExecutionMode = "traced";
  readonly #parts: TracingParts;
  readonly #functions = new Set<{ dispose(): void }>();

  constructor(options: EngineOptions, version: string, parts: TracingParts) {
    this.version = `TensorFlow ${version}`;
    this.device = parts.context.device.description;
    this.threads = options.threads;
    this.precision = options.precision;
    this.#parts = parts;
  }

  compile(
    name: string,
    fn: TensorFunction,
    { mode = this.mode }: { mode?: ExecutionMode } = {},
  ): CompiledFunction {
    let isDisposed = false;
    const signatures = new Map<string, TracedFunction>();
    // Async, so that whatever throws becomes a rejection.
    const run = async (inputs: readonly Tensor[]): Promise<Tensor[]> => {
      this.#checkUsable(name, isDisposed, inputs);
      if (mode === "eager") return runEagerly(name, fn, inputs);
      const ids = this.#parts.backend.getInputTensorIds(inputs);
      const outputs = await this.#traced(signatures, name, fn, ids).run(ids);
      return outputs.map((output) => this.#parts.backend.createOutputTensor(output));
    };
    const functions = this.#functions;
    const compiled = Object.assign(run, {
      dispose() {
        isDisposed = true;
        functions.delete(compiled);
        for (const traced of signatures.values()) traced.dispose();
        signatures.clear();
      },
    });
    functions.add(compiled);
    return compiled;
  }

  handleCount(): number {
    return this.#parts.binding.eager.handleCount;
  }

  dispose(): void {
    const { context, binding: { eager } } = this.#parts;
    if (context.isClosing) return;
    for (const compiled of this.#functions) compiled.dispose();
    context.closeWhenIdle(() => eager.delete());
    tf.removeBackend(BACKEND_NAME);
  }

  /** The function recorded for the inputs' signature, recorded now if there is none. */
  #traced(
    signatures: Map<string, TracedFunction>,
    name: string,
    fn: TensorFunction,
    ids: readonly number[],
  ): TracedFunction {
    const signature = ids.map((id) => this.#parts.binding.eager.metadata(id));
    const key = signature.map(({ dtype, shape }) => describeTensor(dtype, shape)).join();
    let traced = signatures.get(key);
    if (traced === undefined) {
      traced = new TracedFunction(this.#parts, name, fn, signature);
    } else {
      signatures.delete(key);
    }
    signatures.set(key, traced); // a Map keeps its order, so the first key is the oldest
    if (signatures.size > SIGNATURES_MAX) {
      const [oldest, unused] = signatures.entries().next().value!;
      signatures.delete(oldest);
      unused.dispose();
    }
    return traced;
  }

  #checkUsable(name: string, isDisposed: boolean, inputs: readonly Tensor[]): void {
    if (isDisposed || this.#parts.context.isClosing) {
      throw new EngineError(`Cannot run "${name}": it or its engine was disposed`);
    }
    const gone = inputs.findIndex((input) => input.isDisposed);
    if (gone >= 0) {
      throw new EngineError(
        `Cannot run "${name}": input ${gone} of shape [${inputs[gone].shape}] was disposed`,
      );
    }
  }
}

/** The outputs are tensors of their own, even where the function returned an input. */
function runEagerly(name: string, fn: TensorFunction, inputs: readonly Tensor[]): Tensor[] {
  return tf.tidy(() => checkOutputs(name, fn([...inputs])).map((output) => tf.clone(output)));
}
