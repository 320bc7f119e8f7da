/**
 * bfloat16 autocast: convolutions and matrix products, where the arithmetic is, run on operands cast
 * to bfloat16, and their results are cast back. Everything else, the sums of gradients and the
 * parameters above all, stays float32. Where a CPU or GPU multiplies bfloat16 in hardware this is
 * about twice as fast.
 */
import { DataType } from "./data_types.ts";
import type { TensorSource } from "./native_tensor.ts";
import { AttributeType, type OpAttribute } from "./op_attribute.ts";
import type { OpRunner, TensorMetadata } from "./op_runner.ts";

const CAST_OPS: ReadonlySet<string> = new Set([
  "BatchMatMul",
  "BatchMatMulV2",
  "Conv2D",
  "Conv2DBackpropFilter",
  "Conv2DBackpropInput",
  "Conv3D",
  "Conv3DBackpropFilterV2",
  "Conv3DBackpropInputV2",
  "DepthwiseConv2dNative",
  "DepthwiseConv2dNativeBackpropFilter",
  "DepthwiseConv2dNativeBackpropInput",
  "MatMul",
]);

export class AutocastRunner implements OpRunner {
  readonly #runner: OpRunner;
  /** Recorded tensors live as long as the graph, so each needs only one cast; eager ones do not. */
  readonly #memory: Map<number, number> | undefined;

  /** @param remember keep the cast of a tensor for its next use; only where tensors never die */
  constructor(runner: OpRunner, remember: boolean) {
    this.#runner = runner;
    this.#memory = remember ? new Map() : undefined;
  }

  createTensor(shape: readonly number[], dtype: number, values: TensorSource): number {
    return this.#runner.createTensor(shape, dtype, values);
  }

  deleteTensor(id: number): void {
    this.#runner.deleteTensor(id);
  }

  metadata(id: number): TensorMetadata {
    return this.#runner.metadata(id);
  }

  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const casts = CAST_OPS.has(opName) &&
      attributes.some(({ name, value }) => name === "T" && value === DataType.float32);
    if (!casts) return this.#runner.executeOp(opName, attributes, inputs, outputCount);
    const operands = inputs.map((id) => this.#narrow(id));
    const results = this.#runner.executeOp(
      opName,
      attributes.map((attribute) =>
        attribute.name === "T" ? { ...attribute, value: DataType.bfloat16 } : attribute
      ),
      operands,
      outputCount,
    );
    operands.forEach((id, i) => {
      if (id !== inputs[i] && this.#memory === undefined) this.#runner.deleteTensor(id);
    });
    return results.map(({ id }) => {
      const widened = this.#cast(id, DataType.bfloat16, DataType.float32);
      this.#runner.deleteTensor(id);
      return widened;
    });
  }

  #narrow(id: number): number {
    if (this.#runner.metadata(id).dtype !== DataType.float32) return id;
    const known = this.#memory?.get(id);
    if (known !== undefined) return known;
    const narrowed = this.#cast(id, DataType.float32, DataType.bfloat16).id;
    if (this.#memory !== undefined) {
      this.#memory.set(id, narrowed);
      this.#runner.deleteTensor(narrowed);
    }
    return narrowed;
  }

  #cast(id: number, from: number, to: number): TensorMetadata {
    return this.#runner.executeOp(
      "Cast",
      [
        { name: "SrcT", type: AttributeType.type, value: from },
        { name: "DstT", type: AttributeType.type, value: to },
        { name: "Truncate", type: AttributeType.bool, value: false },
      ],
      [id],
      1,
    )[0];
  }
}
