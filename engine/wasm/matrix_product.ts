/**
 * Matrix products for the WebAssembly backend: the stock kernels, without their two faults.
 *
 * They pack the right operand once and keep it by the identity of its data alone, so that the same
 * data under another shape (after `tf.reshape`) aborts the WebAssembly module; and they run a product
 * with a transposed operand in a scalar loop, ten times slower than transposing it first.
 */
import { tf } from "../tf.ts";

type Operands = Pick<tf.BatchMatMulAttrs, "transposeA" | "transposeB">;

/** Wraps the stock kernel `BatchMatMul` or `_FusedMatMul`; attributes and results stay the same. */
export function guardedMatrixProduct(stock: tf.KernelFunc): tf.KernelFunc {
  /** For each data id that was a right operand: the shape for which the backend packed it. */
  const packedShapes = new WeakMap<tf.DataId, string>();
  return ({ inputs, backend, attrs }) =>
    tf.tidy(() => {
      const { transposeA, transposeB } = attrs as unknown as Operands;
      const [a, b] = [inputs.a as tf.Tensor, inputs.b as tf.Tensor];
      // Only a single product reaches the fast kernel; a batch of them runs in the loop anyway.
      const isSingle = tf.util.sizeFromShape(a.shape.slice(0, -2)) === 1 &&
        tf.util.sizeFromShape(b.shape.slice(0, -2)) === 1;
      const left = isSingle && transposeA ? swapLastAxes(a) : a;
      let right = isSingle && transposeB ? swapLastAxes(b) : b;
      const shape = right.shape.slice(-2).join("x");
      const packedShape = packedShapes.get(right.dataId);
      // A clone has data of its own on this backend.
      if (packedShape !== undefined && packedShape !== shape) right = tf.clone(right);
      else if (isSingle) packedShapes.set(right.dataId, shape);
      const product = stock({
        inputs: { ...inputs, a: left, b: right },
        backend,
        attrs: isSingle ? { ...attrs, transposeA: false, transposeB: false } : attrs,
      }) as tf.TensorInfo;
      return asTensor(product);
    });
}

function swapLastAxes(matrix: tf.Tensor): tf.Tensor {
  const rank = matrix.rank;
  const outer = [...Array(rank - 2).keys()];
  return tf.transpose(matrix, [...outer, rank - 1, rank - 2]);
}

/** Stock kernels give a bare record; only a tensor outlives `tf.tidy`. */
function asTensor({ dataId, shape, dtype }: tf.TensorInfo): tf.Tensor {
  return tf.engine().makeTensorFromDataId(dataId, shape, dtype);
}
