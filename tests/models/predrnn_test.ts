import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Model, ModelOutput } from "../../models/model.ts";
import { predRnn } from "../../models/predrnn.ts";
import { random } from "../../net/random.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { parameterCount, testCarriedState } from "./model_checks.ts";

const small = {
  frameShape: [4, 6, 1],
  layers: 2,
  filters: 3,
  kernelSize: 3,
  patch: 2,
  hasBias: false,
  windowFrames: 2,
  inputFrames: 2,
  outputFrames: 2,
} as const;

Deno.test("predRnn of 4 layers of 128 has the published 23.8 million parameters", () => {
  const model = predRnn({
    ...small,
    frameShape: [64, 64, 1],
    mode: "forecast",
    layers: 4,
    filters: 128,
    kernelSize: 5,
    patch: 4,
  });
  assert.equal(parameterCount(model), 23_838_720);
});

testCarriedState(
  "predRnn",
  predRnn({ ...small, mode: "next-frame" }),
  predRnn({ ...small, mode: "next-frame", windowFrames: 4 }),
);

const forecast = { ...small, mode: "forecast", inputFrames: 3, outputFrames: 3 } as const;
const published = { ...forecast, lossFrames: "all", truthSteps: 10, isBothWays: true } as const;
const [lanes, frames] = [2, 6];

function frameTensor(): Tensor {
  const stream = random(7, "frames");
  const values = Float32Array.from({ length: lanes * frames * 24 }, () => stream.uniform());
  return tf.tensor(values, [lanes, frames, ...small.frameShape]);
}

/** Op by op. */
function applied(
  model: Model,
  window: Tensor,
  training: boolean,
  coins?: readonly number[],
): ModelOutput {
  const parameters = model.initialize(3).map((values, index) =>
    tf.tensor(values, [...model.parameters[index].shape])
  );
  const state = model.state.map(({ shape }) => tf.zeros([lanes, ...shape]));
  const noise = coins ? [tf.tensor(coins.flat(), [lanes, 2])] : [];
  return model.apply(parameters, state, { frames: window, noise, training });
}

testOnEachEngine(
  "predRnn predicts and is evaluated on its own predictions alone",
  (_, tolerance) => {
    tf.tidy(() => {
      const window = frameTensor();
      const expected = applied(predRnn(forecast), window, false);
      const found = applied(predRnn(published), window, false, [1, 1, 1, 1]);
      assert.equal(found.besides, undefined);
      assertClose(found.predictions.dataSync(), expected.predictions.dataSync(), "", tolerance);
    });
    return Promise.resolve();
  },
);

testOnEachEngine("predRnn trained with each next frame sees the true ones that its coins say", (
  _,
  tolerance,
) => {
  tf.tidy(() => {
    const window = frameTensor();
    const close = (found: Tensor, expected: Tensor, what: string) =>
      assertClose(found.dataSync(), expected.dataSync(), what, tolerance);
    // What reads true frames alone predicts each of them.
    const allTrue =
      applied(predRnn({ ...small, mode: "next-frame", windowFrames: 5 }), window, true)
        .predictions;
    const own = applied(predRnn(forecast), window, true).predictions;
    const model = predRnn({ ...forecast, lossFrames: "all", truthSteps: 10 });
    const part = (tensor: Tensor, lane: number, first: number, count: number) =>
      tf.slice(tensor, [lane, first, 0, 0, 0], [1, count, -1, -1, -1]);
    const { predictions, besides } = applied(model, window, true, [1, 1, 0, 0]);
    close(besides!.predictions, tf.slice(allTrue, [0, 0], [lanes, 2]), "while it reads");
    close(besides!.targets, tf.slice(window, [0, 1], [lanes, 2]), "their targets");
    close(part(predictions, 0, 0, 3), part(allTrue, 0, 2, 3), "the lane of true frames");
    close(part(predictions, 1, 0, 3), part(own, 1, 0, 3), "the lane of own predictions");
    const mixed = applied(model, window, true, [1, 0, 1, 0]).predictions;
    close(part(mixed, 0, 1, 1), part(allTrue, 0, 3, 1), "after a true frame");
    assert.notDeepEqual(part(mixed, 0, 2, 1).dataSync(), part(allTrue, 0, 4, 1).dataSync());
  });
  return Promise.resolve();
});

testOnEachEngine("predRnn trained both ways also learns the window backwards", (_, tolerance) => {
  tf.tidy(() => {
    const window = frameTensor();
    const close = (found: Tensor, expected: Tensor, what: string) =>
      assertClose(found.dataSync(), expected.dataSync(), what, tolerance);
    const coins = [1, 0, 0, 1];
    const oneWay = predRnn({ ...published, isBothWays: false });
    const forwards = applied(oneWay, window, true, coins);
    const flipped = tf.reverse(window, 1);
    const backwards = applied(oneWay, flipped, true, coins);
    const both = applied(predRnn(published), window, true, coins);
    close(both.predictions, forwards.predictions, "forwards");
    const all = [forwards.besides!, {
      predictions: tf.concat([backwards.besides!.predictions, backwards.predictions], 1),
      targets: tf.slice(flipped, [0, 1], [lanes, 5]),
    }];
    close(both.besides!.predictions, tf.concat(all.map((each) => each.predictions), 1), "besides");
    close(both.besides!.targets, tf.concat(all.map((each) => each.targets), 1), "their targets");
  });
  return Promise.resolve();
});

Deno.test("predRnn lets the chance of a true frame fall to 0, and refuses it without a forecast", () => {
  const [truth] = predRnn({ ...published, truthSteps: 50_000 }).noise!;
  assert.ok(truth.distribution === "coin");
  assert.deepEqual([1, 25_000, 50_000, 80_000].map(truth.chance), [1 - 2e-5, 0.5, 0, 0]);
  assert.equal(predRnn(forecast).noise, undefined);
  assert.throws(() => predRnn({ ...published, mode: "next-frame" }), RangeError);
});
