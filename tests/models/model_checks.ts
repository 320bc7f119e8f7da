/** What models have in common: a number of parameters, and a state that is carried. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Model } from "../../models/model.ts";
import { random } from "../../net/random.ts";
import { testOnEachEngine } from "./each_engine.ts";

export function parameterCount(model: Model): number {
  return model.parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((size, side) => size * side, 1),
    0,
  );
}

/** What this parameter begins with. */
export function firstValues(model: Model, parameter: string): Float32Array {
  const index = model.parameters.findIndex(({ name }) => name === parameter);
  assert.ok(index >= 0, parameter);
  return model.initialize(3)[index];
}

const LANES = 2;

/** Numbers in [0, 1), the same at every call. */
function uniform(name: string, shape: readonly number[]): Tensor {
  const stream = random(7, "model checks", name);
  const size = shape.reduce((product, side) => product * side, 1);
  return tf.tensor(Float32Array.from({ length: size }, () => stream.uniform()), [...shape]);
}

/** Parameters, state, frames and noise for two lanes. */
function modelInputs(model: Model) {
  const parameters = model.initialize(3).map((values, index) => {
    const { shape, name } = model.parameters[index];
    assert.equal(values.length, shape.reduce((size, side) => size * side, 1), name);
    return tf.tensor(values, [...shape]);
  });
  const state = model.state.map(({ name, shape }) =>
    tf.tidy(() => tf.sub(uniform(name, [LANES, ...shape]), 0.5) as Tensor)
  );
  const frames = uniform("frames", [LANES, model.window.frames, ...model.frameShape]);
  const noise = (model.noise ?? []).map(({ name, shape }) => uniform(name, [LANES, ...shape]));
  return { parameters, state, frames, noise };
}

/** Of a model that carries its state: windows of `short` in turn are one window of `long`. */
export function testCarriedState(
  name: string,
  short: Model,
  long: Model,
): void {
  testOnEachEngine(`${name}: window by window is the whole sequence at once`, async (compile) => {
    const { parameters, state, frames, noise } = modelInputs(long);
    const runs = [short, long].map((model, index) =>
      compile(`${name} ${index}`, (tensors) => {
        const values = tensors.slice(0, parameters.length);
        const before = tensors.slice(parameters.length, parameters.length + state.length);
        const [window, ...ofNoise] = tensors.slice(parameters.length + state.length);
        const output = model.apply(values, before, {
          frames: window,
          noise: ofNoise,
          training: false,
        });
        return [output.predictions, ...output.state];
      })
    );
    const whole = await runs[1]([...parameters, ...state, frames, ...noise]);
    let current = state.map((tensor) => tf.clone(tensor));
    const parts: Tensor[] = [];
    for (let start = 0; start < long.window.advance; start += short.window.advance) {
      const sides = long.frameShape;
      const window = tf.slice(frames, [0, start, 0, 0, 0], [LANES, short.window.frames, ...sides]);
      const ofNoise = noise.map((tensor) =>
        tf.slice(tensor, [0, start], [LANES, short.window.advance])
      );
      const [predictions, ...after] = await runs[0]([
        ...parameters,
        ...current,
        window,
        ...ofNoise,
      ]);
      tf.dispose([current, window, ofNoise]);
      parts.push(predictions);
      current = after;
    }
    const found = [tf.concat(parts, 1), ...current];
    found.forEach((tensor, index) =>
      assert.deepEqual(tensor.dataSync(), whole[index].dataSync(), `output ${index}`)
    );
    tf.dispose([parameters, state, frames, noise, whole, parts, found]);
    runs.forEach((run) => run.dispose());
  });
}
