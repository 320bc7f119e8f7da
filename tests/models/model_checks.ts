/** What every model must hold, whatever it computes: checked on a small one of its kind. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Model } from "../../models/model.ts";
import { lossSum } from "../../models/losses.ts";
import { random } from "../../net/random.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";

export function parameterCount(model: Model): number {
  return model.parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((size, side) => size * side, 1),
    0,
  );
}

const LANES = 2;

/** Numbers in [0, 1), the same at every call. */
function uniform(name: string, shape: readonly number[]): Tensor {
  const stream = random(7, "model checks", name);
  const size = shape.reduce((product, side) => product * side, 1);
  return tf.tensor(Float32Array.from({ length: size }, () => stream.uniform()), [...shape]);
}

/** One-hot answers over the last axis. */
function oneHot(name: string, shape: readonly number[]): Tensor {
  const classes = shape[shape.length - 1];
  const stream = random(7, "model checks", name);
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
  for (let start = 0; start < values.length; start += classes) {
    values[start + Math.floor(stream.uniform() * classes)] = 1;
  }
  return tf.tensor(values, [...shape]);
}

/** Parameters, state, frames, noise and answers for two lanes; parameters a little off their start. */
function modelInputs(model: Model, targetShape?: readonly number[]) {
  const parameters = model.initialize(3).map((values, index) => {
    const { shape, name } = model.parameters[index];
    assert.equal(values.length, shape.reduce((size, side) => size * side, 1), name);
    // Biases begin at zero, where several gradients vanish or jump.
    return tf.tidy(() =>
      tf.add(tf.tensor(values, [...shape]), tf.mul(tf.sub(uniform(name, shape), 0.4), 0.1))
    );
  });
  const state = model.state.map(({ name, shape }) =>
    tf.tidy(() => tf.sub(uniform(name, [LANES, ...shape]), 0.5) as Tensor)
  );
  const frames = uniform("frames", [LANES, model.window.frames, ...model.frameShape]);
  const noise = (model.noise ?? []).map(({ name, shape }) => uniform(name, [LANES, ...shape]));
  const given = targetShape
    ? [oneHot("answers", [LANES, model.window.frames, ...targetShape])]
    : [];
  return { parameters, state, frames, noise, given };
}

/** A function of all of `modelInputs`, in that order: predictions, state, then loss and gradients. */
function withGradients(model: Model) {
  const split = (tensors: readonly Tensor[]) => {
    const rest = [...tensors];
    const take = (count: number) => rest.splice(0, count);
    return {
      parameters: take(model.parameters.length),
      state: take(model.state.length),
      frames: rest.shift()!,
      noise: take(model.noise?.length ?? 0),
      given: rest.shift(),
    };
  };
  return (tensors: Tensor[]): Tensor[] => {
    const { parameters, state, frames, noise, given } = split(tensors);
    const inputs = { frames, noise, training: true };
    const targets = model.targets(frames, given);
    const loss = (...values: Tensor[]) => {
      const { predictions, penalty } = model.apply(values, state, inputs);
      const weights = tf.ones(predictions.shape.slice(0, 2));
      return lossSum(model.loss ?? "mse", predictions, targets, weights, penalty) as tf.Scalar;
    };
    const output = model.apply(parameters, state, inputs);
    const { value, grads } = tf.valueAndGrads(loss)(parameters);
    return [output.predictions, ...output.state, value, ...grads];
  };
}

/**
 * On each engine: shapes as declared; the same bits traced as op by op; gradients that a step along
 * them confirms, none of them zero; no tensor left over.
 */
export function testModel(name: string, model: Model, targetShape?: readonly number[]): void {
  const opByOp = new Map<string, ArrayLike<number>[]>();
  testOnEachEngine(`${name}: shapes, bits and gradients`, async (compile) => {
    const { parameters, state, frames, noise, given } = modelInputs(model, targetShape);
    const others = [...state, frames, ...noise, ...given];
    const run = compile(name, withGradients(model));
    const results = await run([...parameters, ...others]);
    const [predictions, ...rest] = results;
    const newState = rest.slice(0, state.length);
    const gradients = rest.slice(state.length + 1);
    assert.deepEqual(predictions.shape, [LANES, model.window.predictions, ...model.outputShape]);
    assert.deepEqual(newState.map(({ shape }) => shape), state.map(({ shape }) => shape));
    assert.deepEqual(gradients.map(({ shape }) => shape), parameters.map(({ shape }) => shape));
    const found = results.map((result) => result.dataSync());
    const before = opByOp.get(tf.getBackend());
    if (before) assert.deepEqual(found, before, "other bits when traced");
    opByOp.set(tf.getBackend(), found);
    assert.ok(found.every((values) => values.every(Number.isFinite)), "not finite");

    let slope = 0;
    const values = found.slice(-gradients.length);
    values.forEach((gradient, index) => {
      assert.ok(
        gradient.some((value) => value !== 0),
        `no gradient at ${model.parameters[index].name}`,
      );
      for (const value of gradient) slope += value ** 2;
    });
    // Along the gradient the loss rises by its squared length.
    const step = 2e-3 / Math.sqrt(slope);
    const losses: number[] = [];
    for (const sign of [1, -1]) {
      const moved = parameters.map((parameter, index) =>
        tf.tidy(() => tf.add(parameter, tf.mul(gradients[index], sign * step)))
      );
      const there = await run([...moved, ...others]);
      losses.push(there[1 + state.length].dataSync()[0]);
      tf.dispose([moved, there]);
    }
    const rise = (losses[0] - losses[1]) / (2 * step);
    // The loss is a float32 of some hundred: this much is lost in the difference of two.
    const floor = 4 * Math.abs(losses[0]) * 2 ** -24 / step;
    assertClose([rise], [slope], "slope along the gradient", { relative: 0.01, floor });
    tf.dispose([parameters, others, results]);
    run.dispose();
  });
}

/** Of a model that carries its state: windows of `short` in turn are one window of `long`. */
export function testCarriedState(
  name: string,
  short: Model,
  long: Model,
  targetShape?: readonly number[],
): void {
  testOnEachEngine(`${name}: window by window is the whole sequence at once`, async (compile) => {
    const { parameters, state, frames, noise, given } = modelInputs(long, targetShape);
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
    tf.dispose([parameters, state, frames, noise, given, whole, parts, found]);
    runs.forEach((run) => run.dispose());
  });
}
