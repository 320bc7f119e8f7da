import { conv2d, conv2dTranspose } from "../../../models/layers/convolution2d.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "conv2d",
  feedForward((options, [[, , channels, filters]]) =>
    conv2d({ name: "conv", channels, filters, ...options })
  ),
);

testLayer(
  "conv2dTranspose",
  feedForward((options, [[, , filters, channels]]) =>
    conv2dTranspose({ name: "conv", channels, filters, ...options })
  ),
);
