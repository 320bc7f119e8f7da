/**
 * The classes of layers that are computed here, by the names that Keras gives them. A class that is
 * none of these, and a configuration that its class does not read, is refused by the layer's name.
 */
import { convolutionLayers } from "./convolution_layers.ts";
import { coreLayers } from "./core_layers.ts";
import type { LayerConfig, LayerKind, MadeLayer } from "./layer_config.ts";
import { mergingLayers } from "./merging_layers.ts";
import { network } from "./network.ts";
import { normalizationLayers } from "./normalization_layers.ts";
import { placeLayers } from "./place_layers.ts";
import { recurrentLayers } from "./recurrent_layers.ts";

export const layerKinds: Readonly<Record<string, LayerKind>> = {
  ...coreLayers,
  ...convolutionLayers,
  ...placeLayers,
  ...mergingLayers,
  ...normalizationLayers,
  ...recurrentLayers,
  Sequential: network,
  Functional: network,
  Model: network,
};

/** Classes that are often met and have something to be written in their place. */
const instead: Readonly<Record<string, string>> = {
  Lambda: "write it with layers: a file holds none of a Lambda's Python",
  TFOpLambda: "write the operation as a layer, such as Add()([a, b]) for a + b",
  SlicingOpLambda: "cut with a Cropping layer in place of a slice",
  MultiHeadAttention: "write it with Attention or AdditiveAttention, or leave it out",
  ConvLSTM2DCell: "save it as a ConvLSTM2D layer",
  CuDNNLSTM: "save it as an LSTM layer",
  CuDNNGRU: "save it as a GRU layer with reset_after=True",
  Embedding: "leave it out: frames are numbers, not indices",
};

/** @throws {ModelError} for a class or a configuration that is not computed as Keras does */
export function makeLayer(config: LayerConfig): MadeLayer {
  const { kind } = config;
  if (!Object.hasOwn(layerKinds, kind)) {
    throw config.refusal(
      "is of a class that is not computed here",
      Object.hasOwn(instead, kind)
        ? instead[kind]
        : "write it with the layers that docs/layers.md lists, or as a module (see examples/)",
    );
  }
  const maker = layerKinds[kind](config);
  config.finish();
  return { config, maker };
}
