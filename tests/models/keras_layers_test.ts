import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import { layerKinds } from "../../models/keras/layer_kinds.ts";
import { layerSupport } from "../../models/keras/layer_support.ts";
import { testOnEngines } from "../worker/small_run.ts";
import {
  caseLanes,
  caseWindows,
  classesIn,
  fixture,
  floats,
  openCase,
  wave,
  weightTensors,
} from "./keras_layers.ts";
import { layersTable } from "./layers_table.ts";

const { cases } = fixture;

/** Largest absolute difference of an answer, and the relative one of a gradient by its norm. */
const answerTolerance = 1e-5;
const gradientTolerance = 1e-4;

testOnEngines(
  "every class of layers answers as Keras does, its state carried and its steps masked, with Keras' " +
    "gradient",
  async (open) => {
    const engine = await open(1);
    const wrong: string[] = [];
    for (const each of cases) {
      const opened = openCase(each);
      const { layer, names } = opened;
      const run = engine.compile("layer", ([window, ...rest]) => {
        const weights = rest.slice(0, layer.weights.length);
        const state = rest.slice(weights.length);
        const answer = layer.apply([{ tensor: window }], { weights, state, training: false });
        return [answer.values[0].tensor, ...answer.state].map((tensor) => tf.clone(tensor));
      });
      const trained = layer.weights.flatMap(({ isTrained }, index) => isTrained ? [index] : []);
      const gradient = engine.compile("gradient", ([window, cotangent, ...rest]) => {
        const weights = rest.slice(0, layer.weights.length);
        const state = rest.slice(weights.length);
        const loss = (...own: Tensor[]) => {
          const changed = [...weights];
          trained.forEach((index, at) => changed[index] = own[at]);
          const call = { weights: changed, state, training: true };
          const { values: [{ tensor }] } = layer.apply([{ tensor: own.at(-1)! }], call);
          return tf.sum(tf.mul(tensor, cotangent)) as tf.Scalar;
        };
        return tf.grads(loss)([...trained.map((index) => weights[index]), window]);
      });
      const windows = caseWindows(each).map((values) =>
        tf.tensor(values, [caseLanes, ...each.input])
      );
      const weights = weightTensors(opened);
      let state: Tensor[] = layer.state.map(({ shape }) => tf.zeros([caseLanes, ...shape]));
      const expected = floats(each.outputs);
      const size = caseLanes * each.output.reduce((product, side) => product * side, 1);
      const differences: number[] = [];
      let before = state;
      for (const [index, window] of windows.entries()) {
        before = state;
        const [answer, ...after] = await run([window, ...weights, ...state]);
        state = after;
        assert.deepEqual(answer.shape, [caseLanes, ...each.output], each.name);
        assert.deepEqual(layer.outputs[0].shape, each.output, each.name);
        const at = expected.length === size ? index - 1 : index;
        if (at >= 0) {
          const found = answer.dataSync();
          differences.push(
            Math.max(...found.map((value, i) => Math.abs(value - expected[at * size + i]))),
          );
        }
        answer.dispose();
        if (index === 0) tf.dispose(before);
      }
      const cotangent = tf.tensor(wave(size, 0.25), [caseLanes, ...each.output]);
      const found = await gradient([windows[1], cotangent, ...weights, ...before]);
      const names_ = trained.map((index) => names[index]);
      const order = [...each.trained.map((name) => names_.indexOf(name)), trained.length];
      assert.equal(order.length, found.length, `${each.name}: number of trained weights`);
      const flat = order.flatMap((index) => [...found[index].dataSync()]);
      const wanted = floats(each.gradient);
      assert.equal(flat.length, wanted.length, each.name);
      const off = Math.hypot(...flat.map((value, i) => value - wanted[i]));
      const relative = off / Math.hypot(...wanted);
      const largest = Math.max(...differences);
      if (!(largest <= answerTolerance) || !(relative <= gradientTolerance)) {
        wrong.push(`${each.name}: answers differ by ${largest}, the gradient by ${relative}`);
      }
      tf.dispose([windows, weights, state, before, cotangent, found]);
      run.dispose();
      gradient.dispose();
    }
    assert.deepEqual(wrong, []);
  },
);

Deno.test("the table of layers is of the classes that are computed, each compared with Keras", () => {
  assert.deepEqual(Object.keys(layerSupport).sort(), Object.keys(layerKinds).sort());
  const spoken = cases.map(({ name, columns, topology }) => ({
    name,
    columns,
    classes: classesIn(topology.model_config),
  }));
  for (const [kind, { state, mask }] of Object.entries(layerSupport)) {
    // The word of Keras 2.4 and before for what is now Functional.
    if (kind === "Model") continue;
    const of = spoken.filter(({ classes }) => classes.some((each) => each.kind === kind));
    assert.ok(of.length > 0, `no case of ${kind}`);
    const carried = of.some(({ columns }) => columns.includes("state"));
    if (state === "carried") assert.ok(carried, `no case of ${kind} that carries its state`);
    const isCompared = ["used", "passed on", "dropped"].includes(mask);
    const masked = of.some(({ columns }) => columns.includes("mask"));
    if (isCompared) assert.ok(masked, `no case of ${kind} with masked steps`);
  }
});

Deno.test("docs/layers.md is the table that the program has", async () => {
  const file = new URL("../../docs/layers.md", import.meta.url);
  // `deno fmt` aligns the columns.
  const plain = (text: string) => text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ");
  assert.equal(
    plain(await Deno.readTextFile(file)),
    plain(layersTable()),
    "run `deno run -A tests/models/write_layers_table.ts && deno fmt`",
  );
});
