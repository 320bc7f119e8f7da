/** What is not computed as Keras does is refused by the layer's name, with what to write in its place. */
import assert from "node:assert/strict";
import { openTopology } from "../../models/keras/saved_network.ts";

type Fields = Record<string, unknown>;
const layer = (class_name: string, name: string, config: Fields = {}, beside: Fields = {}) => ({
  class_name,
  config: { name, trainable: true, ...config },
  ...beside,
});
const input = (shape: readonly (number | null)[]) =>
  layer("InputLayer", "input", { batch_shape: [null, ...shape] });

/** A chain of layers, made for what it reads. */
function make(shape: readonly number[], layers: readonly unknown[], beside: Fields = {}) {
  return made({
    class_name: "Sequential",
    config: { name: "own", layers: [input(shape), ...layers], ...beside },
  }, shape);
}

function made(topology: unknown, shape: readonly number[]) {
  const network = openTopology("model.json", { modelTopology: topology, weightsManifest: [] });
  return network.make([{ shape, isMasked: false }]);
}

const [row, sequence, image, video] = [[6], [3, 4], [5, 6, 2], [3, 5, 6, 2]];
const lstm = (name: string, config: Fields = {}) =>
  layer("LSTM", name, { units: 2, return_sequences: true, ...config });
const conv = (config: Fields) =>
  layer("Conv2D", "edges", { filters: 2, kernel_size: [3, 3], ...config });

