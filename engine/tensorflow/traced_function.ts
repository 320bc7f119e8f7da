/**
 * A function recorded for one signature of its inputs: one TensorFlow function, run as a single op
 * on a thread of its own, so that the event loop goes on serving the network meanwhile.
 */
import { EngineError } from "../engine_error.ts";
import { setRandomRecorder } from "../random_ops.ts";
import { tf } from "../tf.ts";
import type { TensorFunction } from "../engine.ts";
import type { TracingBackend } from "./backend.ts";
import type { Binding } from "./binding.ts";
import type { TensorFlowContext } from "./context.ts";
import { describeTensor } from "./data_types.ts";
import { nonNull, type Pointer } from "./ffi.ts";
import type { OpDefinitions } from "./op_definition.ts";
import type { TensorIds, TensorMetadata } from "./op_runner.ts";
import { Recorder } from "./recorder.ts";
import { Status } from "./status.ts";
import { type Capture, Trace } from "./trace.ts";
import { VariableGuard } from "./variable_guard.ts";

/** What a trace needs of the engine. */
export interface TracingParts {
  readonly context: TensorFlowContext;
  readonly binding: Binding;
  readonly backend: TracingBackend;
  readonly ids: TensorIds;
  readonly definitions: OpDefinitions;
}

/** dtype and shape of each input. */
export type Signature = readonly Pick<TensorMetadata, "dtype" | "shape">[];

interface Recording {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly captures: readonly Capture[];
}

export class TracedFunction {
  readonly #name: string;
  readonly #functionName: Uint8Array<ArrayBuffer>;
  readonly #parts: TracingParts;
  readonly #signature: Signature;
  readonly #captures: readonly Capture[];
  readonly #outputCount: number;
  #running = 0;
  #isDisposed = false;

  /**
   * Traces `fn` by running it once on recorded tensors.
   * @throws {EngineError} if it reads values, has shapes that depend on them, keeps recorded
   * tensors, changes variables, or draws random numbers in JavaScript
   */
  constructor(parts: TracingParts, name: string, fn: TensorFunction, signature: Signature) {
    this.#name = name;
    this.#parts = parts;
    this.#signature = signature;
    const functionName = `${name.replaceAll(/\W/g, "_")}_${parts.ids.next()}`;
    this.#functionName = new TextEncoder().encode(functionName + "\0");
    const { context, ids, definitions } = parts;
    const recorder = new Recorder(name, context, ids, definitions);
    try {
      const { inputs, outputs, captures } = record(parts, name, fn, signature, recorder);
      const arguments_ = [...inputs, ...captures.map(({ argument }) => argument)];
      this.#captures = captures;
      this.#outputCount = outputs.length;
      this.#register(recorder.finish(functionName, arguments_, outputs));
    } finally {
      recorder.delete();
    }
  }

  /** Inputs are bound before it returns, so that the caller may dispose them at once. */
  run(inputs: readonly number[]): Promise<TensorMetadata[]> {
    const { context } = this.#parts;
    const op = this.#newCall(inputs);
    this.#running++;
    return context.hold(async () => {
      try {
        return await this.#execute(op);
      } finally {
        this.#running--;
        this.#unregisterIfIdle();
      }
    });
  }

