import { convLstm2d } from "../../../models/layers/conv_lstm2d.ts";
import { recurrent, testLayer } from "./layer_fixture.ts";

testLayer(
  "convLstm2d",
  recurrent((options, [height, width, channels], filters) =>
    convLstm2d({ name: "cell", height, width, channels, filters, ...options })
  ),
);
