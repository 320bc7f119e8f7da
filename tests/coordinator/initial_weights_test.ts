import assert from "node:assert/strict";
import { matchInitialWeights } from "../../coordinator/initial_weights.ts";

const parameters = [
  { name: "layer0/kernel", shape: [2, 2] },
  { name: "layer0/bias", shape: [2] },
  { name: "head/kernel", shape: [3] },
];
const array = (name: string, shape: number[], first: number) => ({
  name,
  shape,
  values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => first + i),
});

Deno.test("matchInitialWeights() takes what has the same name, in the network's order", () => {
  const { flat, sentence } = matchInitialWeights(parameters, [
    array("head/kernel", [3], 20),
    array("layer0/bias", [2], 10),
    array("layer0/kernel", [2, 2], 1),
  ], "w.safetensors");
  assert.deepEqual([...flat], [1, 2, 3, 4, 10, 11, 20, 21, 22]);
  assert.equal(sentence, "Begins with 3 of 3 weights of w.safetensors");
});

Deno.test("matchInitialWeights() says what is drawn anew and what is left over", () => {
  const { flat, sentence } = matchInitialWeights(parameters, [
    array("layer0/bias", [2], 10),
    array("old/kernel", [9], 0),
  ], "w");
  assert.deepEqual([...flat], [NaN, NaN, NaN, NaN, 10, 11, NaN, NaN, NaN]);
  assert.equal(
    sentence,
    "Begins with 1 of 3 weights of w; drawn anew: layer0/kernel, head/kernel; left over: old/kernel",
  );
});

Deno.test("matchInitialWeights() refuses another shape and another network", () => {
  assert.throws(() => matchInitialWeights(parameters, [array("layer0/bias", [3], 0)], "w"), {
    name: "RangeError",
    message: /"layer0\/bias" has shape \[3\] there and \[2\] in this network/,
  });
  // As many values, in another shape.
  assert.throws(() => matchInitialWeights(parameters, [array("layer0/kernel", [4], 0)], "w"), {
    message: /"layer0\/kernel" has shape \[4\] there and \[2,2\] in this network/,
  });
  assert.throws(() => matchInitialWeights(parameters, [array("a", [3], 0)], "w"), {
    message: /none of its 1 arrays \(a\) is one of this network's \(layer0\/kernel, layer0\/bias, /,
  });
});
