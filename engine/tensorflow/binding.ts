/**
 * tfjs-node's native binding (`TFJSBinding` of `@tensorflow/tfjs-node-gpu`), the seam under all of
 * its kernels, in TypeScript. Ops go to the eager runner, or to the recorder while a function is
 * traced.
 */
import { EngineError } from "../engine_error.ts";
import { AutocastRunner } from "./autocast.ts";
import { DataType } from "./data_types.ts";
import type { EagerRunner } from "./eager.ts";
import type { NativeValues, TensorSource } from "./native_tensor.ts";
import { AttributeType, type OpAttribute } from "./op_attribute.ts";
import type { OpRunner, TensorMetadata } from "./op_runner.ts";
import type { Precision } from "../engine.ts";

export class Binding {
  readonly TF_FLOAT = DataType.float32;
  readonly TF_INT32 = DataType.int32;
  readonly TF_INT64 = DataType.int64;
  readonly TF_BOOL = DataType.bool;
  readonly TF_COMPLEX64 = DataType.complex64;
  readonly TF_STRING = DataType.string;
  readonly TF_RESOURCE = DataType.resource;
  readonly TF_UINT8 = DataType.uint8;
  readonly TF_ATTR_STRING = AttributeType.string;
  readonly TF_ATTR_INT = AttributeType.int;
  readonly TF_ATTR_FLOAT = AttributeType.float;
  readonly TF_ATTR_BOOL = AttributeType.bool;
  readonly TF_ATTR_TYPE = AttributeType.type;
  readonly TF_ATTR_SHAPE = AttributeType.shape;
  /** Version of the native library, e.g. "2.21.0". */
  readonly TF_Version: string;

  readonly eager: EagerRunner;
  readonly #precision: Precision;
  readonly #isGpu: boolean;
  readonly #eagerOps: OpRunner;
  #recordedOps: OpRunner | undefined;

  constructor(eager: EagerRunner, version: string, isGpu: boolean, precision: Precision) {
    this.eager = eager;
    this.TF_Version = version;
    this.#isGpu = isGpu;
    this.#precision = precision;
    this.#eagerOps = precision === "bfloat16" ? new AutocastRunner(eager, false) : eager;
  }

  /** Sends every op to the recorder until `action` returns. */
  record<T>(recorder: OpRunner, action: () => T): T {
    this.#recordedOps = this.#precision === "bfloat16"
      ? new AutocastRunner(recorder, true)
      : recorder;
    try {
      return action();
    } finally {
      this.#recordedOps = undefined;
    }
  }

  /** Sends every op of `action` to the eager runner, even while a function is traced. */
  eagerly<T>(action: () => T): T {
    const recordedOps = this.#recordedOps;
    this.#recordedOps = undefined;
    try {
      return action();
    } finally {
      this.#recordedOps = recordedOps;
    }
  }

  createTensor(shape: number[], dtype: number, values: TensorSource): number {
    return this.#ops.createTensor(shape, dtype, values);
  }

  deleteTensor(id: number): void {
    if (this.eager.has(id)) this.eager.deleteTensor(id);
    else this.#recordedOps?.deleteTensor(id);
  }

  tensorDataSync(id: number): NativeValues {
    return this.eager.read(id);
  }

  executeOp(
    opName: string,
    attributes: OpAttribute[],
    inputs: number[],
    outputCount: number,
  ): TensorMetadata[] {
    return this.#ops.executeOp(opName, attributes, inputs, outputCount);
  }

  isUsingGpuDevice(): boolean {
    return this.#isGpu;
  }

  getNumOfTensors(): number {
    return this.eager.handleCount;
  }

  getNumOfSavedModels(): number {
    return 0;
  }

  loadSavedModel(): never {
    throw new EngineError("Cannot load a SavedModel: this engine runs TensorFlow.js models only");
  }

  runSavedModel(): never {
    throw new EngineError("Cannot run a SavedModel: this engine runs TensorFlow.js models only");
  }

  deleteSavedModel(): never {
    throw new EngineError("Cannot delete a SavedModel: this engine never loads one");
  }

  get #ops(): OpRunner {
    return this.#recordedOps ?? this.#eagerOps;
  }
}