  /** Removes the function from TensorFlow, after the calls that run now. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#unregisterIfIdle();
  }

  #newCall(inputs: readonly number[]): Pointer {
    const { context: { library, pointer: context }, binding: { eager } } = this.#parts;
    const bound = [...inputs, ...this.#captures.map((capture) => capture.current())];
    const status = new Status(library);
    const newOp = library.TFE_NewOp(context, this.#functionName, status.pointer);
    try {
      status.check(() => this.#action());
      const op = nonNull(newOp, "TFE_NewOp");
      for (const id of bound) {
        library.TFE_OpAddInput(op, eager.handle(id), status.pointer);
        status.check(() => this.#action());
      }
      return op;
    } catch (error) {
      if (newOp !== null) library.TFE_DeleteOp(newOp);
      throw error;
    } finally {
      status.delete();
    }
  }

  /** Deletes the call. Status and buffers are its own, for other calls may run at the same time. */
  async #execute(op: Pointer): Promise<TensorMetadata[]> {
    const { context, binding: { eager } } = this.#parts;
    const { library } = context;
    const status = new Status(library);
    const outputs = new BigUint64Array(Math.max(this.#outputCount, 1));
    const count = Int32Array.of(this.#outputCount);
    try {
      await library.executeOffThread(op, outputs, count, status.pointer);
      status.check(() => this.#action());
      const handles = outputs.subarray(0, count[0]);
      if (!context.isClosing) return eager.adopt(handles);
      for (const address of handles) {
        library.TFE_DeleteTensorHandle(Deno.UnsafePointer.create(address));
      }
      throw new EngineError(`${this.#action()}: the engine was disposed meanwhile`);
    } finally {
      library.TFE_DeleteOp(op);
      status.delete();
    }
  }

  #action(): string {
    const inputs = this.#signature.map(({ dtype, shape }) => describeTensor(dtype, shape));
    return `Cannot run "${this.#name}" on ${inputs.join(", ") || "no inputs"}`;
  }

  #register(nativeFunction: Pointer): void {
    const { library, pointer: context } = this.#parts.context;
    const status = new Status(library);
    try {
      library.TFE_ContextAddFunction(context, nativeFunction, status.pointer);
      status.check(() => `Cannot add the traced function "${this.#name}" to TensorFlow`);
    } finally {
      library.TF_DeleteFunction(nativeFunction);
      status.delete();
    }
  }

  #unregisterIfIdle(): void {
    if (!this.#isDisposed || this.#running > 0) return;
    const { library, pointer: context } = this.#parts.context;
    const status = new Status(library);
    library.TFE_ContextRemoveFunction(context, this.#functionName, status.pointer);
    status.delete();
  }
}

function record(
  { binding, backend }: TracingParts,
  name: string,
  fn: TensorFunction,
  signature: Signature,
  recorder: Recorder,
): Recording {
  const variables = new VariableGuard(backend);
  const trace = new Trace(name, recorder, binding, backend, variables.byData);
  return binding.record(recorder, () => {
    const arguments_ = signature.map(({ dtype, shape }) => recorder.placeholder(dtype, shape));
    backend.trace = trace;
    setRandomRecorder(trace);
    tf.engine().startScope(name);
    let outputs: readonly number[] = [];
    let variableFailure: EngineError | undefined;
    try {
      const returned = fn(arguments_.map((argument) => backend.createOutputTensor(argument)));
      silencePromises(returned);
      trace.checkFailure();
      outputs = backend.getInputTensorIds(checkOutputs(name, returned));
    } finally {
      tf.engine().endScope();
      variableFailure = variables.restore(name);
      setRandomRecorder(undefined);
      backend.trace = undefined;
    }
    if (variableFailure !== undefined) throw variableFailure;
    checkEscapes(name, recorder);
    return { inputs: arguments_.map(({ id }) => id), outputs, captures: trace.captures };
  });
}

/** @throws {EngineError} unless a function returned an array of tensors */
export function checkOutputs(name: string, returned: unknown): tf.Tensor[] {
  if (returned instanceof Promise) {
    throw new EngineError(
      `Cannot run "${name}": it returned a promise, and the ops that make one (tf.whereAsync, ` +
        "booleanMaskAsync, data) read values; return an array of tensors",
    );
  }
  if (!Array.isArray(returned) || !returned.every((output) => output instanceof tf.Tensor)) {
    throw new EngineError(`Cannot run "${name}": it must return an array of tensors`);
  }
  return returned;
}

/** A promise returned from a trace fails for the reason that the trace fails: no need to tell twice. */
function silencePromises(returned: unknown): void {
  for (const output of [returned].flat()) {
    if (output instanceof Promise) output.catch(() => {});
  }
}

function checkEscapes(name: string, recorder: Recorder): void {
  for (const id of recorder.liveTensors) {
    const { dtype, shape } = recorder.metadata(id);
    throw new EngineError(
      `Cannot trace "${name}": a ${describeTensor(dtype, shape)} tensor made by op ` +
        `"${recorder.opName(id)}" is kept after the trace (tf.keep), but it has no value there; ` +
        "return it from the function",
    );
  }
}
