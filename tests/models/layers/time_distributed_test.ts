import { conv2d } from "../../../models/layers/convolution2d.ts";
import { timeDistributed } from "../../../models/layers/time_distributed.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "timeDistributed",
  feedForward((_, [[, , channels, filters]]) =>
    timeDistributed(
      conv2d({ name: "conv", channels, filters, kernelSize: 3, stride: 2, activation: "relu" }),
    )
  ),
);
