import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { evaluationInputs } from "./evaluation_inputs.ts";
import {
  formulaHead,
  formulaStack,
  formulaState,
  formulaTensor,
  numbers,
  stacks,
} from "./keras_fixture.ts";

const exact = { relative: 0, floor: 0 };

/** Frames [lanes, frames + 1, ...] whose first ones are the fixture's; the last is only a target. */
function windowOf(inputs: Tensor): Tensor {
  const [lanes, , ...frame] = inputs.shape;
  return tf.tidy(() => tf.concat([inputs, tf.zeros([lanes, 1, ...frame])], 1));
}

testOnEachEngine(
  "convLstm computes what Keras' stacked layers compute",
  async (compile, tolerance) => {
    for (const { shape, predictions, state, gradients } of stacks) {
      const { lanes, frames, height, width, channels, filters, kernelSize, headKernelSize } = shape;
      const model = convLstm({
        frameShape: [height, width, channels],
        filters,
        kernelSize,
        headKernelSize,
        windowFrames: frames,
      });
      const what = JSON.stringify(shape);
      const parameters = [
        ...formulaStack(1, kernelSize, channels, filters),
        ...formulaHead(50, headKernelSize, filters[filters.length - 1], channels),
      ];
      assert.deepEqual(model.parameters.map((spec) => spec.shape), parameters.map((t) => t.shape));
      const initial = formulaState(70, lanes, height, width, filters);
      assert.deepEqual(
        model.state.map((spec) => [lanes, ...spec.shape]),
        initial.map((tensor) => tensor.shape),
      );
      const inputs = formulaTensor([lanes, frames, height, width, channels], 60, 1);
      const window = windowOf(inputs);
      const run = compile("convlstm", ([window, ...tensors]) => {
        const values = tensors.slice(0, parameters.length);
        const before = tensors.slice(parameters.length);
        const output = model.apply(values, before, evaluationInputs(window));
        const scalar = (...values: Tensor[]) => {
          const { predictions } = model.apply(values, before, evaluationInputs(window));
          return tf.sum(tf.mul(predictions, formulaTensor(predictions.shape, 80, 1))) as tf.Scalar;
        };
        return [output.predictions, ...output.state, ...tf.grads(scalar)(values)];
      });
      const results = await run([window, ...parameters, ...initial]);
      [predictions, ...state, ...gradients].forEach((expected, index) =>
        assertClose(results[index].dataSync(), numbers(expected), `${what}, ${index}`, tolerance)
      );
      assert.equal(results.length, 1 + state.length + gradients.length);
      tf.dispose([window, inputs, parameters, initial, results]);
      run.dispose();
    }
  },
);

testOnEachEngine("convLstm never sees the frame that it predicts last", async (compile) => {
  const model = convLstm({ frameShape: [3, 4, 1], filters: [2], kernelSize: 3, windowFrames: 3 });
  const run = compile("convlstm", ([window, ...tensors]) => {
    const { predictions, state } = model.apply(
      tensors.slice(0, 5),
      tensors.slice(5),
      evaluationInputs(window),
    );
    return [predictions, ...state];
  });
  const tensors = [
    ...formulaStack(1, 3, 1, [2]),
    ...formulaHead(50, 1, 2, 1),
    ...formulaState(70, 2, 3, 4, [2]),
  ];
  const inputs = formulaTensor([2, 3, 3, 4, 1], 60, 1);
  const windows = [
    windowOf(inputs),
    tf.tidy(() => tf.concat([inputs, tf.ones([2, 1, 3, 4, 1])], 1)),
  ];
  const [first, second] = [
    await run([windows[0], ...tensors]),
    await run([windows[1], ...tensors]),
  ];
  first.forEach((tensor, index) =>
    assertClose(second[index].dataSync(), tensor.dataSync(), `${index}`, exact)
  );
  tf.dispose([inputs, windows, tensors, first, second]);
  run.dispose();
});

testOnEachEngine(
  "convLstm's targets are the frames after its inputs, and persistence the inputs themselves",
  async (compile) => {
    const model = convLstm({ frameShape: [2, 3, 2], filters: [2], kernelSize: 3, windowFrames: 4 });
    const cut = compile("cut", ([window]) => [model.targets(window), model.persistence!(window)]);
    const window = formulaTensor([3, 5, 2, 3, 2], 1, 1);
    const [targets, persistence] = await cut([window]);
    const values = window.dataSync();
    const frame = 12;
    const rows = (first: number) =>
      [0, 1, 2].flatMap((lane) => {
        const start = (lane * 5 + first) * frame;
        return [...values.slice(start, start + 4 * frame)];
      });
    assert.deepEqual(targets.shape, [3, 4, 2, 3, 2]);
    assertClose(targets.dataSync(), rows(1), "targets", exact);
    assertClose(persistence.dataSync(), rows(0), "persistence", exact);
    tf.dispose([window, targets, persistence]);
    cut.dispose();
  },
);

Deno.test("convLstm names its parameters and states in one fixed order", () => {
  const model = convLstm({
    frameShape: [6, 5, 2],
    filters: [3, 4],
    kernelSize: 5,
    windowFrames: 10,
  });
  assert.deepEqual(model.parameters, [
    { name: "layer0/kernel", shape: [5, 5, 2, 12] },
    { name: "layer0/recurrentKernel", shape: [5, 5, 3, 12] },
    { name: "layer0/bias", shape: [12] },
    { name: "layer1/kernel", shape: [5, 5, 3, 16] },
    { name: "layer1/recurrentKernel", shape: [5, 5, 4, 16] },
    { name: "layer1/bias", shape: [16] },
    { name: "head/kernel", shape: [1, 1, 4, 2] },
    { name: "head/bias", shape: [2] },
  ]);
  assert.deepEqual(model.state, [
    { name: "layer0/hidden", shape: [6, 5, 3] },
    { name: "layer0/cell", shape: [6, 5, 3] },
    { name: "layer1/hidden", shape: [6, 5, 4] },
    { name: "layer1/cell", shape: [6, 5, 4] },
  ]);
  assert.deepEqual(model.window, { frames: 11, advance: 10, predictions: 10, carriesState: true });
});
