/** The part of TensorFlow.js's WebAssembly backend that gives kernels access to its memory. */
import type { tf } from "../tf.ts";

export interface HeapBackend {
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  /** A view; making another output may grow the memory, which detaches it. */
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
}