/** What it reads, its layers, and how the sentence ends after "Cannot use --model model.json: ". */
const refused: readonly [string, readonly number[], readonly unknown[], RegExp][] = [
  ["a class", row, [layer("Maxout", "top")], /^layer "top" \(Maxout\) is of a class .*; write it /],
  [
    "Python within a file",
    row,
    [layer("Lambda", "f")],
    /^layer "f" \(Lambda\) .*none of a Lambda's/,
  ],
  [
    "an operation of Keras 3",
    row,
    [layer("Add", "add", {}, { module: "keras.src.ops.numpy" })],
    /^layer "add" \(Add\) is keras\.src\.ops\.numpy\.Add, .*; write a layer in its place/,
  ],
  [
    "a layer of one's own that is named as one of Keras",
    row,
    [layer("Dense", "mine", { units: 2 }, { module: "my_layers" })],
    /^layer "mine" \(Dense\) is my_layers\.Dense, which is no layer of Keras' own; write it with /,
  ],
  [
    "a setting that nobody reads",
    row,
    [layer("Dense", "top", { units: 2, lora_rank: 4 })],
    /^layer "top" \(Dense\) has lora_rank 4, which is not known here; save it without lora_rank$/,
  ],
  [
    "a setting that is missing",
    row,
    [layer("Dense", "top")],
    /^layer "top" \(Dense\) has no units; save it with a number$/,
  ],
  [
    "numbers of another type",
    row,
    [layer("Dense", "top", { units: 2, dtype: "mixed_float16" })],
    /^layer "top" \(Dense\) computes in "mixed_float16"; save it with dtype="float32"/,
  ],
  [
    "Keras 3's policy of another type",
    row,
    [layer("Dense", "top", {
      units: 2,
      dtype: { class_name: "DTypePolicy", config: { name: "bfloat16" } },
    })],
    /^layer "top" \(Dense\) computes in "bfloat16"; save it with dtype="float32"/,
  ],
  [
    "an activation",
    row,
    [layer("Dense", "top", { units: 2, activation: "squareplus" })],
    /^layer "top" \(Dense\) has the activation "squareplus", which is none .*; save it with another/,
  ],
  [
    "a name that every object has",
    row,
    [layer("Dense", "top", { units: 2, activation: "constructor" })],
    /^layer "top" \(Dense\) has the activation "constructor", which is none /,
  ],
  [
    "a class that every object has",
    row,
    [layer("toString", "top")],
    /^layer "top" \(toString\) is of/,
  ],
  [
    "a layer as an activation",
    row,
    [layer("Dense", "top", { units: 2, activation: layer("LeakyReLU", "slope") })],
    /^layer "top" \(Dense\) has the activation LeakyReLU, .* a layer of that activation after it$/,
  ],
  [
    "strides beside dilation",
    image,
    [conv({ strides: [2, 2], dilation_rate: [2, 2] })],
    /^layer "edges" \(Conv2D\) has strides \[2,2\] and dilation_rate \[2,2\]; save it with one of /,
  ],
  [
    "strides beside dilation in one number each",
    image,
    [conv({ strides: 2, dilation_rate: 3 })],
    /^layer "edges" \(Conv2D\) has strides \[2,2\] and dilation_rate \[3,3\]/,
  ],
  [
    "groups that do not divide",
    image,
    [conv({ groups: 3 })],
    /^layer "edges" \(Conv2D\) has 3 groups of 2 channels and 2 filters; save it with groups that /,
  ],
  [
    "a padding",
    image,
    [conv({ padding: "reflect" })],
    /^layer "edges" \(Conv2D\) has padding "reflect"; save it with "same" or "valid"$/,
  ],
  [
    "a format",
    image,
    [conv({ data_format: "NCHW" })],
    /^layer "edges" \(Conv2D\) has data_format "NCHW"; save it with "channels_last" or "channels_f/,
  ],
  [
    "a kernel that is larger than the frame",
    image,
    [conv({ kernel_size: 9 })],
    /^layer "edges" \(Conv2D\) covers 9 places where 5 are; save it with padding="same"/,
  ],
  [
    "an input of another rank",
    row,
    [conv({})],
    /^layer "edges" \(Conv2D\) reads \[lanes, 6\]; give it \[lanes, rows, columns, channels\]$/,
  ],
  [
    "groups of a transposed convolution",
    image,
    [layer("Conv2DTranspose", "up", { filters: 2, kernel_size: 3, groups: 2 })],
    /^layer "up" \(Conv2DTranspose\) has groups 2; save it with groups=1$/,
  ],
  [
    "unequal strides by channel",
    image,
    [layer("DepthwiseConv2D", "each", { kernel_size: 3, strides: [1, 2] })],
    /^layer "each" \(DepthwiseConv2D\) has strides \[1,2\]; save it with equal strides$/,
  ],
  [
    "another interpolation",
    image,
    [layer("UpSampling2D", "up", { interpolation: "bicubic" })],
    /^layer "up" \(UpSampling2D\) has interpolation "bicubic"; save it with "nearest" or "bilinear"$/,
  ],
  [
    "more cut than there is",
    image,
    [layer("Cropping2D", "cut", { cropping: 3 })],
    /^layer "cut" \(Cropping2D\) cuts \[\[3,3\],\[3,3\]\] from \[5,6\]; save it so that something /,
  ],
  [
    "several axes of a softmax",
    image,
    [layer("Softmax", "shares", { axis: [1, 2] })],
    /^layer "shares" \(Softmax\) has axis \[1,2\] for \[lanes, 5,6,2\]; save it with one axis/,
  ],
  [
    "a shape with another number of values",
    image,
    [layer("Reshape", "flat", { target_shape: [7, -1] })],
    /^layer "flat" \(Reshape\) turns \[lanes, 5,6,2\] into \[lanes, 7,-1\]; save it with as many /,
  ],
  [
    "random numbers",
    sequence,
    [lstm("memory", { recurrent_dropout: 0.25 })],
    /^layer "memory" \(LSTM\) draws random numbers \(recurrent_dropout 0.25\), .*; leave it out/,
  ],
  [
    "random numbers of another kind",
    video,
    [layer("AlphaDropout", "drop", { rate: 0.5 })],
    /^layer "drop" \(AlphaDropout\) draws random numbers \(rate 0.5\)/,
  ],
  [
    "what leaves everything out",
    row,
    [layer("Dropout", "drop", { rate: 1 })],
    /^layer "drop" \(Dropout\) has rate 1; save it with a rate from 0 to below 1$/,
  ],
  [
    "random numbers of a shape of their own",
    row,
    [layer("Dropout", "drop", { rate: 0.5, noise_shape: [null, 1] })],
    /^layer "drop" \(Dropout\) has noise_shape \[null,1\]; save it with noise_shape=None$/,
  ],
  [
    "a cell of one's own",
    sequence,
    [layer("RNN", "memory", { cell: layer("MinimalCell", "cell", { units: 2 }) })],
    /^layer "memory\/cell" \(MinimalCell\) is no cell that is computed here; save it with one of /,
  ],
  [
    "time before lanes",
    sequence,
    [lstm("memory", { time_major: true })],
    /^layer "memory" \(LSTM\) has time_major true; save it with time_major=False$/,
  ],
  [
    "both directions of what has none",
    sequence,
    [layer("Bidirectional", "both", { layer: layer("Dense", "top", { units: 2 }) })],
    /^layer "both" \(Bidirectional\) wraps a layer of class Dense; save it with one of SimpleRNN, /,
  ],
  [
    "a state of each time step",
    [2, 3, 4],
    [layer("TimeDistributed", "each", { layer: lstm("memory", { stateful: true }) })],
    /^layer "each" \(TimeDistributed\) applies the stateful layer "memory" to each time step; save /,
  ],
  [
    "masks of places",
    image,
    [layer("Masking", "known")],
    /^layer "known" \(Masking\) reads \[lanes, 5,6,2\]; give it \[lanes, time, features\]/,
  ],
  [
    "a mask where it would change shares",
    sequence,
    [layer("Masking", "known"), layer("Softmax", "shares")],
    /^layer "shares" \(Softmax\) reads masked time steps, .*; leave out the Masking layer/,
  ],
  [
    "a mask where it would change groups",
    sequence,
    [layer("Masking", "known"), layer("GroupNormalization", "groups", { groups: 2 })],
    /^layer "groups" \(GroupNormalization\) reads masked time steps/,
  ],
  [
    "a mask of each step's layer",
    [3, 4],
    [
      layer("Masking", "known"),
      layer("TimeDistributed", "each", { layer: layer("Softmax", "shares") }),
    ],
    /^layer "each" \(TimeDistributed\) applies a layer of class Softmax to masked time steps/,
  ],
  [
    "statistics of each step's batch",
    video,
    [layer("TimeDistributed", "each", { layer: layer("BatchNormalization", "norm") })],
    /^layer "each" \(TimeDistributed\) applies a layer that keeps moving averages \("norm"\) to each/,
  ],
  [
    "statistics of masked batches",
    sequence,
    [layer("Masking", "known"), layer("BatchNormalization", "norm")],
    /^layer "norm" \(BatchNormalization\) reads masked time steps/,
  ],
  [
    "statistics that are corrected by those of before",
    sequence,
    [layer("BatchNormalization", "norm", { renorm: true })],
    /^layer "norm" \(BatchNormalization\) has renorm true; save it with renorm=False$/,
  ],
  [
    "an axis of lanes",
    image,
    [layer("LayerNormalization", "norm", { axis: 0 })],
    /^layer "norm" \(LayerNormalization\) has axis 0 for \[lanes, 5,6,2\]; save it with axes of those/,
  ],
];

