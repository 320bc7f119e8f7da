import assert from "node:assert/strict";
import { buildModel } from "../../models/build_model.ts";
import { glorotUniform, orthogonal } from "../../models/initializers.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { random } from "../../net/random.ts";

Deno.test("glorotUniform is uniform within Glorot's limit, fans counted over the receptive field", () => {
  const kernels: { shape: number[]; fans: number }[] = [
    { shape: [3, 3, 16, 64], fans: 9 * (16 + 64) },
    { shape: [1, 1, 100, 50], fans: 150 },
    { shape: [200, 100], fans: 300 },
  ];
  for (const { shape, fans } of kernels) {
    const limit = Math.sqrt(6 / fans);
    const values = glorotUniform(shape, random("glorot", ...shape));
    assert.equal(values.length, shape.reduce((product, side) => product * side, 1));
    assert.ok(values.every((value) => Math.abs(value) <= limit));
    // A uniform distribution has mean 0 and variance limit² / 3.
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    assert.ok(Math.abs(mean) < 0.05 * limit, `mean ${mean}`);
    assert.ok(Math.abs(variance / (limit ** 2 / 3) - 1) < 0.05, `variance ${variance}`);
    assert.ok(Math.max(...values) > 0.99 * limit && Math.min(...values) < -0.99 * limit);
  }
});

Deno.test("orthogonal has orthonormal columns, or rows where it is wider than tall", () => {
  for (const shape of [[3, 3, 4, 16], [1, 1, 4, 16], [5, 5, 2, 8], [8, 8], [1, 1, 1, 4]]) {
    const values = orthogonal(shape, random("orthogonal", ...shape));
    const columns = shape[shape.length - 1];
    const rows = values.length / columns;
    const [count, length] = rows >= columns ? [columns, rows] : [rows, columns];
    const at = (vector: number, index: number) =>
      rows >= columns ? values[index * columns + vector] : values[vector * columns + index];
    for (let a = 0; a < count; a++) {
      for (let b = 0; b < count; b++) {
        let product = 0;
        for (let index = 0; index < length; index++) product += at(a, index) * at(b, index);
        assert.ok(Math.abs(product - (a === b ? 1 : 0)) < 1e-6, `${shape}: ${a}, ${b}: ${product}`);
      }
    }
    // Not a fixed basis: no entry stands out.
    assert.ok(rows * columns < 16 || Math.max(...values.map(Math.abs)) < 0.99);
  }
});

Deno.test("initialize gives the same values for a seed, others for another, and Keras' biases", () => {
  for (const name of ["convlstm", "encoder-forecaster"] as const) {
    const configuration = { ...defaultRun.model, name, filters: [3, 4] };
    const model = buildModel(configuration, { frameShape: [8, 8, 1] }, 5);
    const [first, again, other] = [model.initialize(7), model.initialize(7), model.initialize(8)];
    assert.deepEqual(first, again);
    model.parameters.forEach(({ name, shape }, index) => {
      const values = first[index];
      assert.equal(values.length, shape.reduce((product, side) => product * side, 1), name);
      if (name.endsWith("/bias")) {
        // Gates i, f, c, o: ones for the forget gate, as unit_forget_bias.
        const filters = shape[0] / 4;
        const expected = [...values].map((_, gate) =>
          name !== "head/bias" && gate >= filters && gate < 2 * filters ? 1 : 0
        );
        assert.deepEqual([...values], expected, name);
      } else {
        assert.notDeepEqual(values, other[index], name);
        assert.ok(values.some((value) => value !== 0), name);
      }
    });
    // No two kernels of a model begin alike, also where they have one shape.
    const kernels = first.filter((_, index) => model.parameters[index].shape.length === 4);
    assert.equal(new Set(kernels.map((values) => values.slice(0, 3).join())).size, kernels.length);
  }
});
