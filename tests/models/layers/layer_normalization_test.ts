import { layerNormalization } from "../../../models/layers/layer_normalization.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "layerNormalization",
  feedForward((_, [shape]) => layerNormalization({ name: "norm", shape })),
);
