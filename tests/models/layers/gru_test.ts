import { gru } from "../../../models/layers/gru.ts";
import { recurrent, testLayer } from "./layer_fixture.ts";

testLayer(
  "gru",
  recurrent((options, [inputs], units) => gru({ name: "gru", inputs, units, ...options })),
);
