/**
 * Slicing, splitting, unstacking and concatenating on the WebAssembly heap. The stock kernels copy
 * all of their input for every slice, and from rank 5 on go element by element through JavaScript
 * arrays: unstacking 10 frames of [4, 10, 64, 64, 16] took 1.2 s (0.8 ms here), splitting a
 * ConvLSTM's gates as long as half of their convolution (a quarter of that here).
 */
import { tf } from "../tf.ts";
import type { HeapBackend } from "./heap_backend.ts";
import { copyStrided, denseStrides } from "./strided_copy.ts";

type StockKernels = (kernelName: string) => tf.KernelFunc;

/** Strings do not live on the heap: they go to the stock kernels. */
export function copyingKernels(stock: StockKernels): Readonly<Record<string, tf.KernelFunc>> {
  const [stockSlice, stockSplit] = [stock(tf.Slice), stock(tf.SplitV)];
  const [stockUnpack, stockConcat] = [stock(tf.Unpack), stock(tf.Concat)];
  return {
    [tf.Slice](args) {
      const x = args.inputs.x!;
      if (x.dtype === "string") return stockSlice(args);
      const { begin, size } = args.attrs as unknown as tf.SliceAttrs;
      const [start, lengths] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
      return sliceOf(args.backend as HeapBackend, x, start, lengths);
    },
    [tf.SplitV](args) {
      const x = args.inputs.x!;
      if (x.dtype === "string") return stockSplit(args);
      const { numOrSizeSplits, axis } = args.attrs as unknown as tf.SplitVAttrs;
      const [splitAxis] = tf.util.parseAxisParam(axis, x.shape);
      const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, splitAxis);
      return partsAlong(args.backend as HeapBackend, x, splitAxis, sizes);
    },
    [tf.Unpack](args) {
      const value = args.inputs.value!;
      if (value.dtype === "string") return stockUnpack(args);
      const [axis] = tf.util.parseAxisParam(
        (args.attrs as unknown as tf.UnpackAttrs).axis,
        value.shape,
      );
      const sizes = Array<number>(value.shape[axis]).fill(1);
      const shape = value.shape.toSpliced(axis, 1);
      return partsAlong(args.backend as HeapBackend, value, axis, sizes)
        .map((part) => ({ ...part, shape }));
    },
    [tf.Concat](args) {
      const parts = Object.values(args.inputs) as tf.TensorInfo[];
      if (parts[0].dtype === "string") return stockConcat(args);
      const { axis } = args.attrs as unknown as tf.ConcatAttrs;
      return concatOf(
        args.backend as HeapBackend,
        parts,
        tf.util.parseAxisParam(axis, parts[0].shape)[0],
      );
    },
  };
}

function sliceOf(
  backend: HeapBackend,
  x: tf.TensorInfo,
  begin: readonly number[],
  size: number[],
): tf.TensorInfo {
  const output = backend.makeOutput(size, x.dtype);
  const strides = denseStrides(x.shape);
  const offset = begin.reduce((sum, start, axis) => sum + start * strides[axis], 0);
  copyStrided(
    size,
    backend.typedArrayFromHeap(x),
    { offset, strides },
    backend.typedArrayFromHeap(output),
    { offset: 0, strides: denseStrides(size) },
  );
  return output;
}

function partsAlong(
  backend: HeapBackend,
  x: tf.TensorInfo,
  axis: number,
  sizes: readonly number[],
): tf.TensorInfo[] {
  const begin = Array<number>(x.shape.length).fill(0);
  return sizes.map((size) => {
    const part = sliceOf(backend, x, begin, x.shape.with(axis, size));
    begin[axis] += size;
    return part;
  });
}

function concatOf(
  backend: HeapBackend,
  parts: readonly tf.TensorInfo[],
  axis: number,
): tf.TensorInfo {
  const shapes = parts.map(({ shape }) => shape);
  tf.backend_util.assertParamsConsistent(shapes, axis);
  const shape = tf.backend_util.computeOutShape(shapes, axis);
  const output = backend.makeOutput(shape, parts[0].dtype);
  const target = backend.typedArrayFromHeap(output);
  const strides = denseStrides(shape);
  let offset = 0;
  for (const part of parts) {
    const source = backend.typedArrayFromHeap(part);
    const from = { offset: 0, strides: denseStrides(part.shape) };
    copyStrided(part.shape, source, from, target, { offset, strides });
    offset += part.shape[axis] * strides[axis];
  }
  return output;
}
