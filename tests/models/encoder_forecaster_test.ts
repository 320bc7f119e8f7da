import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import { encoderForecaster } from "../../models/encoder_forecaster.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { evaluationInputs } from "./evaluation_inputs.ts";
import { forecasts, formulaHead, formulaStack, formulaTensor, numbers } from "./keras_fixture.ts";

testOnEachEngine(
  "encoderForecaster and its gradients are those of Keras' layers, through the encoder's states",
  async (compile, tolerance) => {
    for (const { shape, predictions, state, gradients } of forecasts) {
      const { lanes, height, width, channels, filters, kernelSize } = shape;
      const { inputFrames, outputFrames } = shape;
      const model = encoderForecaster({
        frameShape: [height, width, channels],
        filters,
        kernelSize,
        inputFrames,
        outputFrames,
      });
      const what = JSON.stringify(shape);
      const parameters = [
        ...formulaStack(1, kernelSize, channels, filters),
        ...formulaStack(101, kernelSize, 0, filters),
        ...formulaHead(201, 1, filters.reduce((sum, count) => sum + count, 0), channels),
      ];
      assert.deepEqual(model.parameters.map((spec) => spec.shape), parameters.map((t) => t.shape));
      const before = model.state.map((spec) => tf.zeros([lanes, ...spec.shape]));
      const inputs = formulaTensor([lanes, inputFrames, height, width, channels], 210, 1);
      // What is to be predicted is not read.
      const window = tf.tidy(() =>
        tf.concat([inputs, tf.fill([lanes, outputFrames, height, width, channels], NaN)], 1)
      );
      const run = compile("forecast", ([window, ...tensors]) => {
        const values = tensors.slice(0, parameters.length);
        const state = tensors.slice(parameters.length);
        const output = model.apply(values, state, evaluationInputs(window));
        const scalar = (...values: Tensor[]) => {
          const { predictions } = model.apply(values, state, evaluationInputs(window));
          return tf.sum(tf.mul(predictions, formulaTensor(predictions.shape, 220, 1))) as tf.Scalar;
        };
        return [output.predictions, ...output.state, ...tf.grads(scalar)(values)];
      });
      const results = await run([window, ...parameters, ...before]);
      [predictions, ...state, ...gradients].forEach((expected, index) =>
        assertClose(results[index].dataSync(), numbers(expected), `${what}, ${index}`, tolerance)
      );
      assert.equal(results.length, 1 + state.length + gradients.length);
      tf.dispose([window, inputs, parameters, before, results]);
      run.dispose();
    }
  },
);

testOnEachEngine(
  "encoderForecaster's targets follow its inputs, and persistence repeats the last of them",
  async (compile) => {
    const model = encoderForecaster({
      frameShape: [2, 3, 1],
      filters: [2],
      kernelSize: 3,
      inputFrames: 2,
      outputFrames: 3,
    });
    const cut = compile("cut", ([window]) => [model.targets(window), model.persistence!(window)]);
    const window = formulaTensor([2, 5, 2, 3, 1], 1, 1);
    const [targets, persistence] = await cut([window]);
    const values = window.dataSync();
    const frameOf = (lane: number, frame: number) => {
      const start = (lane * 5 + frame) * 6;
      return [...values.slice(start, start + 6)];
    };
    const expected = (frames: number[]) =>
      [0, 1].flatMap((lane) => frames.flatMap((frame) => frameOf(lane, frame)));
    assert.deepEqual(targets.shape, [2, 3, 2, 3, 1]);
    assert.deepEqual(persistence.shape, [2, 3, 2, 3, 1]);
    assert.deepEqual([...targets.dataSync()], expected([2, 3, 4]));
    assert.deepEqual([...persistence.dataSync()], expected([1, 1, 1]));
    tf.dispose([window, targets, persistence]);
    cut.dispose();
  },
);

Deno.test("encoderForecaster: every window is an example of its own", () => {
  const model = encoderForecaster({
    frameShape: [6, 5, 1],
    filters: [3, 4],
    kernelSize: 3,
    inputFrames: 10,
    outputFrames: 8,
  });
  assert.deepEqual(model.window, { frames: 18, advance: 18, predictions: 8, carriesState: false });
  assert.deepEqual(model.parameters.map(({ name }) => name), [
    ...["layer0/kernel", "layer0/recurrentKernel", "layer0/bias"].map((name) => `encoder/${name}`),
    ...["layer1/kernel", "layer1/recurrentKernel", "layer1/bias"].map((name) => `encoder/${name}`),
    // The forecaster's bottom layer runs on the encoder's state alone.
    ...["layer0/recurrentKernel", "layer0/bias"].map((name) => `forecaster/${name}`),
    ...["layer1/kernel", "layer1/recurrentKernel", "layer1/bias"].map((name) =>
      `forecaster/${name}`
    ),
    "head/kernel",
    "head/bias",
  ]);
});