for (const [what, shape, layers, says] of refused) {
  Deno.test(`${what} is refused`, () => {
    assert.throws(() => make(shape, layers), (error: Error) => {
      assert.equal(error.name, "ModelError");
      assert.match(error.message, /^Cannot use --model model\.json: /);
      assert.match(error.message.replace("Cannot use --model model.json: ", ""), says);
      return true;
    });
  });
}

/** A graph with an LSTM that is given states, as Keras 2 writes it. */
function graph(config: Fields, words: Fields, outputs: unknown) {
  const at = (name: string, output = 0) => [name, 0, output, {}];
  const named = (each: { config: { name?: unknown } }, nodes: unknown) => ({
    ...each,
    name: each.config.name,
    inbound_nodes: nodes,
  });
  return {
    class_name: "Functional",
    config: {
      name: "own",
      input_layers: [["input", 0, 0]],
      output_layers: outputs,
      layers: [
        named(input(sequence), []),
        named(lstm("first", { return_state: true }), [[["input", 0, 0, words]]]),
        named(lstm("second", config), [[at("first"), at("first", 1), at("first", 2)]]),
      ],
    },
  };
}

Deno.test("a graph is refused where it gives states to a stateful layer, or tensors as words", () => {
  const last = [["second", 0, 0]];
  assert.deepEqual(made(graph({}, {}, last), sequence).outputs[0].shape, [3, 2]);
  assert.throws(() => made(graph({ stateful: true }, {}, last), sequence), {
    name: "ModelError",
    message:
      /layer "second" \(LSTM\) carries its state .* and is given an initial state too; save /,
  });
  assert.throws(() => made(graph({ units: 3 }, {}, last), sequence), {
    name: "ModelError",
    message: /layer "second" \(LSTM\) is given states \[2\], \[2\]; give it states \[3\], \[3\]$/,
  });
  assert.throws(() => made(graph({}, { mask: ["input", 0, 0] }, last), sequence), {
    name: "ModelError",
    message: /calls its layer "first" with mask \["input",0,0\]; save it with a call that has /,
  });
  assert.throws(() => made(graph({}, {}, [...last, ["first", 0, 1]]), sequence), {
    name: "ModelError",
    message:
      /: it has 1 inputs and 2 outputs \("second", "first"\); save one of each: keras\.Model\(/,
  });
  assert.throws(() => made(graph({}, {}, { y: last[0] }), sequence), {
    name: "ModelError",
    message:
      /names its inputs or outputs otherwise than in a list; save it with a tensor or a list/,
  });
});

Deno.test("what is no file of layers with weights is told with the way to one", () => {
  const says = (value: unknown, pattern: RegExp) =>
    assert.throws(() => openTopology("model.json", value), {
      name: "ModelError",
      message: pattern,
    });
  says(
    { format: "graph-model", modelTopology: {} },
    /: it is a graph model, .*tensorflowjs_converter/,
  );
  says({ modelTopology: { node: [] } }, /: it is a graph model, /);
  says(
    { class_name: "Sequential", config: {} },
    /: it holds layers without their weights .*; save the network with model\.save\("model\.h5"\), /,
  );
  says([], /: it is no model\.json of layers with its weights; save the network with /);
  says(
    { modelTopology: { class_name: "MyModel", config: {} }, weightsManifest: [] },
    /: it is a network of class MyModel, whose layers are not in the file; build it with /,
  );
  says(
    {
      modelTopology: {
        class_name: "Sequential",
        config: { name: "own", layers: [layer("Flatten", "flat")] },
      },
      weightsManifest: [],
    },
    /: it does not say what shape it reads; save it with keras\.Input\(shape\) as its first layer$/,
  );
});
