import assert from "node:assert/strict";
import { tf } from "../../../engine/tf.ts";
import { dropout } from "../../../models/layers/dropout.ts";
import { formulaTensor } from "../keras_fixture.ts";
import { testOnEachEngine } from "../each_engine.ts";
import { testLayer } from "./layer_fixture.ts";

testLayer("dropout", ({ rate }) => ([input, uniform]) => {
  const noise = tf.add(tf.div(uniform, 1.6), 0.5);
  return [tf.add(dropout(input, noise, rate, true), tf.mul(uniform, 0))];
});

testOnEachEngine("dropout gives its input back where nothing is trained", async (compile) => {
  const input = formulaTensor([2, 3], 1, 1);
  const run = compile("dropout", ([x]) => [tf.clone(dropout(x, tf.zeros([2, 3]), 0.5, false))]);
  const results = await run([input]);
  assert.deepEqual(results[0].dataSync(), input.dataSync());
  tf.dispose([input, results]);
  run.dispose();
});
