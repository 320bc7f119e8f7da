import { convGru2d } from "../../../models/layers/conv_gru2d.ts";
import { recurrent, testLayer } from "./layer_fixture.ts";

testLayer(
  "convGru2d",
  recurrent((options, [height, width, channels], filters) =>
    convGru2d({ name: "cell", height, width, channels, filters, ...options })
  ),
);
