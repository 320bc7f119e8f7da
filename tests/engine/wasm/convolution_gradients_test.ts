import assert from "node:assert/strict";
import { tf } from "../../../engine/tf.ts";
import { openWasmEngine } from "../../../engine/wasm/wasm_engine.ts";
import fixture from "../../fixtures/wasm/convolution_gradients.json" with { type: "json" };

interface Case {
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly padding: string | readonly (readonly number[])[];
  readonly output: readonly number[];
  readonly inputGradient: readonly number[];
  readonly kernelGradient: readonly number[];
}

type Convolve = (
  x: tf.Tensor4D,
  kernel: tf.Tensor4D,
  strides: [number, number],
  padding: "same" | "valid" | tf.backend_util.ExplicitPadding,
) => tf.Tensor4D;

await openWasmEngine({ threads: 1, precision: "float32" });

/** Element i is ((i * step) % 11 - 5) / 4, as in the script that made the fixture. */
function operand(shape: readonly number[], step: number): tf.Tensor4D {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: size }, (_, i) => ((i * step) % 11 - 5) / 4);
  const [a, b, c, d] = shape;
  return tf.tensor4d(values, [a, b, c, d]);
}

function paddingOf({ padding }: Case): "same" | "valid" | tf.backend_util.ExplicitPadding {
  if (padding === "same" || padding === "valid") return padding;
  const [rows, columns] = padding as [[number, number], [number, number]];
  return [[0, 0], rows, columns, [0, 0]];
}

/** Both gradients through TensorFlow.js's own tape, so that the registered kernels are what runs. */
function gradientsOf(convolve: Convolve, case_: Case): Float32Array[] {
  return tf.tidy(() => {
    const [rowStride, columnStride] = case_.strides;
    const { value, grads } = tf.valueAndGrads((x: tf.Tensor, kernel: tf.Tensor) => {
      const strides: [number, number] = [rowStride, columnStride];
      return convolve(x as tf.Tensor4D, kernel as tf.Tensor4D, strides, paddingOf(case_));
    })([operand(case_.input, 7), operand(case_.kernel, 5)], operand(case_.output, 3));
    assert.deepEqual(value.shape, case_.output);
    assert.deepEqual(grads.map(({ shape }) => shape), [case_.input, case_.kernel]);
    return grads.map((gradient) => gradient.dataSync() as Float32Array);
  });
}

function maximumDifference(actual: Float32Array, expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  return expected.reduce((max, value, i) => Math.max(max, Math.abs(actual[i] - value)), 0);
}

function testCases(title: string, convolve: Convolve, cases: readonly Case[]) {
  for (const case_ of cases) {
    const { input, kernel, strides, padding } = case_;
    const name = `[${input}] * [${kernel}] / [${strides}] ${JSON.stringify(padding)}`;
    Deno.test(`${title} gradients of ${name} equal PyTorch's`, () => {
      const tensorsBefore = tf.memory();
      const [inputGradient, kernelGradient] = gradientsOf(convolve, case_);
      assert.equal(maximumDifference(inputGradient, case_.inputGradient), 0);
      assert.equal(maximumDifference(kernelGradient, case_.kernelGradient), 0);
      assert.equal(tf.memory().numTensors, tensorsBefore.numTensors);
      assert.equal(tf.memory().numDataBuffers, tensorsBefore.numDataBuffers);
    });
  }
}

const fixtures = fixture as { convolutions: Case[]; depthwise: Case[] };
testCases("conv2d()", tf.conv2d, fixtures.convolutions);
testCases("depthwiseConv2d()", tf.depthwiseConv2d, fixtures.depthwise);

Deno.test("conv2d() gradients sum many images block by block", () => {
  tf.tidy(() => {
    // More positions than one block of the filter gradient holds.
    const [images, channels] = [7, 32];
    const x = operand([images, 40, 40, 3], 7);
    const kernel = operand([3, 3, 3, channels], 5);
    const dy = operand([images, 40, 40, channels], 3);
    const gradient = tf.grad((kernel: tf.Tensor) => tf.conv2d(x, kernel as tf.Tensor4D, 1, "same"))(
      kernel,
      dy,
    );
    const byImage = Array.from({ length: images }, (_, image) => {
      const [one, dyOne] = [x, dy].map((t) =>
        tf.slice(t, [image, 0, 0, 0], [1, -1, -1, -1]) as tf.Tensor4D
      );
      return tf.grad((kernel: tf.Tensor) => tf.conv2d(one, kernel as tf.Tensor4D, 1, "same"))(
        kernel,
        dyOne,
      );
    });
    const difference = tf.max(tf.abs(tf.sub(gradient, tf.addN(byImage))));
    assert.equal(difference.dataSync()[0], 0);
    assert.ok(tf.max(tf.abs(gradient)).dataSync()[0] > 1);
  });
});

Deno.test("conv2d() gradients of an image smaller than the kernel are finite and exact", () => {
  tf.tidy(() => {
    const x = operand([1, 2, 1, 1], 7);
    const kernel = operand([5, 5, 1, 1], 5);
    const dy = operand([1, 2, 1, 1], 3);
    const { grads: [dx, dKernel] } = tf.valueAndGrads((x: tf.Tensor, kernel: tf.Tensor) =>
      tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same")
    )([x, kernel], dy);
    const [k, v, d] = [kernel, x, dy].map((tensor) => tensor.dataSync());
    const tap = (row: number) => k[row * 5 + 2];
    assert.deepEqual([...dx.dataSync()], [
      d[0] * tap(2) + d[1] * tap(1),
      d[0] * tap(3) + d[1] * tap(2),
    ]);
    const expected = new Float32Array(25);
    expected[1 * 5 + 2] = d[1] * v[0];
    expected[2 * 5 + 2] = d[0] * v[0] + d[1] * v[1];
    expected[3 * 5 + 2] = d[0] * v[1];
    assert.equal(maximumDifference(dKernel.dataSync() as Float32Array, [...expected]), 0);
  });
});

Deno.test("conv2dTranspose() has gradients for its input and its kernel", () => {
  tf.tidy(() => {
    const x = operand([1, 3, 3, 2], 7);
    const kernel = operand([3, 3, 3, 2], 5);
    const f = (x: tf.Tensor, kernel: tf.Tensor) =>
      tf.sum(tf.square(
        tf.conv2dTranspose(x as tf.Tensor4D, kernel as tf.Tensor4D, [1, 6, 6, 3], 2, "same"),
      ));
    const grads = tf.grads(f)([x, kernel]);
    // Quadratic in each operand, so that central differences are exact up to rounding.
    for (const [operandIndex, gradient] of grads.entries()) {
      for (const element of [0, 7, 13]) {
        const shifted = (delta: number) => {
          const operands = [x, kernel].map((tensor, index) => {
            const values = tensor.dataSync().slice();
            if (index === operandIndex) values[element] += delta;
            return tf.tensor(values, tensor.shape);
          });
          return f(operands[0], operands[1]).dataSync()[0];
        };
        const numeric = (shifted(0.25) - shifted(-0.25)) / 0.5;
        assert.ok(
          Math.abs(gradient.dataSync()[element] - numeric) < 1e-3 * (1 + Math.abs(numeric)),
        );
      }
    }
  });
});
