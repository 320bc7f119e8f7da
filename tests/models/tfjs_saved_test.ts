import { tf } from "../../engine/tf.ts";
import { assignWeights } from "../../models/keras/assign_weights.ts";
import { readWeights } from "../../models/keras/read_weights.ts";
import { openTopology } from "../../models/keras/saved_network.ts";
import { testOnEngines } from "../worker/small_run.ts";
import { assertClose } from "./close_to.ts";
import * as keras from "./tfjs_layers.ts";

const { layers } = keras;
type Part = keras.layers.Layer;
const row = (...own: Part[]) => keras.sequential({ layers: own });
const graph = (shape: number[], of: (x: keras.SymbolicTensor) => unknown) => {
  const inputs = keras.input({ shape });
  return keras.model({ inputs, outputs: of(inputs) as keras.SymbolicTensor });
};
const at = (layer: Part, ...inputs: keras.SymbolicTensor[]) =>
  layer.apply(inputs.length === 1 ? inputs[0] : inputs) as keras.SymbolicTensor;

const shape = { inputShape: [3, 4] };
const random = { biasInitializer: "randomNormal" as const };
const same = { kernelSize: 3, padding: "same" as const };
const networks: Readonly<Record<string, () => keras.LayersModel>> = {
  "GRU, which resets before the product": () =>
    row(layers.gru({ units: 3, recurrentActivation: "sigmoid", ...random, ...shape })),
  "LSTM backwards": () => row(layers.lstm({ units: 3, goBackwards: true, ...random, ...shape })),
  "stacked cells": () =>
    row(layers.rnn({
      cell: [layers.lstmCell({ units: 3, ...random }), layers.gruCell({ units: 2 })],
      returnSequences: true,
      ...shape,
    })),
  "one cell": () => row(layers.rnn({ cell: layers.simpleRNNCell({ units: 3 }), ...shape })),
  "both directions": () =>
    row(layers.bidirectional({
      layer: layers.lstm({ units: 2, returnSequences: true, ...random }) as keras.RNN,
      mergeMode: "concat",
      ...shape,
    })),
  "a layer of each step": () =>
    row(layers.timeDistributed({ layer: layers.dense({ units: 2, ...random }), ...shape })),
  "a U-Net": () =>
    graph([8, 8, 1], (x) => {
      const edges = at(layers.conv2d({ filters: 2, activation: "relu", ...same, ...random }), x);
      const small = at(layers.maxPooling2d({ poolSize: 2 }), edges);
      const deep = at(layers.conv2d({ filters: 2, activation: "hardSigmoid", ...same }), small);
      const large = at(layers.upSampling2d({ size: [2, 2] }), deep);
      const both = at(layers.concatenate(), edges, large);
      return at(layers.conv2dTranspose({ filters: 1, ...same, ...random }), both);
    }),
  "a layer and a network that are used twice": () =>
    graph([3, 4], (x) => {
      const dense = layers.dense({ units: 4, ...random });
      const inner = row(layers.dense({ units: 4, activation: "tanh", ...random, ...shape }));
      return at(layers.add(), at(inner, at(inner, at(dense, x))), at(dense, x));
    }),
  "normalization and slopes": () =>
    row(
      layers.dense({ units: 3, ...shape }),
      layers.layerNormalization(),
      layers.prelu({ alphaInitializer: "randomNormal" }),
      layers.leakyReLU(),
      layers.batchNormalization({ trainable: false }),
      layers.globalAveragePooling1d(),
    ),
  "separable convolutions": () =>
    row(
      layers.separableConv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 2] }),
      layers.depthwiseConv2d({ kernelSize: 2 }),
      layers.averagePooling2d({}),
      layers.flatten(),
      layers.dense({ units: 2, activation: "softmax" }),
    ),
  "what shapes and cuts": () =>
    row(
      layers.zeroPadding2d({ inputShape: [6, 6, 2] }),
      layers.cropping2D({ cropping: [[1, 0], [0, 1]] }),
      layers.permute({ dims: [3, 1, 2] }),
      layers.reshape({ targetShape: [2, 49] }),
      layers.conv1d({ filters: 2, kernelSize: 2, padding: "same" }),
      layers.globalMaxPooling1d(),
    ),
};

for (const [name, build] of Object.entries(networks)) {
  testOnEngines(`what TensorFlow.js saves answers as it does: ${name}`, async (open) => {
    await open(1);
    const network = build();
    await network.save({
      save(saved) {
        const weightsManifest = [{ paths: ["weights.bin"], weights: saved.weightSpecs! }];
        const { modelTopology } = JSON.parse(
          JSON.stringify({ modelTopology: saved.modelTopology }),
        );
        const read = openTopology("model.json", { modelTopology, weightsManifest });
        const shape = read.inputShape as number[];
        const layer = read.make([{ shape, isMasked: false }]);
        const bytes = new Uint8Array(saved.weightData as ArrayBuffer);
        const found = readWeights("model.json", weightsManifest, [bytes]);
        const weights = assignWeights("model.json", layer.weights, found);
        tf.tidy(() => {
          const x = tf.randomUniform([2, ...shape], -1, 1, "float32", 3);
          const { values: [{ tensor }] } = layer.apply([{ tensor: x }], {
            weights: weights.map(({ values, shape }) => tf.tensor(values, [...shape])),
            state: [],
            training: false,
          });
          const expected = network.predict(x) as tf.Tensor;
          assertClose(tensor.dataSync(), expected.dataSync(), name, { floor: 1e-6 });
        });
        const information = { dateSaved: new Date(0), modelTopologyType: "JSON" as const };
        return Promise.resolve({ modelArtifactsInfo: information });
      },
    });
    for (const weight of network.weights) weight.dispose();
  }, ["wasm"]);
}
