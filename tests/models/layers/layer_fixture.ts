/** Checks a layer against the numbers of `fixtures/layers/keras.json` and `torch.json`. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../../engine/tf.ts";
import type { Layer, RecurrentLayer } from "../../../models/layers/layer.ts";
import { toLaneMajor, toTimeMajor } from "../../../models/layers/time_major.ts";
import keras from "../../fixtures/layers/keras.json" with { type: "json" };
import torch from "../../fixtures/layers/torch.json" with { type: "json" };
import { assertClose } from "../close_to.ts";
import { testOnEachEngine } from "../each_engine.ts";
import { formulaTensor, numbers } from "../keras_fixture.ts";

interface Case {
  readonly layer: string;
  // deno-lint-ignore no-explicit-any
  readonly options: any;
  /** Shape, seed and scale of each. */
  readonly tensors: readonly (readonly [readonly number[], number, number])[];
  readonly outputs: readonly string[];
  readonly gradients: readonly string[];
}

const cases = [...keras.cases, ...torch.cases] as unknown as Case[];

/** A layer of the case's options, as a function of all the tensors of the case. */
export type BuildLayer = (
  // deno-lint-ignore no-explicit-any
  options: any,
  shapes: readonly (readonly number[])[],
) => (tensors: Tensor[]) => Tensor[];

/** Outputs and the gradients at all tensors, on each engine; op by op and traced the same bits. */
export function testLayer(name: string, build: BuildLayer): void {
  const own = cases.filter(({ layer }) => layer === name);
  assert.ok(own.length > 0, `no case of ${name}`);
  const opByOp = new Map<string, ArrayLike<number>[]>();
  testOnEachEngine(`${name} and its gradients`, async (compile, tolerance) => {
    for (const [index, { options, tensors: specs, outputs, gradients }] of own.entries()) {
      const what = `case ${index}, ${JSON.stringify(options)}`;
      const layer = build(options, specs.map(([shape]) => shape));
      const run = compile(name, (tensors) => {
        const scalar = (...values: Tensor[]) =>
          tf.addN(
            layer(values).map((output, i) =>
              tf.sum(tf.mul(output, formulaTensor(output.shape, 30 + i, 1)))
            ),
          ) as tf.Scalar;
        return [...layer(tensors), ...tf.grads(scalar)(tensors)];
      });
      const inputs = specs.map((spec) => formulaTensor(...spec));
      const results = await run(inputs);
      const found = results.map((result) => result.dataSync());
      [...outputs, ...gradients].forEach((expected, i) =>
        assertClose(found[i], numbers(expected), `${what}, ${i}`, tolerance)
      );
      assert.equal(found.length, outputs.length + gradients.length);
      const key = `${tf.getBackend()} ${index}`;
      const before = opByOp.get(key);
      if (before) assert.deepEqual(found, before, `${what}: other bits when traced`);
      opByOp.set(key, found);
      tf.dispose([inputs, results]);
      run.dispose();
    }
  });
}

/** Weights, then the input. */
export function feedForward(
  // deno-lint-ignore no-explicit-any
  build: (options: any, shapes: readonly (readonly number[])[]) => Layer,
): BuildLayer {
  return (options, shapes) => {
    const layer = build(options, shapes);
    assert.deepEqual(layer.parameters.map(({ shape }) => shape), shapes.slice(0, -1));
    return (tensors) => [layer.apply(tensors.slice(0, -1), tensors[tensors.length - 1])];
  };
}

/** Weights, then inputs [lanes, frames, ...], then as many states as the layer has. */
export function recurrent(
  // deno-lint-ignore no-explicit-any
  build: (options: any, inputSides: readonly number[], units: number) => RecurrentLayer,
): BuildLayer {
  return (options, shapes) => {
    // The only one with an axis for frames beside that of lanes: one more than the states behind it.
    const axes = shapes[shapes.length - 1].length + 1;
    const at = shapes.findLastIndex((shape) => shape.length === axes);
    const [lanes, frames, ...inputSides] = shapes[at];
    const layer = build(options, inputSides, shapes[at + 1].at(-1)!);
    assert.deepEqual(layer.parameters.map(({ shape }) => shape), shapes.slice(0, at));
    const states = layer.state.map(({ shape }) => [lanes, ...shape]);
    assert.deepEqual(states, shapes.slice(at + 1));
    return (tensors) => {
      const inputs = toTimeMajor(tensors[at]);
      const { outputs, state } = layer.apply(
        tensors.slice(0, at),
        tensors.slice(at + 1),
        inputs,
        frames,
      );
      return [toLaneMajor(outputs, lanes), ...state];
    };
  };
}
