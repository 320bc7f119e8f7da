/**
 * What a function does while it is traced, seen from tfjs: which tensors become constants, which are
 * captured from outside, and what it may not do (read values, draw random numbers in JavaScript).
 */
import { EngineError } from "../engine_error.ts";
import type { RandomRecorder } from "../random_ops.ts";
import { tf } from "../tf.ts";
import type { DataId, TraceHooks, TracingBackend } from "./backend.ts";
import type { Binding } from "./binding.ts";
import { DataType, describeTensor } from "./data_types.ts";
import { AttributeType } from "./op_attribute.ts";
import type { Recorder } from "./recorder.ts";

/** A tensor that a traced function reads but is not given: an input bound anew at every call. */
export interface Capture {
  /** The recorded argument that stands for it. */
  readonly argument: number;
  /**
   * The native tensor to bind now.
   * @throws {EngineError} if it was disposed since
   */
  current(): number;
}

/** As TensorFlow.js draws one where it is given none; TensorFlow takes 0 for none. */
const freshSeed = () => Math.floor(tf.util.randUniform(1, 2 ** 31));

/** Scopes of tfjs ops that fill a tensor with numbers drawn in JavaScript. */
const RANDOM_SCOPES: ReadonlySet<string> = new Set(
  [
    "dropout",
    "rand",
    "randomGamma",
    "randomNormal",
    "randomStandardNormal",
    "randomUniform",
    "randomUniformInt",
    "truncatedNormal",
  ].map((op) => `${op}__op`),
);

export class Trace implements TraceHooks, RandomRecorder {
  readonly #name: string;
  readonly #recorder: Recorder;
  readonly #binding: Binding;
  readonly #backend: TracingBackend;
  /** Data made inside the trace, with its recorded constant once an op has used it. */
  readonly #constants = new Map<DataId, number | undefined>();
  readonly #captures = new Map<DataId | tf.Variable, Capture>();
  readonly #variables: ReadonlyMap<DataId, tf.Variable>;
  #mayDraw = false;
  #failure: EngineError | undefined;

  /** @param variables the variables alive when the trace begins, by their data */
  constructor(
    name: string,
    recorder: Recorder,
    binding: Binding,
    backend: TracingBackend,
    variables: ReadonlyMap<DataId, tf.Variable>,
  ) {
    this.#name = name;
    this.#recorder = recorder;
    this.#binding = binding;
    this.#backend = backend;
    this.#variables = variables;
  }

  get captures(): readonly Capture[] {
    return [...this.#captures.values()];
  }

  /** Throws the first failure, even one that the traced function swallowed. */
  checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  onWrite(dataId: DataId): void {
    const scope = tf.engine().state.scopeStack.find(({ name }) => RANDOM_SCOPES.has(name));
    if (scope !== undefined && !this.#mayDraw) {
      const op = scope.name.replace("__op", "");
      throw this.#fail(
        `op "${op}" draws random numbers in JavaScript, which a trace would freeze: use the ` +
          `random ops of engine/tf.ts, which draw anew at every call, or pass the numbers in`,
      );
    }
    this.#constants.set(dataId, undefined);
  }

  onRead(dataId: DataId): void {
    if (this.#constants.has(dataId)) return;
    const { id, values, dtype, shape } = this.#backend.tensorMap.get(dataId);
    const recorded = values === null && this.#recorder.has(id);
    const tensor = describeTensor(dtype, shape);
    const origin = recorded
      ? ` made by op "${this.#recorder.opName(id)}"`
      : " captured from outside";
    const scope = tf.engine().state.activeScope?.name ?? "";
    const reader = scope.endsWith("__op") ? `op "${scope.slice(0, -4)}"` : "it";
    throw this.#fail(
      `${reader} reads the value of a ${tensor} tensor${origin}, but values exist only when the ` +
        'traced function runs: compute with tensors, or compile with mode "eager"',
    );
  }

  resolve(dataId: DataId): number {
    if (this.#constants.has(dataId)) return this.#constant(dataId);
    const { id, values } = this.#backend.tensorMap.get(dataId);
    return values === null && this.#recorder.has(id) ? id : this.#capture(dataId).argument;
  }

  uniform(shape: readonly number[]): tf.Tensor {
    return this.#random("RandomUniform", shape);
  }

  standardNormal(shape: readonly number[]): tf.Tensor {
    return this.#random("RandomStandardNormal", shape);
  }

  truncatedNormal(shape: readonly number[]): tf.Tensor {
    return this.#random("TruncatedNormal", shape);
  }

  constant<T>(draw: () => T): T {
    const before = this.#mayDraw;
    this.#mayDraw = true;
    try {
      return draw();
    } finally {
      this.#mayDraw = before;
    }
  }

  #constant(dataId: DataId): number {
    let id = this.#constants.get(dataId);
    if (id === undefined) {
      const { shape, dtype, values } = this.#backend.tensorMap.get(dataId);
      id = this.#recorder.createTensor(shape, dtype, values ?? []);
      this.#recorder.deleteTensor(id); // tfjs never learns of it, so nothing else would
      this.#constants.set(dataId, id);
    }
    return id;
  }

  #capture(dataId: DataId): Capture {
    const variable = this.#variables.get(dataId);
    const key = variable ?? dataId;
    let capture = this.#captures.get(key);
    if (capture === undefined) {
      const id = this.#binding.eagerly(() => this.#backend.eagerId(dataId));
      const { dtype, shape } = this.#binding.eager.metadata(id);
      const argument = this.#recorder.placeholder(dtype, shape).id;
      this.#recorder.deleteTensor(argument);
      const current = variable === undefined
        ? () => this.#currentTensor(dataId, describeTensor(dtype, shape))
        : () => this.#currentVariable(variable);
      this.#captures.set(key, capture = { argument, current });
    }
    return capture;
  }

  #currentTensor(dataId: DataId, tensor: string): number {
    if (!this.#backend.tensorMap.has(dataId)) {
      throw new EngineError(
        `Cannot run "${this.#name}": the ${tensor} tensor that it captured when it was traced has ` +
          "been disposed; keep it alive, or pass it as an input",
      );
    }
    return this.#backend.eagerId(dataId);
  }

  #currentVariable(variable: tf.Variable): number {
    if (variable.isDisposed) {
      throw new EngineError(
        `Cannot run "${this.#name}": the variable "${variable.name}" that it captured when it was ` +
          "traced has been disposed",
      );
    }
    return this.#backend.eagerId(variable.dataId);
  }

  /**
   * A seed of its own for each op, whose calls go on in one stream. TensorFlow would draw one where
   * both are zero, but not where its kernels are to be deterministic, as on a GPU.
   */
  #random(opName: string, shape: readonly number[]): tf.Tensor {
    const recorder = this.#recorder;
    const size = recorder.createTensor([shape.length], DataType.int32, Int32Array.from(shape));
    recorder.deleteTensor(size);
    const [drawn] = recorder.executeOp(
      opName,
      [
        { name: "seed", type: AttributeType.int, value: freshSeed() },
        { name: "seed2", type: AttributeType.int, value: freshSeed() },
        { name: "dtype", type: AttributeType.type, value: DataType.float32 },
        { name: "T", type: AttributeType.type, value: DataType.int32 },
      ],
      [size],
      1,
    );
    return this.#backend.createOutputTensor(drawn);
  }

  #fail(reason: string): EngineError {
    const failure = new EngineError(`Cannot trace "${this.#name}": ${reason}`);
    this.#failure ??= failure;
    return failure;
  }
}
