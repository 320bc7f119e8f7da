/**
 * Cuts a window out of a batch of images. The window may begin or end outside of the images, where
 * it is zero: slicing and padding in a single copy, which the convolution gradients do to every
 * operand. It runs as a kernel of its own, because it copies within the WebAssembly heap.
 */
import { tf } from "../tf.ts";
import type { HeapBackend } from "./heap_backend.ts";
import { copyStrided, denseStrides } from "./strided_copy.ts";

/** Images, rows or columns [begin, end); rows and columns may reach beyond the image. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** The whole of a batch of images where a field is absent. */
export interface ImageWindow {
  readonly images?: Span;
  readonly rows?: Span;
  readonly columns?: Span;
}

const kernelName = "ImageWindow";

/**
 * @param image [batch, height, width, channels]
 * @return [images, rows, columns, channels] of the window; `image` itself where that is all of it
 */
export function imageWindow(image: tf.Tensor4D, window: ImageWindow): tf.Tensor4D {
  const spans = [window.images, window.rows, window.columns, undefined]
    .map((span, axis) => span ?? { begin: 0, end: image.shape[axis] });
  if (spans.every(({ begin, end }, axis) => begin === 0 && end === image.shape[axis])) {
    return image;
  }
  const begin = spans.map((span) => span.begin);
  const size = spans.map((span) => span.end - span.begin);
  return tf.engine().runKernel(kernelName, { image }, { begin, size });
}

/** The kernel behind `imageWindow`, for the backend named. */
export function imageWindowKernel(backendName: string): tf.KernelConfig {
  return {
    kernelName,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { begin, size } = attrs as { begin: number[]; size: number[] };
      return copyWindow(backend as HeapBackend, inputs.image!, begin, size);
    },
  };
}

function copyWindow(
  backend: HeapBackend,
  image: tf.TensorInfo,
  begin: readonly number[],
  size: number[],
): tf.TensorInfo {
  const output = backend.makeOutput(size, image.dtype);
  const target = backend.typedArrayFromHeap(output);
  const inside = size.map((length, axis) => {
    const first = Math.max(begin[axis], 0);
    const end = Math.min(begin[axis] + length, image.shape[axis]);
    return { first, length: Math.max(end - first, 0) };
  });
  const isPadded = inside.some(({ length }, axis) => length < size[axis]);
  // The heap gives memory as the last tensor left it.
  if (isPadded) target.fill(0);
  const [from, to] = [denseStrides(image.shape), denseStrides(size)];
  const offsetIn = (strides: readonly number[], origin: (axis: number) => number) =>
    inside.reduce((sum, { first }, axis) => sum + (first - origin(axis)) * strides[axis], 0);
  copyStrided(
    inside.map(({ length }) => length),
    backend.typedArrayFromHeap(image),
    { offset: offsetIn(from, () => 0), strides: from },
    target,
    { offset: offsetIn(to, (axis) => begin[axis]), strides: to },
  );
  return output;
}
