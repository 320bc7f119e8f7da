/** Tests that need libtensorflow: skipped, with a word, where none is found. */
import assert from "node:assert/strict";
import { type Engine, type EngineOptions, type TensorFunction } from "../../../engine/engine.ts";
import { openEngine } from "../../../engine/open_engine.ts";
import { locateTensorFlow } from "../../../engine/tensorflow/locate.ts";
import { type Tensor, tf } from "../../../engine/tf.ts";

export const tensorFlow = await locateTensorFlow();
if (tensorFlow === undefined) {
  console.log("Skipped: no libtensorflow found; run `deno task setup` or set TF_LIBRARY");
}

/** A test on an engine of its own, which must have as many tensors at the end as at the start. */
export function engineTest(
  name: string,
  test: (engine: Engine) => Promise<void> | void,
  options: Partial<EngineOptions> = {},
): void {
  Deno.test(name, { ignore: tensorFlow === undefined }, async () => {
    const engine = await openEngine("tensorflow", {
      threads: 2,
      precision: "float32",
      libraryPath: tensorFlow?.path,
      ...options,
    });
    try {
      const tensors = tf.memory().numTensors;
      await test(engine);
      assert.equal(engine.handleCount(), 0, "native handles left");
      assert.equal(tf.memory().numTensors, tensors, "tensors left");
    } finally {
      tf.disposeVariables();
      engine.dispose();
    }
  });
}

/** Runs a function once and disposes all but the values of its outputs. */
export async function values(
  engine: Engine,
  fn: TensorFunction,
  inputs: Tensor[],
  mode: "eager" | "traced" = "traced",
): Promise<Uint8Array[]> {
  const compiled = engine.compile("values", fn, { mode });
  try {
    const outputs = await compiled(inputs);
    const bytes = outputs.map(bytesOf);
    tf.dispose(outputs);
    return bytes;
  } finally {
    compiled.dispose();
  }
}

/** Shape, dtype and every bit of a tensor, for comparison. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const header = new TextEncoder().encode(`${tensor.dtype} [${tensor.shape}]:`);
  const values = tensor.dataSync() as Float32Array | Int32Array | Uint8Array;
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Uint8Array.from([...header, ...body]);
}

/** Fixed, irregular values in (-1, 1). */
export function wave(shape: number[], phase = 0): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const numbers = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + phase) * 0.9);
  return tf.tensor(numbers, shape);
}
