/**
 * The one operation under all kernels: run this op on these tensors. Eager execution and the trace
 * recorder both implement it, so autocast and the binding do not care which of the two they drive.
 */
import type { OpAttribute } from "./op_attribute.ts";
import type { TensorSource } from "./native_tensor.ts";

/** A tensor as tfjs-node's kernels see it: a number that stands for a native tensor. */
export interface TensorMetadata {
  readonly id: number;
  readonly shape: number[];
  /** TF_DataType. */
  readonly dtype: number;
}

export interface OpRunner {
  createTensor(shape: readonly number[], dtype: number, values: TensorSource): number;
  deleteTensor(id: number): void;
  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): TensorMetadata[];
  /** dtype and shape of a tensor. */
  metadata(id: number): TensorMetadata;
}

/** Gives each tensor, eager or recorded, a number of its own, so that none is taken for another. */
export class TensorIds {
  #next = 1;

  next(): number {
    return this.#next++;
  }
}
