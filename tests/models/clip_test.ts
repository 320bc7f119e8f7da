import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { clipByGlobalNorm } from "../../models/clip.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";

testOnEachEngine(
  "clipByGlobalNorm scales to the norm and leaves what is below it",
  async (compile) => {
    const clipped = compile("clip", ([gradient]) => [clipByGlobalNorm(gradient, 0.7)]);
    const clip = async (values: number[]) => {
      const input = tf.tensor1d(values);
      const [output] = await clipped([input]);
      const result = output.dataSync() as Float32Array;
      tf.dispose([input, output]);
      return [...result];
    };
    assertClose(await clip([3, 0, -4]), [0.42, 0, -0.56], "above", { relative: 1e-6 });
    for (const below of [[0.1, -0.3, 0.6], [0, 0, 0], [1e-30, 0, 0]]) {
      assert.deepEqual(await clip(below), [...Float32Array.from(below)], "not the same bits");
    }
    // What is not finite must stay visible, so that the caller can refuse the step.
    assert.ok((await clip([1, NaN, 0])).every(Number.isNaN));
    assert.ok((await clip([1, Infinity, 0])).some(Number.isNaN));
    clipped.dispose();
  },
);
