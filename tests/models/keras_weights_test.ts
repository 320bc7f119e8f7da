import assert from "node:assert/strict";
import { assignWeights } from "../../models/keras/assign_weights.ts";
import { readWeights, type SavedWeight } from "../../models/keras/read_weights.ts";
import type { WeightSpec } from "../../models/keras/layer.ts";

const entry = (name: string, shape: number[], beside: object = {}) => ({
  name,
  shape,
  dtype: "float32",
  ...beside,
});

Deno.test("weights are read as their groups, shards and quantization say", () => {
  const bytes = new Uint8Array(Float32Array.of(1, -2, 0.5, 3, 4).buffer);
  const manifest = [
    { paths: ["a", "b"], weights: [entry("x/kernel", [3])] },
    { paths: ["c"], weights: [entry("x/bias", [2])] },
  ];
  // Cut within a number.
  const files = [bytes.subarray(0, 5), bytes.subarray(5, 12), bytes.subarray(12)];
  const [kernel, bias] = readWeights("model.json", manifest, files);
  assert.deepEqual([...kernel.values], [1, -2, 0.5]);
  assert.deepEqual([...bias.values], [3, 4]);
  // numpy.float16([1.5, -0.0001, 65504, 6e-8]) and its own numbers again
  const half = new Uint8Array(Uint16Array.of(0x3e00, 0x868e, 0x7bff, 0x0001).buffer);
  const quantized = (dtype: string, more: object, file: Uint8Array, count: number) =>
    readWeights("model.json", [{
      paths: ["q"],
      weights: [entry("x/kernel", [count], { quantization: { dtype, ...more } })],
    }], [file])[0].values;
  assert.deepEqual([...quantized("float16", {}, half, 4)], [
    1.5,
    -0.00010001659393310547,
    65504,
    5.960464477539063e-8,
  ]);
  const scaled = quantized("uint8", { min: -1, scale: 0.5 }, Uint8Array.of(0, 1, 255), 3);
  assert.deepEqual([...scaled], [-1, -0.5, 126.5]);
});

Deno.test("weights of another size, and what is no number, are refused by name", () => {
  const read = (values: readonly number[], cut = 0, shape = [2]) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    const weights = [entry("x/kernel", shape), entry("x/bias", [1])];
    return () =>
      readWeights("model.json", [{ paths: ["w.bin"], weights }], [
        bytes.subarray(0, bytes.length - cut),
      ]);
  };
  const says = (message: RegExp) => ({ name: "ModelError", message });
  assert.throws(
    read([1, 2, 3], 2),
    says(
      /: its weights w\.bin have 10 bytes, model\.json names 12 \(they end within "x\/bias"\); copy/,
    ),
  );
  assert.throws(
    read([1, 2, 3, 4]),
    says(/have 16 bytes, model\.json names 12; copy or convert both/),
  );
  assert.throws(read([]), says(/have 0 bytes, .* \(they end within "x\/kernel"\)/));
  assert.throws(
    read([1, NaN, 3]),
    says(/: weight "x\/kernel" holds NaN at number 1; save the network/),
  );
  assert.throws(
    read([1, 2, -Infinity]),
    says(/: weight "x\/bias" holds -Infinity at number 0; save/),
  );
  assert.throws(
    read([1, 2, 3], 0, [-2]),
    says(/weightsManifest has .*, expected a name, a shape and/),
  );
});

const spec = (owner: string, name: string, shape: number[]): WeightSpec => ({
  owner: owner.split("/"),
  name,
  shape,
  isTrained: true,
});
let count = 0;
const saved = (name: string, shape: number[]): SavedWeight => ({
  name,
  shape,
  values: Float32Array.of(count++),
});
const named = (specs: readonly WeightSpec[], weights: readonly SavedWeight[]) =>
  assignWeights("model.json", specs, weights).map(({ name }) => name);

Deno.test("weights are found by name, whatever else a version writes into it", () => {
  const specs = [
    spec("both/forward_lstm", "kernel", [2, 4]),
    spec("both/backward_lstm", "kernel", [2, 4]),
    spec("inner/top", "kernel", [2, 4]),
    spec("each", "depthwise_kernel", [1, 2]),
  ].map((each) => each.name === "depthwise_kernel" ? { ...each, alias: "kernel" } : each);
  const ofKeras2 = [
    saved("top/kernel", [2, 4]),
    saved("both/backward_lstm/lstm_cell_7/kernel", [2, 4]),
    saved("both/forward_lstm/lstm_cell_6/kernel", [2, 4]),
    saved("each/depthwise_kernel", [1, 2]),
  ];
  assert.deepEqual(named(specs, ofKeras2), [2, 1, 0, 3].map((index) => ofKeras2[index].name));
  const ofKeras3 = [
    saved("own/both/forward_lstm/lstm_cell/kernel", [2, 4]),
    saved("own/both/backward_lstm/lstm_cell/kernel", [2, 4]),
    saved("own/inner/top/kernel", [2, 4]),
    saved("own/each/kernel", [1, 2]),
    saved("own/seed_generator/seed_generator_state", [2]),
  ];
  assert.deepEqual(named(specs, ofKeras3), ofKeras3.slice(0, 4).map(({ name }) => name));
});

Deno.test("weights of another session's names are found where there is one way alone", () => {
  const specs = [
    spec("conv2d", "kernel", [3, 3]),
    spec("conv2d_1", "kernel", [3, 3]),
    spec("dense", "kernel", [2]),
  ];
  const shifted = [
    saved("conv2d_3/kernel", [3, 3]),
    saved("conv2d_2/kernel", [3, 3]),
    saved("dense_1/kernel", [2]),
  ];
  assert.deepEqual(named(specs, shifted), [
    "conv2d_2/kernel",
    "conv2d_3/kernel",
    "dense_1/kernel",
  ]);
  // By the first's name alone it would be the second layer's.
  const overlapping = [
    saved("conv2d_1/kernel", [3, 3]),
    saved("conv2d_2/kernel", [3, 3]),
    saved("dense/kernel", [2]),
  ];
  assert.deepEqual(named(specs, overlapping), overlapping.map(({ name }) => name));
  const odd = [
    saved("encoder/kernel", [3, 3]),
    saved("decoder/kernel", [3, 3]),
    saved("dense/kernel", [2]),
  ];
  assert.throws(() => named(specs, odd), {
    name: "ModelError",
    message:
      /: its weights "encoder", "decoder" could be those of several layers, "conv2d", "conv2d_1"/,
  });
});

Deno.test("weights that a layer lacks, and that no layer has, are refused by name", () => {
  const specs = [spec("dense", "kernel", [2, 3]), spec("dense", "bias", [3])];
  const [kernel, bias] = [saved("dense/kernel", [2, 3]), saved("dense/bias", [3])];
  assert.deepEqual(named(specs, [bias, kernel]), ["dense/kernel", "dense/bias"]);
  assert.throws(() => named(specs, [kernel]), {
    name: "ModelError",
    message:
      /: layer "dense" needs the weights kernel \[2,3\], bias \[3\], the file has "dense\/kernel" /,
  });
  assert.throws(() => named(specs, [saved("dense/kernel", [3, 2]), bias]), {
    name: "ModelError",
    message:
      /layer "dense" needs the weights .* the file has "dense\/kernel" \[3,2\], "dense\/bias"/,
  });
  assert.throws(() => named(specs, [kernel, bias, saved("more/kernel", [1])]), {
    name: "ModelError",
    message: /: its weights "more" belong to none of its layers; save both again$/,
  });
});
